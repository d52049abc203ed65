//! Pairs of UDP ports for RTP and RTCP (RFC 3550 11: RTP on an even port, RTCP on the next), bound one leg at a time.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// Receive buffer asked of the kernel, bytes: 2 s of one leg survive a stalled thread.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// The ports that media may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// First port, even.
    pub first: u16,
    /// Last port, odd.
    pub last: u16,
}

/// No pair is to be had.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// All pairs of the range are taken.
    #[error("no free pair of RTP ports between {first} and {last}")]
    Exhausted {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The address cannot be used at all.
    #[error("cannot bind RTP ports on {address}: {source}")]
    Address {
        /// The configured media address.
        address: IpAddr,
        /// Why.
        source: io::Error,
    },
}

/// One leg's sockets, non-blocking.
#[derive(Debug)]
pub struct RtpPorts {
    /// RTP, on an even port.
    pub rtp: UdpSocket,
    /// RTCP, on the port after it.
    pub rtcp: UdpSocket,
    /// Address of the RTP socket.
    pub local: SocketAddr,
    /// The same as others see it, for session descriptions.
    pub told: SocketAddr,
}

/// Hands out pairs in turn, so that a port rests before it is used again.
#[derive(Debug)]
pub struct PortAllocator {
    address: IpAddr,
    told: IpAddr,
    range: PortRange,
    next: u16,
}

impl PortAllocator {
    /// Pairs of `range` on `address`.
    pub fn new(address: IpAddr, range: PortRange) -> Self {
        Self { address, told: address, range, next: range.first }
    }

    /// Others see this address instead (NAT that keeps ports).
    #[must_use]
    pub fn told_as(self, told: Option<IpAddr>) -> Self {
        Self { told: told.unwrap_or(self.address), ..self }
    }

    /// Binds the next free pair. Tries every pair of the range once.
    pub fn allocate(&mut self) -> Result<RtpPorts, PortError> {
        let pairs = (self.range.last - self.range.first).div_ceil(2).max(1);
        for _ in 0..pairs {
            let port = self.next;
            self.next = if port >= self.range.last - 1 { self.range.first } else { port + 2 };
            match self.bind(port) {
                Ok(ports) => return Ok(ports),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(PortError::Address { address: self.address, source }),
            }
        }
        Err(PortError::Exhausted { first: self.range.first, last: self.range.last })
    }

    fn bind(&self, port: u16) -> io::Result<RtpPorts> {
        let local = SocketAddr::new(self.address, port);
        let rtp = bind_udp(local)?;
        let rtcp = bind_udp(SocketAddr::new(self.address, port + 1))?;
        Ok(RtpPorts { rtp, rtcp, local, told: SocketAddr::new(self.told, port) })
    }
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    if address.is_ipv4() {
        // Expedited forwarding (RFC 3246), where the network honours it.
        let _ = socket.set_tos_v4(0xb8);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_run_out() {
        let range = PortRange { first: 39_400, last: 39_403 };
        let mut ports = PortAllocator::new(IpAddr::from([127, 0, 0, 1]), range);
        let first = ports.allocate().unwrap();
        let second = ports.allocate().unwrap();
        assert_eq!((first.local.port(), second.local.port()), (39_400, 39_402));
        assert!(matches!(ports.allocate(), Err(PortError::Exhausted { .. })));
        drop(first);
        let again = ports.allocate().unwrap();
        assert_eq!((again.local.port(), again.told), (39_400, again.local));
    }

    #[test]
    fn others_are_told_the_address_that_they_see() {
        for (own, seen) in [("127.0.0.1", "203.0.113.9"), ("::1", "2001:db8::9")] {
            let seen: IpAddr = seen.parse().unwrap();
            let ports = PortAllocator::new(own.parse().unwrap(), PortRange { first: 39_500, last: 39_503 });
            let pair = ports.told_as(Some(seen)).allocate().unwrap();
            assert_eq!((pair.local.ip(), pair.told), (own.parse().unwrap(), SocketAddr::new(seen, pair.local.port())));
        }
    }
}
