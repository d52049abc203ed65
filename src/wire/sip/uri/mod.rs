//! Addresses (RFC 3261 19.1 and 25.1, RFC 3966): `sip:`, `sips:` and `tel:` URIs, and any other scheme kept whole, so that
//! the endpoint can answer 416. User parts stay as written, escapes included; comparison is [`Uri::equivalent`] (19.1.4).
//!
//! More is taken than the grammar has: bytes above 0x7F in a user part, an underscore in a host name, a `%` that escapes
//! nothing. Nothing is resolved.

mod compare;
mod params;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use bytes::Bytes;

pub use self::compare::unescape_percent;
pub use self::params::{Param, Params};
use super::MAX_PARAMS;
use super::text::{Text, decimal, decode_for_people, is_space};

/// Why bytes are no URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme and colon at the start.
    #[error("no scheme")]
    Scheme,
    /// User part or password with a byte that must be escaped, or empty before an `@`.
    #[error("bad user part")]
    User,
    /// No host, or no host name and no address.
    #[error("bad host")]
    Host,
    /// Port empty, no number, or above 65535.
    #[error("bad port")]
    Port,
    /// A parameter that is none.
    #[error("bad parameter")]
    Param,
    /// Header fields that are none.
    #[error("bad header field")]
    Header,
    /// More than [`MAX_PARAMS`] parameters or header fields.
    #[error("too many parts")]
    TooMany,
}

/// A host as a SIP URI or a Via names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name to be resolved.
    Name(Text),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; printed in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host name, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Some(inside) = bytes.strip_prefix(b"[") {
            let address = std::str::from_utf8(inside.strip_suffix(b"]")?).ok()?;
            return address.parse().ok().map(Self::V6);
        }
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if bytes.is_empty() || bytes.len() > 255 || !bytes.iter().all(legal) || !bytes[0].is_ascii_alphanumeric() {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(address) = parse_v4(bytes) {
            return Some(Self::V4(address));
        }
        // Digits and dots that are no address name no host either.
        let numeric = bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        (!numeric).then(|| Self::Name(Text::from(text)))
    }
    /// The address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }
    /// The same host: names without regard to case, addresses by value.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_case(two),
            (one, two) => one == two,
        }
    }
}

/// Four decimal numbers; `Ipv4Addr` would refuse leading zeros, which phones send.
fn parse_v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = bytes.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() <= 3)?;
        *octet = u8::try_from(decimal(part)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Reads `host[:port]` from the start of `bytes`; gives the count of bytes used. White space around the colon is taken
/// (a Via may have it).
pub(crate) fn parse_host_port(bytes: &[u8]) -> Result<(Host, Option<u16>, usize), UriError> {
    let host_end = if bytes.first() == Some(&b'[') {
        bytes.iter().position(|byte| *byte == b']').map_or(bytes.len(), |end| end + 1)
    } else {
        bytes.iter().position(|byte| b":;?, \t".contains(byte)).unwrap_or(bytes.len())
    };
    let host = Host::parse(&bytes[..host_end]).ok_or(UriError::Host)?;
    let skip_space = |from: usize| from + bytes[from..].iter().take_while(|byte| is_space(**byte)).count();
    let colon = skip_space(host_end);
    if bytes.get(colon) != Some(&b':') {
        return Ok((host, None, host_end));
    }
    let start = skip_space(colon + 1);
    let end = start + bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let port = decimal(&bytes[start..end]).and_then(|port| u16::try_from(port).ok()).ok_or(UriError::Port)?;
    Ok((host, Some(port), end))
}

/// `sip:` or `sips:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Any transport.
    Sip,
    /// TLS on every hop.
    Sips,
}

/// A `sip:` or `sips:` URI. `PartialEq` compares what is written; RFC 3261's comparison is [`SipUri::equivalent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri {
    /// `sip:` or `sips:`.
    pub scheme: Scheme,
    /// User part as written, escapes included.
    pub user: Option<Bytes>,
    /// Password as written.
    pub password: Option<Bytes>,
    /// Host.
    pub host: Host,
    /// Port, where one is written.
    pub port: Option<u16>,
    /// URI parameters, `;lr` and the like.
    pub params: Params,
    /// Header fields after `?`, as written.
    pub headers: Vec<(Bytes, Bytes)>,
}

impl SipUri {
    /// `sip:user@host:port`; the user part is escaped as needed.
    pub fn new(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.filter(|user| !user.is_empty()).map(compare::escape_user),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: Vec::new(),
        }
    }
    /// User part without escapes, decoded for people.
    pub fn user_decoded(&self) -> Option<String> {
        self.user.as_ref().map(|user| decode_for_people(&unescape_percent(user)))
    }
    /// True with `;lr`, with a value or without (RFC 3261 19.1.1).
    pub fn is_lr(&self) -> bool {
        self.params.has("lr")
    }
    /// The transport parameter.
    pub fn transport(&self) -> Option<&str> {
        self.params.text("transport")
    }
    /// Where to send without a look-up: `maddr` or the host, where it is an address, and the port or the default one.
    pub fn address(&self) -> Option<SocketAddr> {
        let host = match self.params.text("maddr") {
            Some(maddr) => Host::parse(maddr.as_bytes())?.ip()?,
            None => self.host.ip()?,
        };
        let default = if self.scheme == Scheme::Sips { 5061 } else { 5060 };
        Some(SocketAddr::new(host, self.port.unwrap_or(default)))
    }

    /// `rest` is what follows the scheme's colon.
    fn parse(scheme: Scheme, rest: &Bytes) -> Result<Self, UriError> {
        if rest.iter().any(|byte| *byte <= b' ' || *byte == 0x7F) {
            return Err(UriError::Host);
        }
        let (user, password, after) = match rest.iter().position(|byte| *byte == b'@') {
            Some(at) => {
                let (user, password) = parse_userinfo(rest.slice(..at))?;
                (Some(user), password, at + 1)
            }
            None => (None, None, 0),
        };
        let (host, port, used) = parse_host_port(&rest[after..])?;
        if after + used == rest.len() {
            let (params, headers) = (Params::default(), Vec::new());
            return Ok(Self { scheme, user, password, host, port, params, headers });
        }
        let tail = rest.slice(after + used..);
        let query = tail.iter().position(|byte| *byte == b'?');
        let params = Params::parse_uri(&tail.slice(..query.unwrap_or(tail.len())))?;
        let headers = match query {
            Some(at) => parse_headers(&tail.slice(at + 1..))?,
            None => Vec::new(),
        };
        Ok(Self { scheme, user, password, host, port, params, headers })
    }

    fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.scheme {
            Scheme::Sip => b"sip:",
            Scheme::Sips => b"sips:",
        });
        if let Some(user) = &self.user {
            out.extend_from_slice(user);
            if let Some(password) = &self.password {
                out.push(b':');
                out.extend_from_slice(password);
            }
            out.push(b'@');
        }
        out.extend_from_slice(self.host.to_string().as_bytes());
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        self.params.write_to(out);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            out.push(if index == 0 { b'?' } else { b'&' });
            out.extend_from_slice(name);
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
}

fn parse_userinfo(userinfo: Bytes) -> Result<(Bytes, Option<Bytes>), UriError> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"-_.!~*'()%&=+$,;?/:#".contains(byte);
    if userinfo.is_empty() || !userinfo.iter().all(legal) {
        return Err(UriError::User);
    }
    match userinfo.iter().position(|byte| *byte == b':') {
        Some(0) => Err(UriError::User),
        Some(colon) => Ok((userinfo.slice(..colon), Some(userinfo.slice(colon + 1..)))),
        None => Ok((userinfo, None)),
    }
}

fn parse_headers(query: &Bytes) -> Result<Vec<(Bytes, Bytes)>, UriError> {
    let mut headers = Vec::new();
    for field in query.split(|byte| *byte == b'&') {
        let equals = field.iter().position(|byte| *byte == b'=').filter(|at| *at > 0).ok_or(UriError::Header)?;
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()%[]/?:+$=".contains(byte);
        if !field.iter().all(legal) {
            return Err(UriError::Header);
        }
        if headers.len() == MAX_PARAMS {
            return Err(UriError::TooMany);
        }
        headers.push((query.slice_ref(&field[..equals]), query.slice_ref(&field[equals + 1..])));
    }
    Ok(headers)
}

impl FromStr for SipUri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        match Uri::from_str(text)? {
            Uri::Sip(uri) => Ok(uri),
            Uri::Tel(_) | Uri::Other { .. } => Err(UriError::Scheme),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// A `tel:` URI (RFC 3966).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelUri {
    /// The number as written, with its `+` and visual separators.
    pub number: Text,
    /// Parameters, `;phone-context` and the like.
    pub params: Params,
}

impl TelUri {
    fn parse(rest: &Bytes) -> Result<Self, UriError> {
        let end = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
        let digits = rest[..end].strip_prefix(b"+").unwrap_or(&rest[..end]);
        let legal = |byte: &u8| byte.is_ascii_hexdigit() || b"*#-.()".contains(byte);
        if digits.is_empty() || !digits.iter().all(legal) {
            return Err(UriError::User);
        }
        let number = Text::from_bytes(rest.slice(..end)).ok_or(UriError::User)?;
        Ok(Self { number, params: Params::parse_uri(&rest.slice(end..))? })
    }
    /// The number without visual separators.
    pub fn dialled(&self) -> String {
        self.number.chars().filter(|digit| !"-.()".contains(*digit)).collect()
    }
}

/// Any URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    /// `sip:` and `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Any other scheme, not looked into.
    Other {
        /// The scheme as written, without colon.
        scheme: Text,
        /// What follows the colon.
        rest: Bytes,
    },
}

impl Uri {
    /// Reads a URI that fills `source`.
    pub fn parse(source: &Bytes) -> Result<Self, UriError> {
        let colon = source.iter().position(|byte| *byte == b':').ok_or(UriError::Scheme)?;
        let scheme = &source[..colon];
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(legal) {
            return Err(UriError::Scheme);
        }
        let rest = source.slice(colon + 1..);
        if scheme.eq_ignore_ascii_case(b"sip") {
            return SipUri::parse(Scheme::Sip, &rest).map(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case(b"sips") {
            return SipUri::parse(Scheme::Sips, &rest).map(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case(b"tel") {
            return TelUri::parse(&rest).map(Self::Tel);
        }
        if rest.is_empty() || rest.iter().any(|byte| *byte <= b' ' || *byte == 0x7F || b"<>\"".contains(byte)) {
            return Err(UriError::Host);
        }
        let scheme = Text::from_bytes(source.slice(..colon)).ok_or(UriError::Scheme)?;
        Ok(Self::Other { scheme, rest })
    }
    /// The SIP URI, where it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other { .. } => None,
        }
    }
    /// The user part, or the telephone number, for people and for the dialplan.
    pub fn user_decoded(&self) -> Option<String> {
        match self {
            Self::Sip(uri) => uri.user_decoded(),
            Self::Tel(uri) => Some(uri.dialled()),
            Self::Other { .. } => None,
        }
    }
    /// Writes it as it stands in a message, without angle brackets.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sip(uri) => uri.write_to(out),
            Self::Tel(uri) => {
                out.extend_from_slice(b"tel:");
                out.extend_from_slice(uri.number.as_bytes());
                uri.params.write_to(out);
            }
            Self::Other { scheme, rest } => {
                out.extend_from_slice(scheme.as_bytes());
                out.push(b':');
                out.extend_from_slice(rest);
            }
        }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

#[cfg(test)]
mod tests;
