//! Session descriptions (RFC 8866, and the older RFC 4566) as far as RFC 3264 needs them for telephone audio: origin,
//! connection, times, media with their formats, rtpmap, fmtp, ptime, direction, rtcp, rtcp-mux. Everything else is kept as
//! it came, in order, and printed again; crypto (RFC 4568) and candidates stay raw. What an offer means is not decided here.
//!
//! Tolerated: LF alone, blank lines at the end, lines of unknown type, a missing `s=` or `t=`, lines out of order within
//! their section. Not tolerated: no `v=0` at the start, an `m=` or a `c=` that cannot be read.

mod media;
mod parse;
mod print;

use std::net::IpAddr;

pub use self::media::{Attribute, Direction, Fmtp, Media, RtcpAddress, RtpMap};
pub use self::parse::parse;
use super::sip::text::Text;

/// Most bytes of a session description.
pub const MAX_SDP_BYTES: usize = 32 * 1024;
/// Most media of one session.
pub const MAX_MEDIA: usize = 32;
/// Most formats of one `m=` line.
pub const MAX_FORMATS: usize = 64;
/// Most attributes and other kept lines of the session or of one medium.
pub const MAX_LINES: usize = 512;

/// Why bytes are no session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("too long")]
    TooLong,
    /// It does not begin with `v=0`.
    #[error("no version 0")]
    Version,
    /// No `o=`, or one that cannot be read.
    #[error("bad origin")]
    Origin,
    /// A `c=` that cannot be read.
    #[error("bad connection")]
    Connection,
    /// An `m=` that cannot be read.
    #[error("bad media line")]
    Media,
    /// A line that is no `x=`.
    #[error("bad line")]
    Line,
    /// More media, formats or lines than allowed.
    #[error("too many parts")]
    TooMany,
}

/// `o=`: who describes this session, and which version of the description it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` in general.
    pub username: Text,
    /// Session id: digits, of any size.
    pub session_id: Text,
    /// Version: digits, of any size; another one means a changed description.
    pub version: Text,
    /// Network and address types, `IN IP4`.
    pub address_type: AddressType,
    /// Address or host name.
    pub address: Text,
}

/// `IP4` or `IP6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// `IN IP4`.
    Ip4,
    /// `IN IP6`.
    Ip6,
}

impl AddressType {
    /// The type of this address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ip4 } else { Self::Ip6 }
    }
    /// `IP4` or `IP6`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip4 => "IP4",
            Self::Ip6 => "IP6",
        }
    }
}

/// `c=`: where media are to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `IP4` or `IP6`.
    pub address_type: AddressType,
    /// Address or host name, TTL and count of a multicast group included.
    pub address: Text,
}

impl Connection {
    /// A unicast address.
    pub fn new(address: IpAddr) -> Self {
        Self { address_type: AddressType::of(address), address: Text::from(address.to_string()) }
    }
    /// The address, where it is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.split('/').next()?.parse().ok()
    }
    /// True for 0.0.0.0 or `::`: hold in the manner of RFC 2543.
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|address| address.is_unspecified())
    }
}

/// A line that is kept as it came: `b=`, `k=`, `e=`, an unknown type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherLine {
    /// The letter.
    pub kind: u8,
    /// What follows the equals sign.
    pub value: bytes::Bytes,
}

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`.
    pub origin: Origin,
    /// `s=`, in any encoding.
    pub name: bytes::Bytes,
    /// `c=` of the session, for media without their own.
    pub connection: Option<Connection>,
    /// `t=` lines, `0 0` in general.
    pub times: Vec<Text>,
    /// Other session lines in order.
    pub other: Vec<OtherLine>,
    /// `a=` lines of the session in order.
    pub attributes: Vec<Attribute>,
    /// Media in order: an answer has as many (RFC 3264 6).
    pub media: Vec<Media>,
}

impl SessionDescription {
    /// One without media: `s=-`, `t=0 0`, and this address for both origin and connection.
    pub fn new(session_id: u64, version: u64, address: IpAddr) -> Self {
        Self {
            origin: Origin {
                username: Text::from_static("-"),
                session_id: Text::from(session_id.to_string()),
                version: Text::from(version.to_string()),
                address_type: AddressType::of(address),
                address: Text::from(address.to_string()),
            },
            name: bytes::Bytes::from_static(b"-"),
            connection: Some(Connection::new(address)),
            times: vec![Text::from_static("0 0")],
            other: Vec::new(),
            attributes: Vec::new(),
            media: Vec::new(),
        }
    }
    /// Where a medium is to be sent: its own connection or the session's.
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }
    /// The first attribute of this name of a medium, or of the session where the medium has none.
    pub fn attribute_of<'a>(&'a self, media: &'a Media, name: &str) -> Option<&'a Attribute> {
        media.attribute(name).or_else(|| self.attributes.iter().find(|attribute| attribute.name == *name))
    }
    /// Direction of a medium: its own, else the session's, else both ways.
    pub fn direction_of(&self, media: &Media) -> Direction {
        let own = |attributes: &[Attribute]| attributes.iter().rev().find_map(Attribute::direction);
        own(&media.attributes).or_else(|| own(&self.attributes)).unwrap_or(Direction::SendRecv)
    }
}

#[cfg(test)]
mod tests;
