//! Where a message comes from or goes to, as a value.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::timers::Reliability;

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP (RFC 3261 26.2, RFC 5922).
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

/// How messages are cut out of what a transport carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One message a piece, as the transport gives it: a datagram, a WebSocket message. Content-Length may be missing.
    Whole,
    /// A stream, cut by Content-Length.
    Stream,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// As in Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As in a URI's `transport` parameter and in the configuration. A secure WebSocket is `ws` in a URI (RFC 7118 5.2).
    pub fn as_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// Whether it repeats what is lost.
    pub fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => Reliability::Reliable,
        }
    }

    /// How it is cut into messages.
    pub fn framing(self) -> Framing {
        match self {
            Self::Udp | Self::Ws | Self::Wss => Framing::Whole,
            Self::Tcp | Self::Tls => Framing::Stream,
        }
    }

    /// True where a flow is a connection, which can end.
    pub fn is_connected(self) -> bool {
        self != Self::Udp
    }

    /// The port where none is written (RFC 3261 19.1.2, RFC 7118 5.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// The text names no transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected udp, tcp, tls, ws or wss")]
pub struct UnknownTransport;

impl FromStr for Transport {
    type Err = UnknownTransport;
    fn from_str(text: &str) -> Result<Self, UnknownTransport> {
        Self::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownTransport)
    }
}

/// A pair of addresses over a transport: one connection, or one UDP peer of one socket of ours.
///
/// A connection that the shell opens because it was asked to transmit has the `local` of that request (our listening address)
/// in everything that the shell reports about it, whatever port the connection really has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Transport.
    pub transport: Transport,
    /// Our side.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
}

impl Flow {
    /// The same with another peer.
    #[must_use]
    pub fn to(self, remote: SocketAddr) -> Self {
        Self { remote, ..self }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}->{}", self.transport.as_str(), self.local, self.remote)
    }
}
