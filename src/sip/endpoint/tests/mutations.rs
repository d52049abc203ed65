//! Whatever arrives in whatever order: no panic, no table that grows, every dialog ends once.

use std::collections::BTreeMap;

use super::*;

const DIALOGS: usize = 20;
const TRANSACTIONS: usize = 400;

struct Storm {
    now: Instant,
    endpoint: Endpoint,
    random: fastrand::Rng,
    /// Messages of ours, to be answered or echoed.
    seen: Vec<Bytes>,
    dialogs: BTreeMap<DialogId, u32>,
    next: u64,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let limits = Limits { dialogs: DIALOGS, transactions: TRANSACTIONS, streams: 2, ..Limits::default() };
        let now = Instant::now();
        let mut config = EndpointConfig { limits, ..config() };
        config.trunks[0].account.as_mut().unwrap().register = Some(60);
        let endpoint = Endpoint::new(config, seed, now);
        let random = fastrand::Rng::with_seed(seed);
        Self { now, endpoint, random, seen: Vec::new(), dialogs: BTreeMap::new(), next: 1 }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.endpoint.handle(self.now, input);
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Transmit { bytes, .. } if self.seen.len() < 40 => self.seen.push(bytes),
                Output::Transmit { bytes, .. } => {
                    let place = self.random.usize(..self.seen.len());
                    self.seen[place] = bytes;
                }
                Output::Incoming(invite) => {
                    self.dialogs.insert(invite.dialog, 0);
                }
                Output::Dialog { dialog, event } => {
                    *self.dialogs.entry(dialog).or_default() += u32::from(event.is_last());
                }
                Output::Close { .. }
                | Output::Registration { .. }
                | Output::Phone { .. }
                | Output::ShutOut(_)
                | Output::Trunk { .. }
                | Output::Locate { .. }
                | Output::Count(_) => {}
            }
        }
        assert!(self.endpoint.dialogs() <= DIALOGS && self.endpoint.transactions() <= 2 * TRANSACTIONS);
    }

    /// A request, or an answer to one of ours, perhaps within a dialog.
    fn message(&mut self) -> Vec<u8> {
        let seen = self.random.choice(&self.seen).cloned().unwrap_or_default();
        let known = parse_datagram(&seen).ok();
        if let (Some(Message::Request(request)), true) = (&known, self.random.bool()) {
            let status = *self.random.choice(&[100, 180, 183, 200, 200, 302, 401, 407, 423, 486, 503]).unwrap();
            let mut response = Response::to_request(request, StatusCode::new(status).unwrap(), Some("t"));
            response.headers.push_text(HeaderName::Contact, "<sip:a@192.0.2.2>;expires=30");
            let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
            response.headers.push_text(HeaderName::WwwAuthenticate, challenge);
            return response.to_bytes().to_vec();
        }
        let methods = [
            "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY", "FOO",
        ];
        let method = *self.random.choice(&methods).unwrap();
        let mut caller = Caller::new();
        caller.call_id = *self.random.choice(&["c1", "c2", "c3", "c4"]).unwrap();
        if let (Some(Message::Response(response)), true) = (&known, self.random.bool()) {
            caller.to_tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        }
        let (seq, branch) = (self.random.u32(1..9), self.random.u32(..40).to_string());
        let more = *self
            .random
            .choice(&[
                "",
                "Content-Type: application/sdp\n",
                "Require: x\n",
                "Require: 100rel\n",
                "RAck: 1 1 INVITE\n",
                "Refer-To: <sip:a@b>\n",
                "Event: refer\n",
            ])
            .unwrap();
        let body = *self.random.choice(&["", SDP]).unwrap();
        caller.request(method, seq, &branch, more, body).into_bytes()
    }

    fn damaged(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..self.random.usize(..4) {
            let at = self.random.usize(..bytes.len().max(1));
            match self.random.u8(..4) {
                0 if !bytes.is_empty() => bytes[at] = self.random.u8(..),
                1 => bytes.truncate(at),
                2 if !bytes.is_empty() => {
                    bytes.remove(at);
                }
                _ => bytes.insert(at.min(bytes.len()), *self.random.choice(b"\r\n;,<>\":@= \xff").unwrap()),
            }
        }
        bytes
    }

    fn order(&mut self) {
        let sdp = sdp(SDP);
        let order = match self.random.u8(..8) {
            0 => DialogOrder::Ring,
            1 => DialogOrder::Progress { sdp },
            2 => DialogOrder::Answer { sdp },
            3 => DialogOrder::Refuse { status: self.random.u16(..800) },
            4 => DialogOrder::AnswerOffer { sdp },
            5 => DialogOrder::RefuseOffer { status: self.random.u16(..800) },
            6 => DialogOrder::HangUp,
            _ => {
                let target = OutgoingTarget { uri: "sip:1@192.0.2.2".into(), trunk: "pbx".into(), display_name: None };
                let order = DialogOrder::Invite { target, offer: sdp, headers: vec![] };
                let dialog = DialogId(self.next);
                self.next += 1;
                self.dialogs.insert(dialog, 0);
                return self.handle(Input::Order(AddressedOrder { dialog, order }));
            }
        };
        let known: Vec<_> = self.dialogs.keys().copied().collect();
        if let Some(dialog) = self.random.choice(&known[known.len().saturating_sub(30)..]) {
            self.handle(Input::Order(AddressedOrder { dialog: *dialog, order }));
        }
    }

    fn step(&mut self) {
        let transport = if self.random.u8(..10) == 0 { Transport::Tcp } else { Transport::Udp };
        match self.random.u8(..20) {
            0..10 => {
                let message = self.message();
                let bytes = if self.random.u8(..3) == 0 { self.damaged(message) } else { message };
                self.handle(Input::Received { flow: flow(transport), bytes: &bytes });
            }
            10..15 => self.order(),
            15 => self.handle(Input::FlowClosed { flow: flow(Transport::Tcp) }),
            _ => {
                self.now += Duration::from_millis(self.random.u64(..4000));
                self.handle(Input::Timeout);
            }
        }
    }

    fn finish(mut self) {
        let dialogs: Vec<_> = self.dialogs.keys().copied().collect();
        for dialog in dialogs {
            for order in [DialogOrder::RefuseOffer { status: 488 }, DialogOrder::HangUp] {
                self.handle(Input::Order(AddressedOrder { dialog, order }));
            }
        }
        self.handle(Input::Drain);
        for _ in 0..10_000 {
            let Some((at, _)) = self.endpoint.deadline() else { break };
            self.now = self.now.max(at);
            self.handle(Input::Timeout);
        }
        assert_eq!(self.endpoint.deadline(), None);
        assert_eq!((self.endpoint.dialogs(), self.endpoint.transactions()), (0, 0));
        assert!(self.endpoint.is_at_rest());
        assert!(self.dialogs.len() > 20, "the storm reaches dialogs");
        let odd: Vec<_> = self.dialogs.iter().filter(|(_, ends)| **ends != 1).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}

#[test]
fn storms_pass() {
    for seed in 1..=20 {
        let mut storm = Storm::new(seed);
        for _ in 0..2_000 {
            storm.step();
        }
        storm.finish();
    }
}
