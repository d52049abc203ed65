//! When two URIs name the same resource (RFC 3261 19.1.4), and percent escapes.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Params, SipUri, Uri};

/// The bytes with `%XX` replaced. A `%` that escapes nothing stays.
pub fn unescape_percent(bytes: &[u8]) -> Cow<'_, [u8]> {
    replace_escapes(bytes, |_| true)
}

/// The bytes with those escapes replaced that stand for no reserved byte: two spellings of one name become equal.
fn normal(bytes: &[u8]) -> Cow<'_, [u8]> {
    replace_escapes(bytes, |byte| !b";/?:@&=+$,%".contains(&byte))
}

fn replace_escapes(bytes: &[u8], replaced: impl Fn(u8) -> bool) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, escaped_byte(&bytes[at..])) {
            (b'%', Some(escaped)) if replaced(escaped) => {
                plain.push(escaped);
                at += 3;
            }
            (b'%', Some(_)) => {
                plain.extend(bytes[at..at + 3].iter().map(u8::to_ascii_uppercase));
                at += 3;
            }
            _ => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(plain)
}

fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let digit = |index: usize| bytes.get(index).and_then(|byte| (*byte as char).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// Escapes what a user part may not hold.
pub(super) fn escape_user(user: &str) -> Bytes {
    let mut out = Vec::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    Bytes::from(out)
}

/// Parameters that make URIs differ where only one has them. RFC 3261's examples count transport among them.
const DECIDING: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn same_params(one: &Params, two: &Params) -> bool {
    let agree = |name: &str| match (one.get(name), two.get(name)) {
        (Some(Some(a)), Some(Some(b))) => normal(a).eq_ignore_ascii_case(&normal(b)),
        (a, b) => a.is_some() == b.is_some() && a.flatten().is_none() && b.flatten().is_none(),
    };
    DECIDING.iter().all(|name| agree(name))
        && one.iter().filter(|param| two.has(&param.name)).all(|param| agree(&param.name))
}

fn same_headers(one: &SipUri, two: &SipUri) -> bool {
    one.headers.len() == two.headers.len()
        && one.headers.iter().all(|(name, value)| {
            two.headers.iter().any(|(other, also)| other.eq_ignore_ascii_case(name) && normal(also) == normal(value))
        })
}

impl SipUri {
    /// RFC 3261 19.1.4.
    pub fn equivalent(&self, other: &Self) -> bool {
        let same = |one: &Option<Bytes>, two: &Option<Bytes>| match (one, two) {
            (Some(one), Some(two)) => normal(one) == normal(two),
            (one, two) => one.is_none() && two.is_none(),
        };
        self.scheme == other.scheme
            && same(&self.user, &other.user)
            && same(&self.password, &other.password)
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && same_params(&self.params, &other.params)
            && same_headers(self, other)
    }
}

impl Uri {
    /// RFC 3261 19.1.4 for SIP, RFC 3966 4 for telephone numbers, byte for byte for any other.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(one), Self::Sip(two)) => one.equivalent(two),
            (Self::Tel(one), Self::Tel(two)) => {
                one.dialled().eq_ignore_ascii_case(&two.dialled()) && same_tel_params(&one.params, &two.params)
            }
            (one, two) => one == two,
        }
    }
}

fn same_tel_params(one: &Params, two: &Params) -> bool {
    one.iter().count() == two.iter().count()
        && one.iter().all(|param| match (&param.value, two.get(&param.name)) {
            (Some(a), Some(Some(b))) => a.eq_ignore_ascii_case(b),
            (None, Some(None)) => true,
            _ => false,
        })
}
