//! The endpoint against scripted peers on a simulated clock.

use std::time::{Duration, Instant};

use super::config::{Account, EndpointConfig, Limits, Phone, Trunk, UnknownSource};
use super::*;
use crate::redact::Redacted;
use crate::sip::digest::client::Credentials;
use crate::sip::event::{DialogOrder, OutgoingTarget, SdpBody};
use crate::sip::flow::Transport;
use crate::sip::trunk::TrunkPolicy;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Headers, Message, Request, Response, StatusCode};
use crate::wire::sip::parse::parse_datagram;

mod change;
mod client;
mod connections;
mod defence;
mod mutations;
mod pair;
mod phones;
mod refer;
mod refusals;
mod reliable;
mod server;
mod session;
mod torture;
mod trunks;
mod within;

const OURS: &str = "192.0.2.1:5060";
const THEIRS: &str = "192.0.2.2:5070";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.2\ns=-\nc=IN IP4 192.0.2.2\nt=0 0\nm=audio 4000 RTP/AVP 0\n";

fn sdp(text: &str) -> SdpBody {
    SdpBody::from(text.as_bytes())
}

fn flow(transport: Transport) -> Flow {
    Flow { transport, local: OURS.parse().unwrap(), remote: THEIRS.parse().unwrap() }
}

fn credentials() -> Credentials {
    Credentials { username: "6000".into(), password: Redacted::from("geheim") }
}

fn trunk() -> Trunk {
    Trunk {
        name: "pbx".into(),
        address: THEIRS.parse().unwrap(),
        transport: Transport::Udp,
        domain: "pbx.example".into(),
        allow: vec!["192.0.2.0/24".parse().unwrap()],
        trusted: false,
        account: Some(Account { user: "6000".into(), credentials: credentials(), register: None }),
        callers: Vec::new(),
        policy: TrunkPolicy::default(),
    }
}

fn config() -> EndpointConfig {
    let ours = OURS.parse().unwrap();
    EndpointConfig {
        listen: vec![(Transport::Udp, ours), (Transport::Tcp, ours)],
        trunks: vec![trunk()],
        // Long enough for Timer B, which most tests are about.
        try_time: Duration::from_secs(64),
        ..EndpointConfig::default()
    }
}

/// An endpoint, a clock, and all that came out.
struct Bench {
    start: Instant,
    now: Instant,
    endpoint: Endpoint,
    flow: Flow,
    /// Messages since the last [`Bench::sent`], with their flow.
    sent: Vec<(Flow, Message)>,
    incoming: Vec<IncomingInvite>,
    events: Vec<DialogEvent>,
    counted: Vec<Counter>,
    rest: Vec<Output>,
    trunk_news: Vec<Output>,
}

impl Bench {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: EndpointConfig) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            endpoint: Endpoint::new(config, 42, now),
            flow: flow(Transport::Udp),
            sent: Vec::new(),
            incoming: Vec::new(),
            events: Vec::new(),
            counted: Vec::new(),
            rest: Vec::new(),
            trunk_news: Vec::new(),
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.endpoint.handle(self.now, input);
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    if let Ok(message) = parse_datagram(&bytes) {
                        self.sent.push((flow, message));
                    } else {
                        self.rest.push(Output::Transmit { flow, bytes });
                    }
                }
                Output::Incoming(invite) => self.incoming.push(invite),
                Output::Dialog { event, .. } => self.events.push(event),
                Output::Count(counter) => self.counted.push(counter),
                other @ (Output::Trunk { .. } | Output::Locate { .. }) => self.trunk_news.push(other),
                other @ (Output::Close { .. }
                | Output::Registration { .. }
                | Output::Phone { .. }
                | Output::ShutOut(_)) => self.rest.push(other),
            }
        }
    }

    fn receive(&mut self, text: impl AsRef<[u8]>) {
        let flow = self.flow;
        self.handle(Input::Received { flow, bytes: text.as_ref() });
    }

    fn order(&mut self, order: DialogOrder) {
        let dialog = self.incoming.last().map_or(DialogId(7), |invite| invite.dialog);
        self.handle(Input::Order(AddressedOrder { dialog, order }));
    }

    /// Goes from deadline to deadline for so long; gives when something was sent, in ms from the start.
    fn run(&mut self, seconds: f64) -> Vec<u64> {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut times = Vec::new();
        while let Some((at, _)) = self.endpoint.deadline().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            let before = self.sent.len();
            self.handle(Input::Timeout);
            if self.sent.len() > before {
                times.push(u64::try_from((self.now - self.start).as_millis()).unwrap());
            }
        }
        self.now = end;
        times
    }

    fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, message)| message).collect()
    }

    /// Statuses of responses and methods of requests since the last time.
    fn words(&mut self) -> Vec<String> {
        self.sent().iter().map(word).collect()
    }

    fn response(&mut self) -> Response {
        match self.sent().pop() {
            Some(Message::Response(response)) => response,
            other => panic!("no response: {other:?}"),
        }
    }

    fn requests(&mut self) -> Vec<Request> {
        let sent = self.sent().into_iter();
        sent.filter_map(|message| if let Message::Request(request) = message { Some(request) } else { None }).collect()
    }

    fn events(&mut self) -> Vec<DialogEvent> {
        std::mem::take(&mut self.events)
    }

    /// Nothing is left behind once all timers have run.
    fn ends_empty(&mut self) {
        self.run(200.0);
        assert_eq!((self.endpoint.dialogs(), self.endpoint.transactions()), (0, 0));
        assert_eq!(self.endpoint.deadline(), None);
    }
}

fn word(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => response.status.to_string(),
    }
}

fn header(headers: &Headers, name: HeaderName) -> String {
    headers.get(&name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// The other side of an incoming call: writes requests as text.
#[derive(Clone)]
struct Caller {
    call_id: &'static str,
    to_tag: String,
    via: &'static str,
}

impl Caller {
    fn new() -> Self {
        Self { call_id: "c1", to_tag: String::new(), via: "SIP/2.0/UDP 192.0.2.2:5070;rport" }
    }

    fn request(&self, method: &str, seq: u32, branch: &str, more: &str, body: &str) -> String {
        let Self { call_id, to_tag, via } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        format!(
            "{method} sip:1000@192.0.2.1 SIP/2.0\nVia: {via};branch=z9hG4bK{branch}\nMax-Forwards: 70\n\
             From: \"阿明\" <sip:6001@pbx.example>;tag=f\nTo: <sip:1000@192.0.2.1>{tag}\nCall-ID: {call_id}\n\
             CSeq: {seq} {method}\nContact: <sip:6001@192.0.2.2:5070>\n{more}Content-Length: {}\n\n{body}",
            body.len()
        )
    }

    fn invite(&self) -> String {
        self.request("INVITE", 1, "i1", "Content-Type: application/sdp\n", SDP)
    }

    fn ack(&self, seq: u32) -> String {
        self.request("ACK", seq, &format!("a{seq}"), "", "")
    }

    /// Takes our tag from a response.
    fn learn(&mut self, response: &Response) {
        self.to_tag = response.headers.to().unwrap().tag().unwrap().to_owned();
    }
}

/// A bench with an incoming call that was answered; acknowledged where asked.
fn answered(acknowledged: bool) -> (Bench, Caller) {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    caller.learn(&bench.response());
    if acknowledged {
        bench.receive(caller.ack(1));
        assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
    }
    (bench, caller)
}
