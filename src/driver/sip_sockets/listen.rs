//! Binding what `[sip]` names, and why that fails.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::sip::flow::Transport;

/// Connections that the kernel keeps until we accept them.
const BACKLOG: i32 = 1_024;

/// A listening address cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("{} port {address} is in use by another program; find it with `ss -lnp '( sport = :{} )'`, or change [sip] listen", transport.as_str(), address.port())]
    InUse {
        /// Over what.
        transport: Transport,
        /// Configured address.
        address: SocketAddr,
    },
    /// The address is not ours, or we may not use it.
    #[error("cannot listen on {} {address}: {source}; check [sip] listen against `ip address`", transport.as_str())]
    Other {
        /// Over what.
        transport: Transport,
        /// Configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

pub(super) fn listen_error(transport: Transport, address: SocketAddr) -> impl FnOnce(io::Error) -> ListenError {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { transport, address },
        _ => ListenError::Other { transport, address, source },
    }
}

/// A bound socket. One of IPv6 takes IPv6 only: `[::]` and `0.0.0.0` may stand side by side, and no peer appears as `::ffff:..`.
pub(super) fn bound(kind: Type, address: SocketAddr) -> io::Result<Socket> {
    let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listener for connections of one transport.
pub(super) struct Listener {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    socket: TcpListener,
}

impl Listener {
    pub(super) fn bind(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        let socket = bound(Type::STREAM, address)?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { transport, local, socket })
    }
}

/// The next connection to any of them.
pub(super) async fn accept(listeners: &[Listener]) -> (Transport, SocketAddr, io::Result<(TcpStream, SocketAddr)>) {
    poll_fn(|context| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.socket.poll_accept(context) {
                return Poll::Ready((listener.transport, listener.local, accepted));
            }
        }
        Poll::Pending
    })
    .await
}
