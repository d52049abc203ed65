//! The endpoint's connections: what was read of each, how long it lives, and which of them reaches a peer that listens elsewhere
//! (RFC 5923: `alias` in Via).
//!
//! An alias is taken from a trunk's address only, and only for a port of that same address: where it points to is not believed
//! to be somebody else. Who a trunk is was decided by its address already, so that nothing more is given away over TLS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::config::Limits;
use super::{Counter, Endpoint, Output};
use crate::sip::flow::{Flow, Transport};
use crate::sip::lifetime::{Due, Lifetime, Opener};
use crate::sip::timers::TimerTable;
use crate::wire::sip::header::Via;
use crate::wire::sip::parse::StreamParser;

/// For so long a peer is not tried over TCP that could not be reached so.
const UDP_ONLY: Duration = Duration::from_secs(600);
/// Peers that are remembered for it; more are tried again.
const UDP_ONLY_PEERS: usize = 256;

/// One of them.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) parser: StreamParser,
    /// `None` until the shell has said that it is open.
    pub(super) life: Option<Lifetime>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Connections {
    by_flow: BTreeMap<Flow, Connection>,
    aliases: BTreeMap<(Transport, SocketAddr), Flow>,
    /// One a connection: the last that it named.
    named: BTreeMap<Flow, (Transport, SocketAddr)>,
    udp_only: BTreeMap<SocketAddr, Instant>,
    /// When each is to be pinged or closed.
    pub(super) timers: TimerTable<Flow>,
}

impl Connections {
    /// Takes one out for a while; a new one where there is room.
    pub(super) fn take(&mut self, flow: Flow, limits: &Limits) -> Option<Connection> {
        match self.by_flow.remove(&flow) {
            Some(connection) => Some(connection),
            None => (self.by_flow.len() < limits.streams).then(Connection::default),
        }
    }

    /// Puts it back.
    pub(super) fn put(&mut self, flow: Flow, connection: Connection) {
        self.by_flow.insert(flow, connection);
    }

    /// How long it lives.
    pub(super) fn life(&mut self, flow: Flow) -> Option<&mut Lifetime> {
        self.by_flow.get_mut(&flow)?.life.as_mut()
    }

    /// It has ended.
    pub(super) fn remove(&mut self, flow: Flow) {
        self.by_flow.remove(&flow);
        self.forget_alias(flow);
    }

    fn forget_alias(&mut self, flow: Flow) {
        if let Some(alias) = self.named.remove(&flow)
            && self.aliases.get(&alias) == Some(&flow)
        {
            self.aliases.remove(&alias);
        }
    }

    /// The peer listens at this address, and may be reached on this connection.
    fn alias(&mut self, flow: Flow, address: SocketAddr) {
        let alias = (flow.transport, address);
        self.forget_alias(flow);
        self.named.insert(flow, alias);
        self.aliases.insert(alias, flow);
    }

    /// An open connection to where a flow leads, else the flow itself.
    pub(super) fn reaching(&self, flow: Flow) -> Flow {
        let alias = || self.aliases.get(&(flow.transport, flow.remote)).copied();
        if self.by_flow.contains_key(&flow) { flow } else { alias().unwrap_or(flow) }
    }

    /// A peer could not be reached over TCP.
    pub(super) fn note_udp_only(&mut self, now: Instant, peer: SocketAddr) {
        self.udp_only.retain(|_, until| *until > now);
        if self.udp_only.len() < UDP_ONLY_PEERS {
            self.udp_only.insert(peer, now + UDP_ONLY);
        }
    }

    /// True where it was tried lately.
    pub(super) fn is_udp_only(&self, now: Instant, peer: SocketAddr) -> bool {
        self.udp_only.get(&peer).is_some_and(|until| *until > now)
    }
}

impl Endpoint {
    pub(super) fn flow_opened(&mut self, now: Instant, flow: Flow, opener: Opener) {
        if opener == Opener::Peer && !self.is_peer(flow) && self.is_shut_out(now, flow) {
            return self.out.push_back(Output::Close { flow });
        }
        let Some(mut connection) = self.connections.take(flow, &self.config.limits) else {
            return self.close_full(flow);
        };
        let life = Lifetime::new(now, flow.transport, opener, self.author.share());
        connection.life = Some(life);
        self.connections.put(flow, connection);
        self.connections.timers.set(flow, life.deadline());
    }

    pub(super) fn close_full(&mut self, flow: Flow) {
        self.count(Counter::StreamsFull);
        self.out.push_back(Output::Close { flow });
    }

    pub(super) fn connection_timeout(&mut self, now: Instant, flow: Flow) {
        let share = self.author.share();
        let needed = self.dialogs.use_connection(flow) || self.registrar.uses(flow);
        let Some(life) = self.connections.life(flow) else { return };
        match life.timeout(now, share) {
            Due::Nothing => {}
            Due::Idle if needed => life.extend(now),
            Due::Ping => self.transmit(flow, bytes::Bytes::from_static(b"\r\n\r\n")),
            Due::Idle | Due::Dead => {
                self.count(Counter::ConnectionSilent);
                self.out.push_back(Output::Close { flow });
                return self.flow_closed(now, flow);
            }
        }
        let deadline = self.connections.life(flow).and_then(|life| life.deadline());
        self.connections.timers.set(flow, deadline);
    }

    /// Takes note of an alias (RFC 5923 8.1) in the Via of a trunk's request.
    pub(super) fn note_alias(&mut self, flow: Flow, via: &Via) {
        let trusted = flow.transport.is_connected() && via.params.has("alias") && self.trunk_of(flow).is_some();
        if trusted && via.host.ip() == Some(flow.remote.ip()) {
            let port = via.port.unwrap_or(flow.transport.default_port());
            self.connections.alias(flow, SocketAddr::new(flow.remote.ip(), port));
        }
    }
}
