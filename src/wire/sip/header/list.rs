//! Values that come in lists: media types, Reason (RFC 3326), Warning, User-to-User (RFC 7433).

use std::fmt;

use bytes::Bytes;

use super::super::text::{Cursor, Text, decimal, decode_for_people, is_space, write_quoted};
use super::super::uri::Params;

/// A media type of Content-Type or a range of Accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application`, or `*` in a range.
    pub kind: Text,
    /// `sdp`, or `*` in a range.
    pub subtype: Text,
    /// Parameters, `boundary` or `q`.
    pub params: Params,
}

impl MediaType {
    /// Reads one value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let kind = cursor.token()?;
        if !cursor.eat(b'/') {
            return None;
        }
        let subtype = cursor.token()?;
        Some(Self { kind, subtype, params: Params::parse_header(&mut cursor)? })
    }
    /// True where it is this type, whatever its parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_case(kind) && self.subtype.eq_ignore_case(subtype)
    }
    /// True where a range of Accept takes in this type; `q=0` takes in none.
    pub fn accepts(&self, kind: &str, subtype: &str) -> bool {
        let refused = self.params.text("q").is_some_and(|q| q.bytes().all(|byte| byte == b'0' || byte == b'.'));
        let same = |range: &Text, name: &str| *range == "*" || range.eq_ignore_case(name);
        !refused && same(&self.kind, kind) && same(&self.subtype, subtype)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.params.write_to(&mut out);
        write!(f, "{}/{}{}", self.kind, self.subtype, String::from_utf8_lossy(&out))
    }
}

/// One value of Reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonValue {
    /// `SIP`, `Q.850` or another.
    pub protocol: Text,
    /// Cause, where it is a number.
    pub cause: Option<u16>,
    /// Text for people.
    pub text: Option<String>,
}

impl ReasonValue {
    /// Reads one value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let protocol = cursor.token()?;
        let params = Params::parse_header(&mut cursor)?;
        let cause = params.text("cause").and_then(|text| u16::try_from(decimal(text.as_bytes())?).ok());
        let text = params.value("text").map(|text| decode_for_people(&text));
        Some(Self { protocol, cause, text })
    }
}

impl fmt::Display for ReasonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            let mut out = Vec::new();
            write_quoted(&mut out, text.as_bytes());
            write!(f, ";text={}", String::from_utf8_lossy(&out))?;
        }
        Ok(())
    }
}

/// One value of Warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits.
    pub code: u16,
    /// Who warns: host or pseudonym.
    pub agent: Text,
    /// Text for people.
    pub text: String,
}

impl Warning {
    /// Reads one value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let digits = cursor.pass_while(|byte| byte.is_ascii_digit());
        let code = u16::try_from(decimal(digits)?).ok().filter(|code| (100..1000).contains(code))?;
        cursor.skip_space();
        let agent = Text::from_bytes(cursor.take_while(|byte| !is_space(byte) && byte != b'"'))?;
        cursor.skip_space();
        let text = decode_for_people(&cursor.quoted()?);
        (!agent.is_empty()).then_some(Self { code, agent, text })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        write_quoted(&mut out, self.text.as_bytes());
        write!(f, "{} {} {}", self.code, self.agent, String::from_utf8_lossy(&out))
    }
}

/// One value of User-to-User: facts that travel with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserToUser {
    /// The data as written, hex digits in general.
    pub data: Bytes,
    /// `purpose`, `content`, `encoding`.
    pub params: Params,
}

impl UserToUser {
    /// Reads one value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let data = if cursor.peek() == Some(b'"') {
            cursor.quoted()?
        } else {
            cursor.take_while(|byte| byte != b';' && !is_space(byte))
        };
        let params = Params::parse_header(&mut cursor)?;
        (!data.is_empty()).then_some(Self { data, params })
    }
    /// The data itself, where it is hex and says so or says nothing.
    pub fn decoded(&self) -> Option<Vec<u8>> {
        let hex = self.params.text("encoding").is_none_or(|encoding| encoding.eq_ignore_ascii_case("hex"));
        let digits = self.data.len().is_multiple_of(2).then_some(&self.data).filter(|_| hex)?;
        let digit = |byte: u8| (byte as char).to_digit(16);
        digits.chunks_exact(2).map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
    }
}
