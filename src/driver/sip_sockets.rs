//! The SIP endpoint's sockets, its one deadline, the calls' orders. Carries bytes to the machine and does what it asks;
//! decides nothing. One file a transport; every connection is one task of `connection`.
//!
//! Queues: `orders` 4,096 from the calls; `sip out` 64 messages a connection, full: the connection is closed (its peer
//! does not read); `sip in` 256 over all connections, full: reading waits. How many connections there may be: `seats`; how
//! long one lives is the endpoint's business, but for handshakes.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::connection::{Connection, Event, News};
use self::listen::{Listener, accept, listen_error};
use self::names::{Found, Names};
use self::seats::{Full, Seat, Seats};
use self::tls::Tls;
use self::udp::{DATAGRAM, UdpSockets};
use self::websocket::Origins;
use crate::sip::endpoint::{Endpoint, Input, Output};
use crate::sip::event::AddressedOrder;
use crate::sip::flow::{Flow, Transport};
use crate::sip::lifetime::Opener;

mod connection;
mod listen;
mod names;
mod seats;
pub mod tls;
mod udp;
pub mod websocket;

pub use listen::ListenError;
pub use seats::ConnectionLimits;

/// Orders that may wait for the endpoint.
pub const ORDER_QUEUE: usize = 4_096;

/// Messages that may wait for a connection.
const OUT_QUEUE: usize = 64;
/// Pieces of all connections that may wait for the endpoint.
const IN_QUEUE: usize = 256;

/// Nothing is accepted for so long after the system refused to: it says the same at once when it is asked again.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What the endpoint says to everybody else. Must not wait.
pub trait EndpointSink: Send {
    /// Takes an output that is no transmission.
    fn take(&mut self, output: Output);
}

/// A connection's way out.
struct Open {
    serial: u64,
    sender: mpsc::Sender<Bytes>,
}

/// Everything that listens, and the machine.
pub struct SipSockets<S> {
    endpoint: Endpoint,
    udp: UdpSockets,
    listeners: Vec<Listener>,
    tls: Tls,
    origins: Origins,
    connections: BTreeMap<Flow, Open>,
    next_serial: u64,
    seats: Seats,
    names: Names,
    accept_again: Option<Instant>,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    tasks: JoinSet<()>,
    orders: mpsc::Receiver<AddressedOrder>,
    stop: tokio::sync::watch::Receiver<bool>,
    sink: S,
}

impl<S: EndpointSink> SipSockets<S> {
    /// Binds every address of `listen`; within a runtime.
    pub fn bind(
        endpoint: Endpoint,
        listen: &[(Transport, SocketAddr)],
        tls: Tls,
        orders: mpsc::Receiver<AddressedOrder>,
        stop: tokio::sync::watch::Receiver<bool>,
        sink: S,
    ) -> Result<Self, ListenError> {
        let (mut udp, mut listeners) = (UdpSockets::default(), Vec::new());
        for &(transport, address) in listen {
            let failed = listen_error(transport, address);
            match transport {
                Transport::Udp => udp.bind(address).map_err(failed)?,
                _ => listeners.push(Listener::bind(transport, address).map_err(failed)?),
            }
        }
        Ok(Self {
            endpoint,
            udp,
            listeners,
            tls,
            origins: Origins::default(),
            connections: BTreeMap::new(),
            next_serial: 0,
            seats: Seats::new(ConnectionLimits::default()),
            names: Names::new(),
            accept_again: None,
            events: mpsc::channel(IN_QUEUE),
            tasks: JoinSet::new(),
            orders,
            stop,
            sink,
        })
    }

    /// Takes WebSockets of pages of these origins only.
    #[must_use]
    pub fn with_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Takes so many connections.
    #[must_use]
    pub fn with_limits(mut self, limits: ConnectionLimits) -> Self {
        self.seats = Seats::new(limits);
        self
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
                received = self.udp.receive(&mut datagram) => {
                    let (flow, length) = received;
                    self.handle(Input::Received { flow, bytes: &datagram[..length] });
                }
                Some(order) = self.orders.recv() => self.handle(Input::Order(order)),
                Some(event) = self.events.1.recv() => self.take_event(event),
                found = self.names.next() => self.take_found(found),
                (transport, local, accepted) = accept(&self.listeners), if self.accept_again.is_none() => {
                    self.accepted(transport, local, accepted);
                }
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
                Output::Locate { trunk, lookup } => self.names.ask(trunk, lookup),
                other => self.sink.take(other),
            }
        }
    }

    fn take_found(&mut self, found: Found) {
        let Found { trunk, host, mut located } = found;
        if let Some(located) = &mut located {
            let known: Vec<_> = names::secure(located).filter(|address| self.tls.learn(*address, &host)).collect();
            located.targets.retain(|target| target.transport != Transport::Tls || known.contains(&target.address));
        }
        self.handle(Input::Located { trunk, found: located });
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        if !flow.transport.is_connected() {
            return self.udp.send(flow, &bytes);
        }
        let sender = match self.connections.get(&flow) {
            Some(open) => open.sender.clone(),
            None => self.connect(flow),
        };
        if sender.try_send(bytes).is_err() {
            tracing::warn!(remote = %flow.remote, "SIP connection closed: the peer does not read");
            self.connections.remove(&flow);
            self.endpoint.handle(Instant::now(), Input::FlowClosed { flow });
        }
    }

    fn connection(&mut self, flow: Flow, seat: Seat) -> (mpsc::Sender<Bytes>, Connection) {
        self.next_serial += 1;
        let (sender, outgoing) = mpsc::channel(OUT_QUEUE);
        let (serial, events) = (self.next_serial, self.events.0.clone());
        let (tls, origins) = (self.tls.clone(), self.origins.clone());
        (sender, Connection { flow, serial, tls, origins, outgoing, events, _seat: seat })
    }

    fn connect(&mut self, flow: Flow) -> mpsc::Sender<Bytes> {
        let seat = self.seats.take_own(flow.remote.ip());
        let (sender, connection) = self.connection(flow, seat);
        self.connections.insert(flow, Open { serial: connection.serial, sender: sender.clone() });
        self.tasks.spawn(connection.open());
        sender
    }

    fn accepted(&mut self, transport: Transport, local: SocketAddr, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                return tracing::warn!(%error, "SIP: cannot accept connections");
            }
        };
        while self.tasks.try_join_next().is_some() {}
        let seat = match self.seats.take(remote.ip()) {
            Ok(seat) => seat,
            Err(Full::All) => return tracing::warn!(%remote, "SIP: too many connections; one more was closed"),
            Err(Full::Address) => return tracing::debug!(%remote, "SIP: too many connections of one address"),
        };
        let (sender, connection) = self.connection(Flow { transport, local, remote }, seat);
        self.tasks.spawn(connection.serve(stream, sender));
    }

    fn take_event(&mut self, event: Event) {
        let Event { flow, serial, news } = event;
        // One that was given up may still speak, even when another has its flow.
        let current = self.connections.get(&flow).is_some_and(|open| open.serial == serial);
        match news {
            News::Opened(Some(sender)) => {
                self.connections.insert(flow, Open { serial, sender });
                self.handle(Input::FlowOpened { flow, opener: Opener::Peer });
            }
            News::Opened(None) if current => self.handle(Input::FlowOpened { flow, opener: Opener::Gateway }),
            News::Bytes(bytes) if current => self.handle(Input::Received { flow, bytes: &bytes }),
            News::Closed if current => {
                self.connections.remove(&flow);
                self.handle(Input::FlowClosed { flow });
            }
            News::Opened(None) | News::Bytes(_) | News::Closed => {}
        }
        while self.tasks.try_join_next().is_some() {}
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

#[cfg(test)]
mod tests;
