//! Via (RFC 3261 20.42, RFC 3581 rport, RFC 7118 transports ws and wss).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::super::text::{Cursor, Text, is_token_byte};
use super::super::uri::{Host, Params, parse_host_port};

/// What a branch of RFC 3261 begins with; others come from RFC 2543 peers.
const COOKIE: &str = "z9hG4bK";

/// One hop of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Protocol version, `2.0`.
    pub version: Text,
    /// Transport as written: `UDP`, `TCP`, `TLS`, `WS`, ..
    pub transport: Text,
    /// Host of sent-by.
    pub host: Host,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// Branch, received, rport, maddr, ..
    pub params: Params,
}

impl Via {
    /// A Via of ours, with an empty rport.
    pub fn new(transport: &str, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::default();
        params.push("branch", Some(Text::from(branch).into_bytes()));
        params.push("rport", None::<Bytes>);
        Self {
            version: Text::from_static("2.0"),
            transport: Text::from(transport),
            host: Host::from(sent_by.ip()),
            port: Some(sent_by.port()),
            params,
        }
    }

    /// Reads one value.
    pub fn parse(source: &Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(source);
        let (version, transport, host, port) = parse_hop(&mut cursor)?;
        let params = Params::parse_header(&mut cursor)?;
        let via = Self { version, transport, host, port, params };
        // A received or rport that cannot be used would send the response astray.
        let usable = (!via.params.has("received") || via.received().is_some())
            && via.params.raw("rport").is_none_or(|port| parse_port(port).is_some());
        usable.then_some(via)
    }
    /// True where protocol and sent-by can be read, whatever follows: enough to answer 400.
    pub(crate) fn has_sent_by(source: &Bytes) -> bool {
        parse_hop(&mut Cursor::new(source)).is_some()
    }

    /// The branch, cookie included.
    pub fn branch(&self) -> Option<&str> {
        self.params.text("branch")
    }
    /// True where the branch is one of RFC 3261: the cookie and something after it (RFC 4475 3.2.1).
    pub fn has_cookie(&self) -> bool {
        self.branch().is_some_and(|branch| {
            branch.len() > COOKIE.len() && branch.as_bytes()[..COOKIE.len()].eq_ignore_ascii_case(COOKIE.as_bytes())
        })
    }
    /// The address that it was received from, brackets or none (RFC 5118 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.text("received")?;
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
    }
    /// `Some(None)` for an rport still to be filled (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| value.and_then(|port| parse_port(port)))
    }
    /// Notes where a request really came from: `received` always, `rport` where it was asked for (RFC 3581 4).
    pub fn set_source(&mut self, source: SocketAddr) {
        let asked = self.params.has("rport");
        if asked || self.host.ip() != Some(source.ip()) {
            self.params.set("received", Some(source.ip().to_string()));
        }
        if asked {
            self.params.set("rport", Some(source.port().to_string()));
        }
    }
    /// As a header value.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(format!("SIP/{}/{} {}", self.version, self.transport, self.host).as_bytes());
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        self.params.write_to(&mut out);
        Bytes::from(out)
    }
}

/// Version, transport, host and port.
fn parse_hop(cursor: &mut Cursor<'_>) -> Option<(Text, Text, Host, Option<u16>)> {
    cursor.skip_space();
    let protocol = cursor.pass_while(is_token_byte);
    if !protocol.eq_ignore_ascii_case(b"SIP") || !cursor.eat(b'/') {
        return None;
    }
    let version = cursor.token()?;
    if !cursor.eat(b'/') {
        return None;
    }
    let transport = cursor.token()?;
    let before = cursor.rest().len();
    cursor.skip_space();
    if cursor.rest().len() == before {
        return None;
    }
    let (host, port, used) = parse_host_port(cursor.rest()).ok()?;
    cursor.pass(used);
    Some((version, transport, host, port))
}

fn parse_port(bytes: &[u8]) -> Option<u16> {
    super::super::text::decimal(bytes).and_then(|port| u16::try_from(port).ok())
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}
