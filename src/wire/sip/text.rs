//! The lowest layer of SIP text: [`Text`] sliced from a message, the byte classes of RFC 3261 25.1, quoted strings, lists
//! in one line, and names decoded for people.
//!
//! Quoted strings in GBK and Big5 hold trail bytes 0x5C (a backslash to RFC 3261): where the text is no UTF-8, a byte pair
//! is walked as one character, so that the name 許 does not swallow its closing quote.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// Text that is known to be UTF-8, mostly a token; a cheap slice of the message that it came in.
#[derive(Clone, Default)]
pub struct Text(Bytes);

impl Text {
    /// The text of these bytes; `None` where they are not UTF-8.
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }
    /// A text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        // The constructors let nothing else in than UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
    /// The same as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The same as shared bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
    /// Equal without regard to the case of ASCII letters.
    pub fn eq_ignore_case(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}
impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Text {}
impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}
impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}
impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Every byte that a `token` may hold: looked up once a byte, so a table.
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

/// A byte of a `token` (RFC 3261 25.1).
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

/// White space within a line.
pub fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The bytes without white space before and after.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Text for a person: UTF-8, else Big5 where it is hardly anything else, else GB18030, else Big5, else UTF-8 with replacement
/// characters. Chinese PBXs send all three in From without naming any.
///
/// Nearly all Big5 is also some GB18030, so the order alone would never find it: see [`looks_like_big5`].
pub fn decode_for_people(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let order = if looks_like_big5(bytes) {
        [encoding_rs::BIG5, encoding_rs::GB18030]
    } else {
        [encoding_rs::GB18030, encoding_rs::BIG5]
    };
    for encoding in order {
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return text.into_owned();
        }
    }
    String::from_utf8_lossy(bytes).into_owned()
}

/// True where every character is one of Big5's common ones (0xA4 to 0xC6) and one of them has a low trail byte, which the
/// common characters of GB18030 never have. A Big5 name without such a byte is read as GB18030.
fn looks_like_big5(bytes: &[u8]) -> bool {
    let mut low_trail = false;
    let mut at = 0;
    while let Some(lead) = bytes.get(at) {
        if lead.is_ascii() {
            at += 1;
            continue;
        }
        let Some(trail) = bytes.get(at + 1).filter(|_| (0xA4..=0xC6).contains(lead)) else { return false };
        low_trail |= (0x40..=0x7E).contains(trail);
        at += 2;
    }
    low_trail
}

/// True for the first byte of a two-byte character that `next` completes (GBK, Big5).
fn is_double_byte(lead: u8, next: Option<u8>) -> bool {
    (0x81..=0xFE).contains(&lead) && next.is_some_and(|trail| (0x40..=0x7E).contains(&trail) || trail >= 0x80)
}

/// Index of the quote that ends the string which begins after `start`; backslashes escape.
fn plain_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return Some(at),
            // A quoted pair is ASCII; a backslash before anything else is itself.
            b'\\' if bytes.get(at + 1).is_some_and(u8::is_ascii) => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// The same, walking byte pairs as one character.
fn double_byte_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match byte {
            b'"' => return Some(at),
            b'\\' if next.is_some_and(|next| next.is_ascii()) => at += 2,
            lead if is_double_byte(*lead, next) => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Index of the quote that ends the quoted string whose first byte after the opening quote is at `start`.
pub fn quoted_end(bytes: &[u8], start: usize) -> Option<usize> {
    let plain = plain_end(bytes, start);
    let content = &bytes[start.min(bytes.len())..plain.unwrap_or(bytes.len())];
    if content.is_ascii() || std::str::from_utf8(content).is_ok() {
        return plain;
    }
    double_byte_end(bytes, start).or(plain)
}

/// The content of a quoted string without its escapes. `content` is what stands between the quotes.
pub fn unescape(content: &[u8]) -> Cow<'_, [u8]> {
    if !content.contains(&b'\\') {
        return Cow::Borrowed(content);
    }
    let pairs = std::str::from_utf8(content).is_err();
    let mut plain = Vec::with_capacity(content.len());
    let mut at = 0;
    while let Some(byte) = content.get(at) {
        let next = content.get(at + 1).copied();
        if let (b'\\', Some(next)) = (*byte, next)
            && next.is_ascii()
        {
            plain.push(next);
            at += 2;
        } else if let Some(next) = next
            && pairs
            && is_double_byte(*byte, Some(next))
        {
            plain.extend([*byte, next]);
            at += 2;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    Cow::Owned(plain)
}

/// Writes `content` as a quoted string, quotes and escapes included; the opposite of [`unescape`]. Line ends become spaces.
pub fn write_quoted(out: &mut Vec<u8>, content: &[u8]) {
    let pairs = std::str::from_utf8(content).is_err();
    out.push(b'"');
    let mut at = 0;
    while let Some(byte) = content.get(at) {
        let next = content.get(at + 1).copied();
        if let Some(next) = next
            && pairs
            && is_double_byte(*byte, Some(next))
        {
            out.extend([*byte, next]);
            at += 2;
            continue;
        }
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\r' | b'\n' => out.push(b' '),
            other => out.push(*other),
        }
        at += 1;
    }
    out.push(b'"');
}

/// Splits a comma list where the commas are outside of quotes and angle brackets. Empty values are left out.
pub struct ListSplit<'a> {
    source: &'a Bytes,
    at: usize,
}

impl<'a> ListSplit<'a> {
    /// Splits one header line's value.
    pub fn new(source: &'a Bytes) -> Self {
        Self { source, at: 0 }
    }
}

impl Iterator for ListSplit<'_> {
    type Item = Bytes;
    fn next(&mut self) -> Option<Bytes> {
        while self.at < self.source.len() {
            let end = value_end(self.source, self.at);
            let value = trim(&self.source[self.at..end]);
            self.at = end + 1;
            if !value.is_empty() {
                return Some(self.source.slice_ref(value));
            }
        }
        None
    }
}

/// Index of the comma that ends the list value beginning at `start`, or the length.
pub fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut bracket = false;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' if !bracket => match quoted_end(bytes, at + 1) {
                Some(end) => at = end,
                None => return bytes.len(),
            },
            b'<' => bracket = true,
            b'>' => bracket = false,
            b',' if !bracket => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Reads one header value from left to right. Positions are always within the source.
pub(crate) struct Cursor<'a> {
    source: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: &'a Bytes) -> Self {
        Self { source, at: 0 }
    }
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.source[self.at..]
    }
    pub(crate) fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }
    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.source.len()
    }
    pub(crate) fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }
    /// Takes this byte, with white space before and after, where it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.skip_space();
        if self.peek() == Some(byte) {
            self.at += 1;
            self.skip_space();
            return true;
        }
        self.at = before;
        false
    }
    /// Takes bytes while they are of this class.
    pub(crate) fn take_while(&mut self, class: impl Fn(u8) -> bool) -> Bytes {
        let length = self.rest().iter().position(|byte| !class(*byte)).unwrap_or(self.rest().len());
        self.take(length)
    }
    /// The same without sharing the message: for what is looked at and not kept.
    pub(crate) fn pass_while(&mut self, class: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !class(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }
    /// Passes over this many bytes, or what is left.
    pub(crate) fn pass(&mut self, length: usize) {
        self.at = self.source.len().min(self.at + length);
    }
    /// Takes this many bytes, or what is left.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        let end = self.source.len().min(self.at + length);
        let taken = self.source.slice(self.at..end);
        self.at = end;
        taken
    }
    /// Takes a token of at least one byte.
    pub(crate) fn token(&mut self) -> Option<Text> {
        let token = self.take_while(is_token_byte);
        // Token bytes are ASCII.
        (!token.is_empty()).then_some(Text(token))
    }
    /// Takes a quoted string that begins here and gives its inside, escapes still in.
    pub(crate) fn quoted_raw(&mut self) -> Option<Bytes> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let end = quoted_end(self.source, self.at + 1)?;
        let inside = self.source.slice(self.at + 1..end);
        self.at = end + 1;
        Some(inside)
    }
    /// Takes a quoted string that begins here and gives its content without escapes.
    pub(crate) fn quoted(&mut self) -> Option<Bytes> {
        let raw = self.quoted_raw()?;
        match unescape(&raw) {
            Cow::Borrowed(_) => Some(raw.clone()),
            Cow::Owned(content) => Some(Bytes::from(content)),
        }
    }
}

/// A number of decimal digits only; `None` where it is none or does not fit.
pub fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_lists_outside_quotes_and_brackets() {
        let table: [(&[u8], &[&[u8]]); 6] = [
            (b"a, b ,c", &[b"a", b"b", b"c"]),
            (b"\"a, b\" <sip:x,y@z>, q", &[b"\"a, b\" <sip:x,y@z>", b"q"]),
            (b",, a,,", &[b"a"]),
            (b"", &[]),
            (b"\"open, a", &[b"\"open, a"]),
            (b"\"\xB3\x5C\" <sip:a@b>, c", &[b"\"\xB3\x5C\" <sip:a@b>", b"c"]),
        ];
        for (line, values) in table {
            let line = Bytes::copy_from_slice(line);
            let got: Vec<Bytes> = ListSplit::new(&line).collect();
            assert_eq!(got, values, "{line:?}");
        }
    }

    #[test]
    fn quoted_strings_survive_double_byte_text() {
        // 許功蓋 in Big5: each second byte is a backslash.
        let name = b"\xB3\x5C\xA5\x5C\xBB\x5C";
        let mut quoted = Vec::new();
        write_quoted(&mut quoted, name);
        assert_eq!(quoted_end(&quoted, 1), Some(quoted.len() - 1));
        assert_eq!(unescape(&quoted[1..quoted.len() - 1]).as_ref(), name);
    }

    #[test]
    fn quotes_and_escapes() {
        for content in [&b"J \\\""[..], b"", b"plain", b"a\\", "聽話\"".as_bytes(), b"\0\x07"] {
            let mut quoted = Vec::new();
            write_quoted(&mut quoted, content);
            let end = quoted_end(&quoted, 1);
            assert_eq!(end, Some(quoted.len() - 1), "{content:?}");
            assert_eq!(unescape(&quoted[1..quoted.len() - 1]).as_ref(), content);
        }
        assert_eq!(quoted_end(b"\"abc\\\"", 1), None);
    }

    #[test]
    fn decodes_names_for_people() {
        assert_eq!(decode_for_people("張三".as_bytes()), "張三");
        assert_eq!(decode_for_people(b"\xD5\xC5\xC8\xFD"), "张三");
        assert_eq!(decode_for_people(b"\xD6\xEC\xE9\x46\xBB\xF9"), "朱镕基");
        assert_eq!(decode_for_people(b"Chan \xB3\xAF\xA4\x6A\xA4\xE5"), "Chan 陳大文");
        assert_eq!(decode_for_people(b"\xB3\x5C\xA5\x5C\xBB\x5C"), "許功蓋");
        assert_eq!(decode_for_people(b"\xFF\xFE"), "\u{FFFD}\u{FFFD}");
    }

    #[test]
    fn decimal_is_digits_that_fit() {
        assert_eq!(decimal(b"0069"), Some(69));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b"+1", b"1 2", b"18446744073709551616", b"1a"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }
}
