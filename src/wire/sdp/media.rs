//! One `m=` section and its attributes, read on demand.

use std::net::IpAddr;

use bytes::Bytes;

use super::super::sip::text::{Text, decimal};
use super::{Connection, OtherLine};

/// Who sends, as the describing side says it (RFC 8866 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// The describing side only sends: it holds the other.
    SendOnly,
    /// The describing side only receives.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// As the attribute is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
    /// The same seen from the other side: what an answer may say at most (RFC 3264 6.1).
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            both => both,
        }
    }
    /// True where the describing side sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
    /// True where the describing side receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// An `a=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Name, with regard to case.
    pub name: Text,
    /// What follows the colon, where there is one.
    pub value: Option<Bytes>,
}

impl Attribute {
    /// A flag, `a=rtcp-mux`.
    pub fn flag(name: &str) -> Self {
        Self { name: Text::from(name), value: None }
    }
    /// With a value, `a=ptime:20`.
    pub fn with_value(name: &str, value: impl std::fmt::Display) -> Self {
        Self { name: Text::from(name), value: Some(Bytes::from(value.to_string())) }
    }
    /// The value as text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_ref()?).ok()
    }
    /// The direction, where it is one.
    pub fn direction(&self) -> Option<Direction> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|direction| self.name == *direction.as_str())
    }
}

/// `a=rtpmap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding name; compares without regard to case.
    pub encoding: Text,
    /// RTP clock rate in Hz.
    pub clock_hz: u32,
    /// Channels, 1 where it says nothing.
    pub channels: u8,
}

impl RtpMap {
    fn parse(value: &Bytes) -> Option<Self> {
        let mut fields = value.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
        let payload_type = payload_type(fields.next()?)?;
        let mut parts = fields.next()?.split(|byte| *byte == b'/');
        let encoding = Text::from_bytes(value.slice_ref(parts.next()?)).filter(|name| !name.is_empty())?;
        let clock_hz = u32::try_from(decimal(parts.next()?)?).ok().filter(|hz| *hz > 0)?;
        let channels = match parts.next() {
            Some(part) => u8::try_from(decimal(part)?).ok()?,
            None => 1,
        };
        Some(Self { payload_type, encoding, clock_hz, channels })
    }
}

/// `a=fmtp`: parameters of a format, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// Payload type.
    pub payload_type: u8,
    /// `0-16`, `mode=20;robust-sorting=0`, ..
    pub params: Bytes,
}

/// `a=rtcp` (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpAddress {
    /// Port.
    pub port: u16,
    /// Address, where it is another one than that of the media.
    pub address: Option<IpAddr>,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image`, ..
    pub kind: Text,
    /// Port; 0 where the stream is refused or switched off.
    pub port: u16,
    /// Count of ports, 1 where it says nothing.
    pub port_count: u16,
    /// `RTP/AVP` and others.
    pub protocol: Text,
    /// Formats in the order of preference: payload types, for RTP.
    pub formats: Vec<Text>,
    /// `c=` of its own.
    pub connection: Option<Connection>,
    /// Other lines in order: `b=`, `i=`, `k=`.
    pub other: Vec<OtherLine>,
    /// `a=` lines in order.
    pub attributes: Vec<Attribute>,
}

impl Media {
    /// `m=audio PORT RTP/AVP` with these payload types and no attributes.
    pub fn audio(port: u16, payload_types: &[u8]) -> Self {
        Self {
            kind: Text::from_static("audio"),
            port,
            port_count: 1,
            protocol: Text::from_static("RTP/AVP"),
            formats: payload_types.iter().map(|number| Text::from(number.to_string())).collect(),
            connection: None,
            other: Vec::new(),
            attributes: Vec::new(),
        }
    }
    /// The same medium refused: port 0, formats as offered (RFC 3264 6), and its name, by which browsers tell media.
    #[must_use]
    pub fn refused(&self) -> Self {
        let attributes = self.attribute("mid").cloned().into_iter().collect();
        Self { port: 0, connection: None, other: Vec::new(), attributes, ..self.clone() }
    }
    /// True for `m=audio`.
    pub fn is_audio(&self) -> bool {
        self.kind == "audio"
    }
    /// Payload types in the order of preference; formats that are none are left out.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats.iter().filter_map(|format| payload_type(format.as_bytes()))
    }
    /// The first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == *name)
    }
    fn value(&self, name: &str) -> Option<&Bytes> {
        self.attribute(name)?.value.as_ref()
    }
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.attributes.iter().filter(move |attribute| attribute.name == *name).filter_map(|found| found.value.as_ref())
    }
    /// Every rtpmap that can be read.
    pub fn rtpmaps(&self) -> impl Iterator<Item = RtpMap> + '_ {
        self.values("rtpmap").filter_map(RtpMap::parse)
    }
    /// What a payload type stands for: its rtpmap, or the static assignment of RFC 3551 for PCMU, PCMA, G722, comfort noise and G729.
    pub fn format(&self, payload_type: u8) -> Option<RtpMap> {
        self.rtpmaps().find(|map| map.payload_type == payload_type).or_else(|| {
            let encoding = match payload_type {
                0 => "PCMU",
                8 => "PCMA",
                9 => "G722",
                13 => "CN",
                18 => "G729",
                _ => return None,
            };
            Some(RtpMap { payload_type, encoding: Text::from_static(encoding), clock_hz: 8000, channels: 1 })
        })
    }
    /// Every fmtp that can be read.
    pub fn fmtps(&self) -> impl Iterator<Item = Fmtp> + '_ {
        self.values("fmtp").filter_map(|value| {
            let space = value.iter().position(|byte| *byte == b' ')?;
            Some(Fmtp { payload_type: payload_type(&value[..space])?, params: value.slice(space + 1..) })
        })
    }
    /// Milliseconds of a packet that the describing side wants; a fraction is cut off.
    pub fn ptime_ms(&self) -> Option<u32> {
        milliseconds(self.value("ptime")?)
    }
    /// The most milliseconds of a packet.
    pub fn maxptime_ms(&self) -> Option<u32> {
        milliseconds(self.value("maxptime")?)
    }
    /// The direction of its own.
    pub fn direction(&self) -> Option<Direction> {
        self.attributes.iter().rev().find_map(Attribute::direction)
    }
    /// `a=rtcp`.
    pub fn rtcp(&self) -> Option<RtcpAddress> {
        let text = self.attribute("rtcp")?.text()?;
        let mut fields = text.split_ascii_whitespace();
        let port = u16::try_from(decimal(fields.next()?.as_bytes())?).ok()?;
        Some(RtcpAddress { port, address: fields.nth(2).and_then(|address| address.parse().ok()) })
    }
    /// `a=rtcp-mux`: RTP and RTCP on one port (RFC 5761).
    pub fn is_rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }
    /// Every `a=crypto`, raw (RFC 4568).
    pub fn cryptos(&self) -> impl Iterator<Item = &Bytes> + '_ {
        self.values("crypto")
    }
}

fn payload_type(bytes: &[u8]) -> Option<u8> {
    decimal(bytes).and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 128)
}

fn milliseconds(value: &Bytes) -> Option<u32> {
    let text = super::super::sip::text::trim(value);
    let whole = text.split(|byte| *byte == b'.').next()?;
    u32::try_from(decimal(whole)?).ok().filter(|milliseconds| *milliseconds > 0)
}
