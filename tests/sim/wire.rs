//! SIP between two real endpoints, the gateway's and the PBX's, over a wire that delays, reorders and loses.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tingwa::ids::DialogId;
use tingwa::sip::endpoint::config::{EndpointConfig, Trunk};
use tingwa::sip::endpoint::{Endpoint, Input, Output};
use tingwa::sip::event::{AddressedOrder, DialogEvent, DialogOrder, IncomingInvite};
use tingwa::sip::flow::{Flow, Transport};
use tingwa::sip::trunk::{Probe, TrunkPolicy};

/// Which end of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Gateway,
    Pbx,
}

/// What comes out of an end.
#[derive(Debug)]
pub enum News {
    Incoming(IncomingInvite),
    Dialog(DialogId, DialogEvent),
}

/// A trunk at which nobody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// Nobody has looked.
    Unknown,
    /// The gateway probes it.
    Probed,
}

const NOWHERE: &str = "192.0.2.9:5060";
const PLACES: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];

pub struct Wire {
    sides: [Endpoint; 2],
    under_way: BTreeMap<(Instant, u64), (Side, Flow, Vec<u8>)>,
    sequence: u64,
    random: fastrand::Rng,
    /// Lost, per cent.
    loss: f64,
    pub news: VecDeque<(Side, News)>,
    /// Requests that were put on the wire, by side, repeats included.
    pub sent: Vec<(Side, String)>,
}

impl Wire {
    /// `first`: the gateway reaches the PBX by a group of two trunks, and the first of them is dead.
    pub fn new(now: Instant, loss: f64, seed: u64, first: Option<Dead>) -> Self {
        let side = |own: usize| {
            let trunk = Trunk {
                name: "pbx".to_owned(),
                address: PLACES[1 - own].parse().unwrap(),
                transport: Transport::Udp,
                domain: "192.0.2.2".to_owned(),
                allow: vec!["192.0.2.0/24".parse().unwrap()],
                trusted: true,
                account: None,
                callers: Vec::new(),
                policy: TrunkPolicy::default(),
            };
            let trunks = match first.filter(|_| own == 0) {
                None => vec![trunk],
                Some(dead) => {
                    let policy = |priority, probe| TrunkPolicy {
                        group: Some("pbx".to_owned()),
                        priority,
                        probe,
                        ..TrunkPolicy::default()
                    };
                    let probe = Probe { every: Duration::from_secs(5), misses: 1 };
                    let probe = (dead == Dead::Probed).then_some(probe);
                    let second = Trunk { name: "second".to_owned(), policy: policy(2, None), ..trunk.clone() };
                    let address = NOWHERE.parse().unwrap();
                    let policy = policy(1, probe);
                    vec![Trunk { name: "first".to_owned(), address, allow: Vec::new(), policy, ..trunk }, second]
                }
            };
            let listen = vec![(Transport::Udp, PLACES[own].parse().unwrap())];
            let config = EndpointConfig { listen, trunks, ..EndpointConfig::default() };
            Endpoint::new(config, seed * 2 + own as u64, now)
        };
        Self {
            sides: [side(0), side(1)],
            under_way: BTreeMap::new(),
            sequence: 0,
            random: fastrand::Rng::with_seed(seed),
            loss,
            news: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    pub fn order(&mut self, now: Instant, side: Side, dialog: DialogId, order: DialogOrder) {
        self.sides[side as usize].handle(now, Input::Order(AddressedOrder { dialog, order }));
        self.drain(now, side);
    }

    pub fn deadline(&self) -> Option<Instant> {
        let wire = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let timers = self.sides.iter().filter_map(|side| side.deadline().map(|(at, _)| at)).min();
        [wire, timers].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn pass(&mut self, now: Instant) {
        while let Some(entry) = self.under_way.first_entry()
            && entry.key().0 <= now
        {
            let (to, flow, bytes) = entry.remove();
            let flow = Flow { transport: flow.transport, local: flow.remote, remote: flow.local };
            self.sides[to as usize].handle(now, Input::Received { flow, bytes: &bytes });
            self.drain(now, to);
        }
        for side in [Side::Gateway, Side::Pbx] {
            if self.sides[side as usize].deadline().is_some_and(|(at, _)| at <= now) {
                self.sides[side as usize].handle(now, Input::Timeout);
                self.drain(now, side);
            }
        }
    }

    /// Dialogs that live at each end.
    pub fn dialogs(&self) -> [usize; 2] {
        [self.sides[0].dialogs(), self.sides[1].dialogs()]
    }

    /// Requests of this method that a side sent, repeats included.
    pub fn count(&self, side: Side, method: &str) -> usize {
        self.sent.iter().filter(|(s, m)| *s == side && m == method).count()
    }

    fn drain(&mut self, now: Instant, side: Side) {
        while let Some(output) = self.sides[side as usize].poll() {
            match output {
                Output::Transmit { flow, bytes } => self.send(now, side, flow, bytes.to_vec()),
                Output::Incoming(invite) => self.news.push_back((side, News::Incoming(invite))),
                Output::Dialog { dialog, event } => self.news.push_back((side, News::Dialog(dialog, event))),
                Output::Close { .. }
                | Output::Registration { .. }
                | Output::Phone { .. }
                | Output::ShutOut(_)
                | Output::Trunk { .. }
                | Output::Locate { .. }
                | Output::Count(_) => {}
            }
        }
    }

    fn send(&mut self, now: Instant, side: Side, flow: Flow, bytes: Vec<u8>) {
        let text = String::from_utf8_lossy(&bytes);
        let first = text.split(' ').next().unwrap_or_default().to_owned();
        if first != "SIP/2.0" {
            self.sent.push((side, first));
        }
        if flow.remote == NOWHERE.parse().unwrap() || self.random.f64() * 100.0 < self.loss {
            return;
        }
        let to = if side == Side::Gateway { Side::Pbx } else { Side::Gateway };
        let delay = Duration::from_millis(5 + self.random.u64(0..15));
        self.sequence += 1;
        self.under_way.insert((now + delay, self.sequence), (to, flow, bytes));
    }
}
