//! Where a message comes from or goes to, as a value. TLS and WebSocket become further transports in a later issue.

use std::fmt;
use std::net::SocketAddr;

use super::timers::Reliability;

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Transport {
    /// As in Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether it repeats what is lost.
    pub fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp => Reliability::Reliable,
        }
    }
}

/// A pair of addresses over a transport: one TCP connection, or one UDP peer of one socket of ours.
///
/// A TCP connection that the shell opens because it was asked to transmit has the `local` of that request (our listening address)
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
