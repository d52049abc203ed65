//! The SIP endpoint: bytes of sockets and orders of calls in; bytes, new calls and what happens in dialogs out. It composes
//! transactions, dialogs, registrations and the digest server, and knows every table of them.
//!
//! Followed: RFC 3261, RFC 3581 (rport), RFC 5626 4.4.1 (keepalive), RFC 5923 (alias), RFC 6026, RFC 7118. Requests outside of dialogs are
//! checked and refused without a transaction (RFC 3261 8.2.7), so that nothing is built for what is refused.
//! Not followed: 18.2.2's `maddr` (it would make a reflector of us).
//! A Max-Forwards of 0 has arrived (RFC 4475 3.3.11); 483 is what a transfer gets that would need one hop more (RFC 7332).
//!
//! - `receive`, `source`, `request`, `checks`, `particulars`, `response`: what comes in. `dialogs`, `accounts`, `phones`: what
//!   machines ask for.
//! - `trunks`: how they fare, what they carry. `attempts`: an INVITE's ways (RFC 3263 4.3).
//! - `tables`: transactions and dialogs. `connections`: streams, their times and aliases. `config`: values.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use self::accounts::Registrant;
use self::config::EndpointConfig;
use self::connections::Connections;
use self::source::Gate;
use self::tables::{Dialogs, Transactions};
use self::trunks::Trunks;
use super::author::Author;
use super::digest::server::DigestServer;
use super::event::{AddressedOrder, DialogEvent, IncomingInvite};
use super::flow::Flow;
use super::lifetime::Opener;
use super::registrar::Registrar;
use super::registration::RegistrationState;
use super::shield::{Shield, ShutOut};
use super::timers::TimerTable;
use super::transaction::{ClientId, ServerId};
use super::trunk::{Located, Lookup, TrunkHealth};
use crate::ids::DialogId;

mod accounts;
mod attempts;
mod checks;
pub mod config;
mod connections;
mod dialogs;
mod particulars;
mod phones;
mod receive;
mod request;
mod response;
mod source;
mod tables;
mod trunks;

/// Ids of dialogs that others call have this bit; whoever orders an INVITE chooses one without it.
pub const INCOMING_DIALOG: u64 = 1 << 63;

/// What can happen to the endpoint.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A datagram, or a piece of a stream.
    Received {
        /// Where it came.
        flow: Flow,
        /// What came.
        bytes: &'a [u8],
    },
    /// A connection can be used.
    FlowOpened {
        /// Which.
        flow: Flow,
        /// Who wanted it.
        opener: Opener,
    },
    /// A connection has ended or could not be opened. UDP flows never close.
    FlowClosed {
        /// Which.
        flow: Flow,
    },
    /// A call wants something of its dialog.
    Order(AddressedOrder),
    /// What [`Output::Locate`] asked for; `None`: nothing was found.
    Located {
        /// Which trunk.
        trunk: usize,
        /// Where it is.
        found: Option<Located>,
    },
    /// True from when no new call can be served until one can again.
    Overloaded(bool),
    /// The gateway is to stop: no new calls, registrations are taken back.
    Drain,
    /// Time has passed.
    Timeout,
}

/// What the endpoint asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send these bytes. A connection is opened where there is none.
    Transmit {
        /// Where.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// Close a connection: its framing is lost, or its time is over.
    Close {
        /// Which.
        flow: Flow,
    },
    /// Somebody calls.
    Incoming(IncomingInvite),
    /// Something happened in a dialog.
    Dialog {
        /// Which.
        dialog: DialogId,
        /// What.
        event: DialogEvent,
    },
    /// How the registration at a trunk stands.
    Registration {
        /// The trunk's name.
        trunk: String,
        /// How.
        state: RegistrationState,
    },
    /// A telephone has registered here, or is gone.
    Phone {
        /// Its name.
        name: String,
        /// How many addresses it has now.
        contacts: usize,
    },
    /// A stranger is not listened to any more for a while; told once each time.
    ShutOut(ShutOut),
    /// Where is a trunk? [`Input::Located`] answers.
    Locate {
        /// Its place in the configuration.
        trunk: usize,
        /// Its name.
        lookup: Lookup,
    },
    /// A trunk went down, or is up again.
    Trunk {
        /// Its name.
        trunk: String,
        /// Which.
        health: TrunkHealth,
    },
    /// Something to be counted.
    Count(Counter),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter {
    /// Bytes that are no message and were dropped.
    Unreadable,
    /// A request refused with 400, 505 or 513.
    Malformed,
    /// A response that no transaction waits for.
    StrayResponse,
    /// An ACK that no transaction and no dialog waits for.
    StrayAck,
    /// An order for a dialog that is gone.
    LateOrder,
    /// A new request from a source that nobody allows.
    UnknownSource,
    /// A request from somebody who is shut out.
    ShutOut,
    /// A wrong password, or one that was not judged because there were too many.
    Guessed,
    /// Too many calls without a final answer: one got 503.
    HalfOpenFull,
    /// A call refused because of overload or drain.
    TurnedAway,
    /// The table of transactions is full: a request got 503.
    TransactionsFull,
    /// The table of dialogs is full: a call got 503.
    DialogsFull,
    /// A trunk has as many calls as it may have: one was refused, or went another way.
    TrunkFull,
    /// The table of connections is full: one was closed.
    StreamsFull,
    /// A connection was closed: it was idle, or a stranger's that brought nothing whole, or answered no ping.
    ConnectionSilent,
}

impl Counter {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "sip_unreadable",
            Self::Malformed => "sip_malformed",
            Self::StrayResponse => "sip_stray_response",
            Self::StrayAck => "sip_stray_ack",
            Self::LateOrder => "sip_late_order",
            Self::UnknownSource => "sip_unknown_source",
            Self::ShutOut => "sip_shut_out",
            Self::Guessed => "sip_guessed",
            Self::HalfOpenFull => "sip_half_open_full",
            Self::TurnedAway => "sip_turned_away",
            Self::TransactionsFull => "sip_transactions_full",
            Self::DialogsFull => "sip_dialogs_full",
            Self::TrunkFull => "sip_trunk_full",
            Self::StreamsFull => "sip_streams_full",
            Self::ConnectionSilent => "sip_connection_silent",
        }
    }
}

/// Why to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A timer of a transaction.
    Transaction,
    /// A dialog: repeat a 2xx, give up on an ACK, end a session.
    Dialog,
    /// A registration: refresh or try again, or one of a telephone's that ends.
    Registration,
    /// A trunk: look it up, ask whether it is there.
    Trunk,
    /// An INVITE that nobody answers.
    Attempt,
    /// A connection: ping, or close.
    Connection,
}

/// Who waits in the timer table. Small, as hundreds of thousands of finished transactions wait in it; connections have a table of
/// their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum TimerKey {
    Client(ClientId),
    Server(ServerId),
    Dialog(DialogId),
    Attempt(DialogId),
    Trunk(usize),
    Phones,
    Registration(usize),
}

impl TimerKey {
    /// The greatest of them.
    const LAST: Self = Self::Registration(usize::MAX);
}

/// Whether new calls are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Open,
    Overloaded,
    Draining,
}

/// See the module.
pub struct Endpoint {
    config: EndpointConfig,
    author: Author,
    gate: Gate,
    admission: Admission,
    transactions: Transactions,
    dialogs: Dialogs,
    next_dialog: u64,
    /// Dialogs whose last event has not been told.
    live: usize,
    registrations: Vec<Registrant>,
    registrar: Registrar,
    trunks: Trunks,
    connections: Connections,
    timers: TimerTable<TimerKey>,
    /// Makes the tags of answers that no transaction keeps.
    tag_key: u64,
    out: VecDeque<Output>,
}

impl Endpoint {
    /// Registrations begin at the first time-out, which is due at once.
    pub fn new(config: EndpointConfig, seed: u64, now: Instant) -> Self {
        let mut author = Author::new(seed, config.advertised.clone(), &config.product);
        let mut secret = [0; 32];
        author.fill(&mut secret);
        let mut this = Self {
            gate: Gate { digest: DigestServer::new(&config.realm, secret, now), shield: Shield::new(config.shield) },
            admission: Admission::Open,
            transactions: Transactions::default(),
            dialogs: Dialogs::default(),
            next_dialog: 0,
            live: 0,
            registrations: Vec::new(),
            registrar: Registrar::new(config.phones.len(), config.registrar),
            trunks: Trunks::new(now, &config),
            connections: Connections::default(),
            timers: TimerTable::default(),
            tag_key: u64::from(author.below(u32::MAX)),
            out: VecDeque::new(),
            config,
            author,
        };
        this.start_trunks(now);
        this
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Received { flow, bytes } => self.receive(now, flow, bytes),
            Input::FlowOpened { flow, opener } => self.flow_opened(now, flow, opener),
            Input::FlowClosed { flow } => self.flow_closed(now, flow),
            Input::Order(order) => self.order(now, order),
            Input::Located { trunk, found } => self.located(now, trunk, found),
            Input::Overloaded(overloaded) => match self.admission {
                Admission::Draining => {}
                Admission::Open | Admission::Overloaded => {
                    self.admission = if overloaded { Admission::Overloaded } else { Admission::Open };
                }
            },
            Input::Drain => {
                self.admission = Admission::Draining;
                self.remove_registrations(now);
            }
            Input::Timeout => self.timeout(now),
        }
    }

    /// What it asks for, in order; to be drained before the next step.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to come back, and why.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        let why = |key| match key {
            TimerKey::Client(_) | TimerKey::Server(_) => Why::Transaction,
            TimerKey::Dialog(_) => Why::Dialog,
            TimerKey::Registration(_) | TimerKey::Phones => Why::Registration,
            TimerKey::Trunk(_) => Why::Trunk,
            TimerKey::Attempt(_) => Why::Attempt,
        };
        let first = self.timers.first().map(|(at, key)| (at, why(key)));
        let connection = self.connections.timers.first().map(|(at, _)| (at, Why::Connection));
        crate::deadline::earliest([first, connection])
    }

    /// How many dialogs there are, those included that only wait for other branches of a fork.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// True where nothing is under way that a stop would cut off: no dialog that a call knows of, no registration to be
    /// taken back. Transactions that only wait for repeats (32 s) do not count.
    pub fn is_at_rest(&self) -> bool {
        self.live == 0 && self.registrations.iter().all(|one| one.registration.is_removed())
    }

    /// How many transactions there are.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                TimerKey::Client(id) => self.client_timeout(now, id),
                TimerKey::Server(id) => self.server_timeout(now, id),
                TimerKey::Dialog(id) => self.dialog_timeout(now, id),
                TimerKey::Phones => self.phones_timeout(now),
                TimerKey::Registration(place) => self.registration_timeout(now, place),
                TimerKey::Trunk(place) => self.trunk_timeout(now, place),
                TimerKey::Attempt(id) => self.attempt_timeout(now, id),
            }
        }
        while let Some(flow) = self.connections.timers.pop_due(now) {
            self.connection_timeout(now, flow);
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.out.push_back(Output::Transmit { flow, bytes });
    }

    fn count(&mut self, counter: Counter) {
        self.out.push_back(Output::Count(counter));
    }
}

#[cfg(test)]
mod tests;
