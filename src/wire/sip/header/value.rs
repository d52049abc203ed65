//! CSeq, RAck (RFC 3262), Replaces (RFC 3891), Event and Subscription-State (RFC 6665).

use std::fmt;

use bytes::Bytes;

use super::super::message::Method;
use super::super::text::{Cursor, Text, decimal, is_space};
use super::super::uri::Params;

/// Sequence numbers are below 2^31 (RFC 3261 8.1.1.5).
const CSEQ_LIMIT: u64 = 1 << 31;

/// Sequence number and method of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Number within the dialog.
    pub number: u32,
    /// Method of the request.
    pub method: Method,
}

fn parse_number(cursor: &mut Cursor<'_>, limit: u64) -> Option<u32> {
    cursor.skip_space();
    let digits = cursor.pass_while(|byte| byte.is_ascii_digit());
    let number = decimal(digits).filter(|number| *number < limit)?;
    u32::try_from(number).ok()
}

fn parse_last_method(cursor: &mut Cursor<'_>) -> Option<Method> {
    if !cursor.peek().is_some_and(is_space) {
        return None;
    }
    cursor.skip_space();
    let method = Method::from(cursor.token()?);
    cursor.skip_space();
    cursor.is_end().then_some(method)
}

impl CSeq {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        let number = parse_number(&mut cursor, CSEQ_LIMIT)?;
        Some(Self { number, method: parse_last_method(&mut cursor)? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// Which reliable provisional response a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// RSeq of the response.
    pub rseq: u32,
    /// CSeq of the response.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        let rseq = parse_number(&mut cursor, 1 << 32)?;
        if !cursor.peek().is_some_and(is_space) {
            return None;
        }
        let number = parse_number(&mut cursor, CSEQ_LIMIT)?;
        Some(Self { rseq, cseq: CSeq { number, method: parse_last_method(&mut cursor)? } })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

/// The dialog that an INVITE takes over. Tags are as the receiver of the INVITE sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID of that dialog.
    pub call_id: Text,
    /// Our tag in it.
    pub to_tag: Text,
    /// The other side's tag in it.
    pub from_tag: Text,
    /// Only while that dialog is early.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header value; both tags must be there (RFC 3891 6.1).
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        cursor.skip_space();
        let call_id = Text::from_bytes(cursor.take_while(|byte| byte > b' ' && byte != b';' && byte != b','))?;
        let params = Params::parse_header(&mut cursor)?;
        let tag = |name: &str| params.text(name).filter(|tag| !tag.is_empty()).map(Text::from);
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        (!call_id.is_empty()).then(|| Self { call_id, to_tag, from_tag, early_only: params.has("early-only") })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

/// A token and its parameters: the shape that Event and Subscription-State share.
fn parse_token_with_params(source: &Bytes) -> Option<(Text, Params)> {
    let mut cursor = Cursor::new(source);
    cursor.skip_space();
    let token = cursor.token()?;
    Some((token, Params::parse_header(&mut cursor)?))
}

fn fmt_token_with_params(f: &mut fmt::Formatter<'_>, token: &str, params: &Params) -> fmt::Result {
    let mut out = Vec::new();
    params.write_to(&mut out);
    write!(f, "{token}{}", String::from_utf8_lossy(&out))
}

/// Event: the package and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventValue {
    /// Package, `refer` or another.
    pub package: Text,
    /// `id` and others.
    pub params: Params,
}

impl EventValue {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        parse_token_with_params(source).map(|(package, params)| Self { package, params })
    }
}

impl fmt::Display for EventValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_token_with_params(f, &self.package, &self.params)
    }
}

/// Subscription-State of a NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated` or another.
    pub value: Text,
    /// `expires`, `reason`, `retry-after`.
    pub params: Params,
}

impl SubscriptionState {
    /// Reads a header value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        parse_token_with_params(source).map(|(value, params)| Self { value, params })
    }
    /// True for `terminated`.
    pub fn is_terminated(&self) -> bool {
        self.value.eq_ignore_case("terminated")
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_token_with_params(f, &self.value, &self.params)
    }
}
