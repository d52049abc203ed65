//! The whole endpoint: whatever arrives from a trunk, a stranger, a telephone, on datagrams and connections, between orders and
//! time. No panic, tables within their limits, every dialog ends once, a stranger hears nothing.
//!
//! Input: steps of one byte (what), two bytes (length) and so many bytes. In a message, byte 1 stands for our last tag and byte 2
//! for our last branch, so that dialogs can be met.
#![no_main]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tingwa::ids::DialogId;
use tingwa::redact::Redacted;
use tingwa::sip::digest::client::Credentials;
use tingwa::sip::endpoint::config::{EndpointConfig, Limits, Phone, Trunk, UnknownSource};
use tingwa::sip::endpoint::{Endpoint, Input, Output};
use tingwa::sip::event::{AddressedOrder, DialogOrder, OutgoingTarget, SdpBody};
use tingwa::sip::flow::{Flow, Transport};
use tingwa::sip::lifetime::Opener;
use tingwa::wire::sip::message::Message;
use tingwa::wire::sip::parse::parse_datagram;

const LIMITS: Limits = Limits {
    transactions: 60,
    dialogs: 8,
    streams: 2,
    half_open: 6,
    half_open_per_source: 5,
    half_open_per_phone: 2,
    body: 2_048,
    retry_after: 5,
};

struct World {
    now: Instant,
    endpoint: Endpoint,
    ended: BTreeMap<DialogId, u32>,
    tag: Vec<u8>,
    branch: Vec<u8>,
    next: u64,
}

fn flow(which: u8) -> Flow {
    let (transport, remote) = match which % 5 {
        0 => (Transport::Udp, ([192, 0, 2, 2], 5070)),
        1 => (Transport::Udp, ([203, 0, 113, 9], 5060)),
        2 => (Transport::Udp, ([198, 51, 100, 7], 40_000)),
        3 => (Transport::Tcp, ([192, 0, 2, 2], 5070)),
        _ => (Transport::Ws, ([198, 51, 100, 7], 40_001)),
    };
    Flow { transport, local: ([192, 0, 2, 1], 5060).into(), remote: remote.into() }
}

fn config() -> EndpointConfig {
    let ours = ([192, 0, 2, 1], 5060).into();
    let trunk = Trunk {
        name: "pbx".into(),
        address: ([192, 0, 2, 2], 5070).into(),
        transport: Transport::Udp,
        domain: "pbx.example".into(),
        allow: vec!["192.0.2.0/24".parse().unwrap()],
        trusted: true,
        account: None,
        callers: Vec::new(),
        policy: tingwa::sip::trunk::TrunkPolicy::default(),
    };
    let credentials = Credentials { username: "anna".into(), password: Redacted::from("geheim") };
    EndpointConfig {
        listen: vec![(Transport::Udp, ours), (Transport::Tcp, ours), (Transport::Ws, ours)],
        trunks: vec![trunk],
        phones: vec![Phone { credentials, allow: vec!["198.51.100.0/24".parse().unwrap()] }],
        unknown: UnknownSource::Silence,
        limits: LIMITS,
        ..EndpointConfig::default()
    }
}

impl World {
    fn handle(&mut self, input: Input<'_>, stranger: bool) {
        self.endpoint.handle(self.now, input);
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Transmit { flow: to, bytes } => {
                    // A keepalive's answer says no more than that somebody is there, which a connection says itself.
                    assert!(!stranger || to.remote != flow(1).remote, "a stranger was answered");
                    if let Ok(message) = parse_datagram(&bytes) {
                        self.learn(&message);
                    }
                }
                Output::Incoming(invite) => {
                    assert!(self.ended.insert(invite.dialog, 0).is_none());
                }
                Output::Dialog { dialog, event } => {
                    let ended = self.ended.entry(dialog).or_default();
                    *ended += u32::from(event.is_last());
                    assert!(*ended <= 1, "{dialog} ended twice");
                }
                Output::Close { .. }
                | Output::Registration { .. }
                | Output::Phone { .. }
                | Output::Trunk { .. }
                | Output::Locate { .. }
                | Output::ShutOut(_)
                | Output::Count(_) => {}
            }
        }
        assert!(self.endpoint.dialogs() <= LIMITS.dialogs && self.endpoint.transactions() <= 2 * LIMITS.transactions);
    }

    fn learn(&mut self, message: &Message) {
        let headers = message.headers();
        let address = match message {
            Message::Request(_) => headers.from(),
            Message::Response(_) => headers.to(),
        };
        if let Some(tag) = address.ok().and_then(|address| address.tag().map(|tag| tag.as_bytes().to_vec())) {
            self.tag = tag;
        }
        if let (Message::Request(_), Ok(via)) = (message, headers.via()) {
            self.branch = via.branch().unwrap_or_default().as_bytes().to_vec();
        }
    }

    fn receive(&mut self, which: u8, text: &[u8]) {
        let mut bytes = Vec::with_capacity(text.len());
        for byte in text {
            match byte {
                1 => bytes.extend_from_slice(&self.tag),
                2 => bytes.extend_from_slice(&self.branch),
                other => bytes.push(*other),
            }
        }
        self.handle(Input::Received { flow: flow(which), bytes: &bytes }, which % 5 == 1);
    }

    fn order(&mut self, which: u8, text: &[u8]) {
        let sdp = SdpBody::from(text);
        let status = u16::from(which) * 3;
        let order = match which % 10 {
            0 => DialogOrder::Ring,
            1 => DialogOrder::Progress { sdp },
            2 => DialogOrder::Answer { sdp },
            3 => DialogOrder::Refuse { status },
            4 => DialogOrder::AnswerOffer { sdp },
            5 => DialogOrder::RefuseOffer { status },
            6 => DialogOrder::HangUp,
            7 => DialogOrder::Offer { sdp },
            8 => DialogOrder::TakeRefer,
            _ => {
                let (uri, trunk) = if which > 100 { ("sip:anna@phone", "phone") } else { ("sip:1@192.0.2.2", "pbx") };
                let target = OutgoingTarget { uri: uri.into(), trunk: trunk.into(), display_name: None };
                let dialog = DialogId(self.next);
                self.next += 1;
                self.ended.insert(dialog, 0);
                let order = DialogOrder::Invite { target, offer: sdp, headers: vec![] };
                return self.handle(Input::Order(AddressedOrder { dialog, order }), false);
            }
        };
        if let Some(dialog) = self.ended.keys().nth(usize::from(which) / 10 % self.ended.len().max(1)).copied() {
            self.handle(Input::Order(AddressedOrder { dialog, order }), false);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    let endpoint = Endpoint::new(config(), 42, now);
    let mut world = World { now, endpoint, ended: BTreeMap::new(), tag: vec![], branch: vec![], next: 1 };
    let mut rest = data;
    while let [what, low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (text, after) = after.split_at(length);
        rest = after;
        match what {
            0..120 => world.receive(*what, text),
            120..130 => world.handle(Input::FlowOpened { flow: flow(*what), opener: Opener::Peer }, false),
            130..140 => world.handle(Input::FlowClosed { flow: flow(*what) }, false),
            140..160 => {
                world.now += Duration::from_millis(u64::from(*low) * 300);
                world.handle(Input::Timeout, false);
            }
            _ => world.order(*what, text),
        }
    }
    // Everything ends by itself, but calls that are up.
    for _ in 0..400 {
        let Some((at, _)) = world.endpoint.deadline() else { break };
        world.now = world.now.max(at);
        world.handle(Input::Timeout, false);
    }
});
