//! The SIP endpoint's sockets: UDP and TCP, its one deadline, the calls' orders. Carries bytes to the machine and does
//! what it asks; decides nothing. TLS and WebSocket will be further flows of the same kind.
//!
//! Queues: `orders` 4,096 from the calls; `tcp out` 64 messages a connection, full: the connection is closed (its peer
//! does not read); `tcp in` 256 over all connections, full: reading waits. At most 1,024 connections: one more is closed
//! at once, so that strangers cannot take the descriptors that calls need.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::sip::endpoint::{Endpoint, Input, Output};
use crate::sip::event::AddressedOrder;
use crate::sip::flow::{Flow, Transport};

/// Orders that may wait for the endpoint.
pub const ORDER_QUEUE: usize = 4_096;

const TCP_OUT_QUEUE: usize = 64;
const TCP_IN_QUEUE: usize = 256;

/// Largest UDP datagram.
const DATAGRAM: usize = 65_535;

/// A TCP connection on which nothing was received for so long is closed.
const TCP_IDLE: Duration = Duration::from_secs(600);

/// A connection attempt is given up after this.
const TCP_CONNECT: Duration = Duration::from_secs(5);

/// A message that the peer has not taken after this ends the connection.
const TCP_WRITE: Duration = Duration::from_secs(10);

/// Connections at a time, both ways.
const TCP_CONNECTIONS: usize = 1_024;

/// Nothing is accepted for so long after the system refused to: it says the same at once when it is asked again.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A listening address cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("{} port {address} is in use by another program; find it with `ss -lnp '( sport = :{} )'`, or change [sip] listen", transport.as_str(), address.port())]
    InUse {
        /// UDP or TCP.
        transport: Transport,
        /// Configured address.
        address: SocketAddr,
    },
    /// The address is not ours, or we may not use it.
    #[error("cannot listen on {} {address}: {source}; check [sip] listen against `ip address`", transport.as_str())]
    Other {
        /// UDP or TCP.
        transport: Transport,
        /// Configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

fn listen_error(transport: Transport, address: SocketAddr) -> impl FnOnce(io::Error) -> ListenError {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { transport, address },
        _ => ListenError::Other { transport, address, source },
    }
}

/// What the endpoint says to everybody else. Must not wait.
pub trait EndpointSink: Send {
    /// Takes an output that is no transmission.
    fn take(&mut self, output: Output);
}

enum TcpEvent {
    Bytes(Flow, Bytes),
    Opened(Flow, mpsc::Sender<Bytes>),
    Closed(Flow),
}

/// Everything that listens, and the machine.
pub struct SipSockets<S> {
    endpoint: Endpoint,
    udp: Vec<(SocketAddr, UdpSocket)>,
    listeners: Vec<TcpListener>,
    connections: BTreeMap<Flow, mpsc::Sender<Bytes>>,
    most_connections: usize,
    accept_again: Option<Instant>,
    tcp_events: (mpsc::Sender<TcpEvent>, mpsc::Receiver<TcpEvent>),
    tasks: JoinSet<()>,
    orders: mpsc::Receiver<AddressedOrder>,
    stop: tokio::sync::watch::Receiver<bool>,
    sink: S,
}

impl<S: EndpointSink> SipSockets<S> {
    /// Binds every address of `listen`.
    pub async fn bind(
        endpoint: Endpoint,
        listen: &[(Transport, SocketAddr)],
        orders: mpsc::Receiver<AddressedOrder>,
        stop: tokio::sync::watch::Receiver<bool>,
        sink: S,
    ) -> Result<Self, ListenError> {
        let (mut udp, mut listeners) = (Vec::new(), Vec::new());
        for &(transport, address) in listen {
            let failed = listen_error(transport, address);
            match transport {
                Transport::Udp => {
                    let socket = UdpSocket::bind(address).await.map_err(failed)?;
                    let socket_reference = socket2::SockRef::from(&socket);
                    // A burst of INVITEs waits in the kernel rather than being lost; a smaller buffer still works.
                    let _ = socket_reference.set_recv_buffer_size(4 << 20);
                    let local = socket.local_addr().unwrap_or(address);
                    udp.push((local, socket));
                }
                Transport::Tcp => listeners.push(TcpListener::bind(address).await.map_err(failed)?),
            }
        }
        Ok(Self {
            endpoint,
            udp,
            listeners,
            connections: BTreeMap::new(),
            most_connections: TCP_CONNECTIONS,
            accept_again: None,
            tcp_events: mpsc::channel(TCP_IN_QUEUE),
            tasks: JoinSet::new(),
            orders,
            stop,
            sink,
        })
    }

    /// Runs until it is told to stop; sends what the endpoint still has to say (BYE, un-REGISTER) on the way.
    pub async fn run(mut self) {
        let mut datagram = vec![0; DATAGRAM];
        let mut draining = false;
        self.drain_outputs();
        loop {
            self.accept_again = self.accept_again.filter(|at| *at > Instant::now());
            let deadline = self.endpoint.deadline().map_or_else(far_away, |(at, _)| at);
            let deadline = self.accept_again.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                biased;
                received = receive(&self.udp, &mut datagram) => {
                    let (flow, length) = received;
                    self.handle(Input::Received { flow, bytes: &datagram[..length] });
                }
                Some(order) = self.orders.recv() => self.handle(Input::Order(order)),
                Some(event) = self.tcp_events.1.recv() => self.take_tcp(event),
                (local, accepted) = accept(&self.listeners), if self.accept_again.is_none() => self.accepted(local, accepted),
                () = tokio::time::sleep_until(deadline.into()) => self.handle(Input::Timeout),
                _ = self.stop.changed(), if !draining => {
                    draining = true;
                    self.handle(Input::Drain);
                }
            }
            if draining && self.endpoint.is_at_rest() {
                return;
            }
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.endpoint.handle(Instant::now(), input);
        self.drain_outputs();
    }

    fn drain_outputs(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
                Output::Close { flow } => drop(self.connections.remove(&flow)),
                other => self.sink.take(other),
            }
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        match flow.transport {
            Transport::Udp => {
                let socket = self.udp.iter().find(|(local, _)| *local == flow.local).or(self.udp.first());
                if let Some((_, socket)) = socket {
                    // A datagram that the kernel does not take is a lost datagram: the transaction repeats it.
                    if let Err(error) = socket.try_send_to(&bytes, flow.remote) {
                        tracing::debug!(remote = %flow.remote, %error, "SIP datagram not sent");
                    }
                }
            }
            Transport::Tcp => {
                let connection = match self.connections.get(&flow) {
                    Some(connection) => connection.clone(),
                    None => self.connect(flow),
                };
                if connection.try_send(bytes).is_err() {
                    tracing::warn!(remote = %flow.remote, "SIP over TCP: the peer does not read; connection closed");
                    self.connections.remove(&flow);
                    self.endpoint_closed(flow);
                }
            }
        }
    }

    fn endpoint_closed(&mut self, flow: Flow) {
        self.endpoint.handle(Instant::now(), Input::FlowClosed { flow });
    }

    fn connect(&mut self, flow: Flow) -> mpsc::Sender<Bytes> {
        let (sender, outgoing) = mpsc::channel(TCP_OUT_QUEUE);
        self.connections.insert(flow, sender.clone());
        let events = self.tcp_events.0.clone();
        self.tasks.spawn(async move {
            match tokio::time::timeout(TCP_CONNECT, TcpStream::connect(flow.remote)).await {
                Ok(Ok(stream)) => carry(stream, flow, outgoing, events).await,
                Ok(Err(_)) | Err(_) => {
                    let _ = events.send(TcpEvent::Closed(flow)).await;
                }
            }
        });
        sender
    }

    fn accepted(&mut self, local: SocketAddr, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                return tracing::warn!(%error, "SIP over TCP: cannot accept");
            }
        };
        while self.tasks.try_join_next().is_some() {}
        if self.tasks.len() >= self.most_connections {
            return tracing::debug!(%remote, "SIP over TCP: too many connections");
        }
        let flow = Flow { transport: Transport::Tcp, local, remote };
        let (sender, outgoing) = mpsc::channel(TCP_OUT_QUEUE);
        let events = self.tcp_events.0.clone();
        self.tasks.spawn(async move {
            if events.send(TcpEvent::Opened(flow, sender)).await.is_ok() {
                carry(stream, flow, outgoing, events).await;
            }
        });
    }

    fn take_tcp(&mut self, event: TcpEvent) {
        match event {
            TcpEvent::Opened(flow, sender) => drop(self.connections.insert(flow, sender)),
            TcpEvent::Bytes(flow, bytes) => self.handle(Input::Received { flow, bytes: &bytes }),
            TcpEvent::Closed(flow) => {
                self.connections.remove(&flow);
                self.handle(Input::FlowClosed { flow });
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

async fn receive(sockets: &[(SocketAddr, UdpSocket)], datagram: &mut [u8]) -> (Flow, usize) {
    poll_fn(|context| {
        for (local, socket) in sockets {
            let mut buffer = ReadBuf::new(datagram);
            while let Poll::Ready(received) = socket.poll_recv_from(context, &mut buffer) {
                // An error here is an ICMP answer to something that we sent; the transaction notices by itself.
                let Ok(remote) = received else { continue };
                let flow = Flow { transport: Transport::Udp, local: *local, remote };
                return Poll::Ready((flow, buffer.filled().len()));
            }
        }
        Poll::Pending
    })
    .await
}

async fn accept(listeners: &[TcpListener]) -> (SocketAddr, io::Result<(TcpStream, SocketAddr)>) {
    poll_fn(|context| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                let local = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
                return Poll::Ready((local, accepted));
            }
        }
        Poll::Pending
    })
    .await
}

/// Moves bytes both ways until either side ends.
async fn carry(stream: TcpStream, flow: Flow, mut outgoing: mpsc::Receiver<Bytes>, events: mpsc::Sender<TcpEvent>) {
    // SIP messages are small and urgent; a connection that refuses this still works.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            read = tokio::time::timeout(TCP_IDLE, reader.read(&mut buffer)) => match read {
                Ok(Ok(length)) if length > 0 => {
                    let bytes = Bytes::copy_from_slice(&buffer[..length]);
                    if events.send(TcpEvent::Bytes(flow, bytes)).await.is_err() {
                        return;
                    }
                }
                _ => break,
            },
            bytes = outgoing.recv() => match bytes {
                Some(bytes) => match tokio::time::timeout(TCP_WRITE, writer.write_all(&bytes)).await {
                    Ok(Ok(())) => {}
                    _ => break,
                },
                None => break,
            },
        }
    }
    let _ = events.send(TcpEvent::Closed(flow)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::config::EndpointConfig;

    struct Deaf;

    impl EndpointSink for Deaf {
        fn take(&mut self, _: Output) {}
    }

    #[tokio::test]
    async fn strangers_cannot_take_every_descriptor() {
        let listen = [(Transport::Tcp, SocketAddr::from(([127, 0, 0, 1], 0)))];
        let endpoint = Endpoint::new(EndpointConfig::default(), 1, Instant::now());
        let (_orders, orders) = mpsc::channel(1);
        let (_stop, stop) = tokio::sync::watch::channel(false);
        let mut sockets = SipSockets::bind(endpoint, &listen, orders, stop, Deaf).await.unwrap();
        sockets.most_connections = 3;
        let address = sockets.listeners[0].local_addr().unwrap();
        let gateway = tokio::spawn(sockets.run());
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert_eq!(refused.read(&mut [0; 8]).await.unwrap(), 0, "the fourth is closed");
        let question = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
            To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
        held[0].write_all(question).await.unwrap();
        let mut answer = [0; 11];
        held[0].read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"SIP/2.0 403", "those before it are served");
        gateway.abort();
    }
}
