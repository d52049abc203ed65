//! The world: one call, its telephones, and everything that is on its way to somewhere, ordered by time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tingwa::call::{Call, CallConfig, CallParts, Codec, Input, Output, Srtp};
use tingwa::conversation::{LlmOutcome, LlmReply, ToolOutcome, ToolReply};
use tingwa::ids::{CallId, DialogId, LegId, UtteranceId};
use tingwa::journal::profile::Profile;
use tingwa::journal::{Entry, Record};
use tingwa::sip::event::{DialogEvent, DialogOrder, IncomingInvite, OutgoingTarget, Particulars, ReferTarget};

use super::engine::{self, Ear, Mouth, Recogniser};
use super::hands::Hands;
use super::network::{Conditions, Network};
use super::pbx::{Agent, Then};
use super::phone::Phone;
use super::wire::{Dead, News, Side, Wire};
use super::{plan, signal};

/// The caller's dialog.
pub const CALLER: DialogId = DialogId(1);

/// How the world is to be.
pub struct Setting {
    pub network: Conditions,
    pub agents: BTreeMap<&'static str, Agent>,
    pub ear: Ear,
    /// False: the line is one of keys alone.
    pub speech: bool,
    pub mouth: Mouth,
    pub config: CallConfig,
    /// False: the INVITE has no offer.
    pub offer: bool,
    /// True: and its ACK no answer to ours.
    pub mute_ack: bool,
    /// SIP goes over a wire between two real endpoints, and so much of it is lost, per cent. `None`: events and orders go
    /// straight to and fro.
    pub wire: Option<f64>,
    /// Over the wire: the first trunk of two is dead.
    pub dead: Option<Dead>,
    /// False: there are no ports for further legs.
    pub ports: bool,
    /// What the telephones do about encryption.
    pub srtp: Srtp,
    /// Codecs of the caller's telephone and of the agents'.
    pub codecs: [Vec<Codec>; 2],
    /// After so many ms every tool answers this. `None`: none ever answers.
    pub tool: Option<(u64, &'static str)>,
    /// What is remembered of the caller.
    pub profile: Profile,
    /// Whose handshakes: all telephones are pages. The caller's may say that it is another.
    pub hands: Option<fn() -> Box<dyn Hands>>,
    pub impostor: bool,
    /// After so many ms the language model answers this. `None`: it never answers.
    pub llm: Option<(u64, &'static str)>,
    pub seed: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            network: Conditions::default(),
            agents: BTreeMap::new(),
            ear: Ear::Healthy,
            speech: true,
            mouth: Mouth::Healthy,
            config: CallConfig::default(),
            offer: true,
            mute_ack: false,
            ports: true,
            srtp: Srtp::Off,
            codecs: [Codec::ALL.to_vec(), Codec::ALL.to_vec()],
            wire: None,
            dead: None,
            tool: None,
            profile: Profile::default(),
            hands: None,
            impostor: false,
            llm: None,
            seed: 1,
        }
    }
}

/// What a test makes happen at some moment.
#[derive(Clone, Debug)]
pub enum Action {
    /// The caller says this, aloud, for so many ms.
    Says(&'static str, u64),
    /// The same, but nothing that a recogniser could write down.
    Noise(u64),
    Presses(char),
    HangsUp,
    Cancels,
    Holds,
    Unholds,
    /// The same by a re-INVITE without an offer: the telephone answers ours in its ACK.
    HoldsDelayed,
    UnholdsDelayed,
    /// A REFER on this dialog, to this telephone.
    Refers(DialogId, &'static str),
    /// An INVITE with Replaces takes this dialog's place.
    Replaces(DialogId, LegId),
    /// Something happens in a dialog.
    News(DialogId, DialogEvent),
    /// Such a re-INVITE, and an ACK without an answer.
    AnswersNothing,
    /// Such a re-INVITE, and an ACK with this.
    AnswersWith(&'static str),
    Order(tingwa::call::Order),
    Store(bool),
    Fault,
}

enum Event {
    Input(Input<'static>),
    ToCall { leg: LegId, control: bool, bytes: Vec<u8> },
    ToPhone { leg: LegId, control: bool, bytes: Vec<u8> },
    Tick,
    Action(Action),
    AgentAnswers { leg: LegId, dialog: DialogId, then: Then },
    AgentPresses { leg: LegId, digit: char },
    Pbx { dialog: DialogId, order: DialogOrder },
}

pub struct World {
    pub call: Call,
    pub start: Instant,
    pub now: Instant,
    pub phones: BTreeMap<LegId, Phone>,
    pub journal: Vec<Record>,
    /// Orders to dialogs: ms, dialog, order.
    pub orders: Vec<(u64, DialogId, DialogOrder)>,
    pub left: Vec<i16>,
    pub right: Vec<i16>,
    /// Everything that came out of the call, in words; for comparing two runs.
    pub trace: Vec<String>,
    pub done: bool,
    queue: BTreeMap<(Instant, u64), Event>,
    sequence: u64,
    network: Network,
    recogniser: Recogniser,
    pub setting: Setting,
    agent_dialogs: BTreeMap<DialogId, LegId>,
    answered: BTreeMap<DialogId, bool>,
    /// Telephones that are to take the place of a leg's.
    newcomers: BTreeMap<DialogId, (LegId, Phone)>,
    /// What the caller's ACK will hold, where a re-INVITE asked for our offer.
    delayed: Option<Action>,
    ended_by_them: Vec<DialogId>,
    pub open_legs: Vec<LegId>,
    next_dialog: u64,
    caller_dialog: DialogId,
    /// The PBX's dialogs of agents, by leg.
    pbx_dialogs: BTreeMap<DialogId, LegId>,
    pub wire: Option<Wire>,
    /// The gateway's, and of its legs.
    hands: Option<Box<dyn Hands>>,
    shaking: BTreeMap<LegId, Box<dyn Hands>>,
}

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn phone_address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, 1 + leg.0 as u8], 4000))
}

fn gateway_address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 10_000 + 2 * leg.0))
}

impl World {
    pub fn new(setting: Setting) -> Self {
        let mut caller = Phone::secured(phone_address(LegId::CALLER), 77, setting.srtp)
            .into_page(setting.hands.map(|make| make()), setting.impostor);
        caller.local.codecs.clone_from(&setting.codecs[0]);
        let offer = setting.offer.then(|| caller.offer());
        match setting.wire {
            Some(loss) => Self::over_wire(setting, caller, offer.expect("a telephone's INVITE has an offer"), loss),
            None => Self::build(setting, caller, offer),
        }
    }

    /// The caller's INVITE goes over the wire; the world begins when it arrives.
    fn over_wire(setting: Setting, caller: Phone, offer: Vec<u8>, loss: f64) -> Self {
        let mut now = Instant::now();
        let mut wire = Wire::new(now, loss, setting.seed, setting.dead);
        let uri = "sip:1823@192.0.2.1".to_owned();
        let target = OutgoingTarget { uri, trunk: "pbx".to_owned(), display_name: None };
        let invite = DialogOrder::Invite { target, offer: offer.into(), headers: Vec::new() };
        wire.order(now, Side::Pbx, CALLER, invite);
        loop {
            match wire.news.pop_front() {
                Some((Side::Gateway, News::Incoming(invite))) => {
                    return Self::begin(now, setting, caller, invite, Some(wire));
                }
                Some(_) => {}
                None => {
                    now = wire.deadline().expect("the INVITE is repeated");
                    wire.pass(now);
                }
            }
        }
    }

    /// With this offer, whatever it is.
    pub fn with_offer(setting: Setting, offer: Vec<u8>) -> Self {
        Self::build(setting, Phone::new(phone_address(LegId::CALLER), 77), Some(offer))
    }

    /// With an INVITE that says more.
    pub fn with_particulars(setting: Setting, particulars: Particulars, trusted: bool) -> Self {
        let mut caller = Phone::new(phone_address(LegId::CALLER), 77);
        let invite = IncomingInvite { particulars, trusted, ..invite(Some(caller.offer())) };
        Self::begin(Instant::now(), setting, caller, invite, None)
    }

    fn build(setting: Setting, caller: Phone, offer: Option<Vec<u8>>) -> Self {
        let invite = invite(offer);
        Self::begin(Instant::now(), setting, caller, invite, None)
    }

    fn begin(now: Instant, mut setting: Setting, caller: Phone, invite: IncomingInvite, wire: Option<Wire>) -> Self {
        let caller_dialog = invite.dialog;
        let hands = setting.hands.map(|make| make());
        setting.config.media.dtls = hands.as_ref().map(|hands| hands.fingerprint());
        let mut world = Self {
            call: Call::new(now, parts(&setting, invite)),
            start: now,
            now,
            phones: [(LegId::CALLER, caller)].into(),
            journal: Vec::new(),
            orders: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
            trace: Vec::new(),
            done: false,
            queue: BTreeMap::new(),
            sequence: 0,
            network: Network::new(setting.network, setting.seed),
            recogniser: Recogniser::new(setting.ear),
            agent_dialogs: BTreeMap::new(),
            answered: BTreeMap::new(),
            delayed: None,
            newcomers: BTreeMap::new(),
            ended_by_them: Vec::new(),
            open_legs: vec![LegId::CALLER],
            next_dialog: 100,
            caller_dialog,
            pbx_dialogs: BTreeMap::new(),
            wire,
            setting,
            hands,
            shaking: BTreeMap::new(),
        };
        world.post(0, Event::Tick);
        world.drain();
        world
    }

    /// Makes something happen, ms after the start.
    pub fn at(&mut self, at_ms: u64, action: Action) {
        self.sequence += 1;
        self.queue.insert((self.start + ms(at_ms), self.sequence), Event::Action(action));
    }

    pub fn elapsed(&self) -> u64 {
        (self.now - self.start).as_millis() as u64
    }

    /// Lets time pass, to so many ms after the start or to the end of the call.
    pub fn run_until(&mut self, until_ms: u64) {
        let until = self.start + ms(until_ms);
        while !self.done {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = self.call.deadline().map(|(at, _)| at);
            let wire = self.wire.as_ref().and_then(Wire::deadline);
            let due = [due, wire].into_iter().flatten().min();
            let next = match (event, due) {
                (Some(event), Some(due)) => event.min(due),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return,
            };
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            if event.is_some_and(|at| at <= self.now) {
                let (_, event) = self.queue.pop_first().expect("there is one");
                self.happen(event);
            } else {
                self.call.handle(self.now, Input::Timeout);
                self.pass_wire();
            }
            self.drain();
        }
    }

    /// After the call: lets SIP settle for so long, ms.
    pub fn settle_wire(&mut self, for_ms: u64) {
        let until = self.now + ms(for_ms);
        while let Some(at) = self.wire.as_ref().and_then(Wire::deadline).filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.pass_wire();
        }
    }

    fn pass_wire(&mut self) {
        let now = self.now;
        let Some(wire) = &mut self.wire else { return };
        wire.pass(now);
        while let Some((side, news)) = self.wire.as_mut().and_then(|wire| wire.news.pop_front()) {
            match (side, news) {
                (Side::Gateway, News::Dialog(dialog, event)) => {
                    if matches!(event, DialogEvent::Ended { .. } | DialogEvent::Cancelled | DialogEvent::Refused { .. })
                    {
                        self.ended_by_them.push(dialog);
                    }
                    self.call.handle(now, Input::Dialog { dialog, event });
                    self.drain();
                }
                (Side::Pbx, News::Dialog(CALLER, DialogEvent::Answered { sdp })) => {
                    let sdp = sdp.expect("an answer to the offer");
                    self.phones.get_mut(&LegId::CALLER).expect("the caller has a telephone").accept(now, &sdp);
                }
                (Side::Pbx, News::Incoming(invite)) => self.ring(invite),
                (Side::Gateway, News::Incoming(_)) | (Side::Pbx, News::Dialog(..)) => {}
            }
        }
    }

    /// The PBX has an INVITE for an agent: the leg that was opened last.
    fn ring(&mut self, invite: IncomingInvite) {
        let leg = *self.open_legs.last().expect("a leg was opened");
        let agent = self.setting.agents.get(invite.to.as_str()).copied().unwrap_or(Agent::Refuses(404));
        let dialog = invite.dialog;
        self.pbx_dialogs.insert(dialog, leg);
        match agent {
            Agent::Answers(after, then) => {
                let offer = invite.offer.expect("our INVITEs have offers");
                self.phones.get_mut(&leg).expect("the leg has a telephone").pending_offer = offer.to_vec();
                self.pbx(dialog, DialogOrder::Ring);
                self.post(after, Event::AgentAnswers { leg, dialog, then });
            }
            Agent::NoAnswer | Agent::Silent(_) => self.pbx(dialog, DialogOrder::Ring),
            Agent::Announces => {
                let now = self.now;
                let offer = invite.offer.expect("our INVITEs have offers");
                let phone = self.phones.get_mut(&leg).expect("the leg has a telephone");
                let sdp = phone.answer(now, &offer).into();
                self.pbx(dialog, DialogOrder::Progress { sdp });
            }
            Agent::Refuses(status) => self.pbx(dialog, DialogOrder::Refuse { status }),
        }
    }

    fn pbx(&mut self, dialog: DialogId, order: DialogOrder) {
        let now = self.now;
        if let Some(wire) = &mut self.wire {
            wire.order(now, Side::Pbx, dialog, order);
        }
    }

    fn post(&mut self, in_ms: u64, event: Event) {
        self.post_in(ms(in_ms), event);
    }

    fn post_in(&mut self, wait: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + wait, self.sequence), event);
    }

    fn input(&mut self, in_ms: u64, input: Input<'static>) {
        self.post(in_ms, Event::Input(input));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.call.handle(self.now, input),
            Event::ToCall { leg, control, bytes } => {
                let (from, bytes) = (phone_address(leg), &bytes[..]);
                let input = if control { Input::Rtcp { leg, from, bytes } } else { Input::Rtp { leg, from, bytes } };
                self.call.handle(self.now, input);
            }
            Event::ToPhone { leg, control, bytes } => {
                if let Some(phone) = self.phones.get_mut(&leg) {
                    phone.take(self.now, gateway_address(leg), &bytes, control);
                }
            }
            Event::Tick => self.tick(),
            Event::Action(action) => self.act(action),
            Event::AgentAnswers { leg, dialog, then } => self.agent_answers(leg, dialog, then),
            Event::Pbx { dialog, order } => self.pbx(dialog, order),
            Event::AgentPresses { leg, digit } => {
                if let Some(phone) = self.phones.get_mut(&leg) {
                    phone.press(self.now, digit);
                }
            }
        }
    }

    fn tick(&mut self) {
        self.post(20, Event::Tick);
        for leg in self.shaking.keys().copied().collect::<Vec<_>>() {
            self.shake(leg, None, &[]);
        }
        let elapsed = self.elapsed();
        let mut sent = Vec::new();
        for (leg, phone) in &mut self.phones {
            phone.tick(self.now);
            sent.extend(phone.poll(self.now).into_iter().map(|(control, bytes)| (*leg, control, bytes)));
        }
        for (leg, control, bytes) in sent {
            let conditions = self.network.conditions;
            let dead =
                if leg == LegId::CALLER { conditions.caller_dead_from_ms } else { conditions.agent_dead_from_ms };
            if elapsed < dead
                && let Some(delay) = self.network.pass()
            {
                self.post_in(delay, Event::ToCall { leg, control, bytes });
            }
        }
    }

    /// A piece of a handshake of the gateway's; without terms, time has passed.
    fn shake(&mut self, leg: LegId, terms: Option<tingwa::call::DtlsTerms>, bytes: &[u8]) {
        let hands = self.hands.as_ref().expect("only pages shake hands");
        let (packets, keys) = self.shaking.entry(leg).or_insert_with(|| hands.another()).shake(self.now, terms, bytes);
        for packet in packets {
            self.send_to_phone(leg, phone_address(leg), false, packet);
        }
        if let Some(keys) = keys {
            self.input(0, Input::LegKeys { leg, keys });
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now;
        let caller = self.phones.get_mut(&LegId::CALLER).expect("the caller has a telephone");
        match action {
            Action::Says(text, length) => {
                self.recogniser.script.push_back(text.to_owned());
                let seed = text.len() as u64 * 31 + length;
                caller.say(&signal::voice(seed, length));
            }
            Action::Noise(length) => caller.say(&signal::voice(99, length)),
            Action::Presses(digit) => caller.press(now, digit),
            Action::HangsUp => self.caller_event(DialogEvent::Ended { lost: false }),
            Action::Cancels => self.caller_event(DialogEvent::Cancelled),
            Action::Holds | Action::Unholds => {
                caller.local.hold = matches!(action, Action::Holds);
                let sdp: Arc<[u8]> = caller.offer().into();
                // A telephone that holds with `inactive` sends and wants nothing.
                let sdp = match action {
                    Action::Holds => inactive(&sdp),
                    _ => sdp,
                };
                self.caller_event(DialogEvent::Offered { sdp });
            }
            Action::Refers(dialog, user) => {
                let target = ReferTarget {
                    uri: format!("sip:{user}@192.0.2.2").into(),
                    user: user.into(),
                    replaces: None,
                    referred_by: Some("<sip:6001@192.0.2.2>".into()),
                };
                self.call.handle(now, Input::Dialog { dialog, event: DialogEvent::Referred { target } });
            }
            Action::Replaces(dialog, leg) => {
                let (by, mut phone) = self.newcomer(leg);
                let offer = Some(phone.offer().into());
                self.newcomers.insert(by, (leg, phone));
                self.answered.insert(by, true);
                self.call.handle(now, Input::Dialog { dialog, event: DialogEvent::Replaced { by, offer } });
            }
            Action::News(dialog, event) => {
                if event.is_last() {
                    self.ended_by_them.push(dialog);
                }
                self.call.handle(now, Input::Dialog { dialog, event });
            }
            Action::HoldsDelayed | Action::UnholdsDelayed | Action::AnswersNothing | Action::AnswersWith(_) => {
                self.delayed = Some(action);
                self.caller_event(DialogEvent::OfferWanted);
            }
            Action::Order(order) => self.call.handle(now, Input::Order(order)),
            Action::Store(room) => self.call.handle(now, Input::Store { room }),
            Action::Fault => self.call.handle(now, Input::Fault { what: "a fault of the shell" }),
        }
    }

    fn caller_event(&mut self, event: DialogEvent) {
        if self.wire.is_some() {
            return self.pbx(CALLER, DialogOrder::HangUp);
        }
        if matches!(event, DialogEvent::Ended { .. } | DialogEvent::Cancelled) {
            self.ended_by_them.push(CALLER);
        }
        self.call.handle(self.now, Input::Dialog { dialog: CALLER, event });
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll() {
            assert!(!self.done, "after Done: {output:?}");
            self.note_trace(&output);
            match output {
                Output::Journal(record) => self.journal.push(record),
                Output::Sip(order) => {
                    self.orders.push((self.elapsed(), order.dialog, order.order.clone()));
                    self.on_order(order.dialog, order.order);
                }
                Output::Rtp { leg, to, datagram } => self.send_to_phone(leg, to, false, datagram.as_bytes().to_vec()),
                Output::Rtcp { leg, to, datagram } => self.send_to_phone(leg, to, true, datagram.as_bytes().to_vec()),
                Output::Handshake { leg, terms, bytes, .. } => self.shake(leg, Some(terms), &bytes),
                Output::Hear(frame) => {
                    for (wait, input) in self.recogniser.hear(&frame) {
                        self.input(wait, input);
                    }
                }
                Output::FinishUtterance(utterance) => self.finish(utterance),
                Output::RestartUtterance(utterance) => self.recogniser.restart(utterance),
                Output::Speak(order) => {
                    for (wait, input) in engine::speak(self.setting.mouth, &order) {
                        self.input(wait, input);
                    }
                }
                Output::CancelSpeak(_) => {}
                Output::AskTool(request) => {
                    if let Some((ms, body)) = self.setting.tool {
                        let outcome = ToolOutcome::Answered { status: 200, body: body.into() };
                        let reply = ToolReply { id: request.id, tool: request.tool, outcome, ms };
                        self.input(ms, Input::Tool(reply));
                    }
                }
                Output::AskLlm(request) => {
                    if let Some((ms, text)) = self.setting.llm {
                        let outcome = LlmOutcome::Answered(text.into());
                        self.input(ms, Input::Llm(LlmReply { id: request.id, outcome, ms }));
                    }
                }
                Output::Record { left, right } => {
                    self.left.extend_from_slice(&left.0);
                    self.right.extend_from_slice(&right.0);
                }
                Output::OpenLeg { leg } => self.open_leg(leg),
                Output::OpenDialog { leg } => {
                    let (dialog, phone) = self.newcomer(leg);
                    self.newcomers.insert(dialog, (leg, phone));
                    self.input(1, Input::LegDialog { leg, dialog });
                }
                Output::CloseLeg { leg } => {
                    let index = self.open_legs.iter().position(|open| *open == leg);
                    self.open_legs.remove(index.expect("only an open leg is closed"));
                }
                Output::Done => self.done = true,
            }
        }
    }

    fn note_trace(&mut self, output: &Output) {
        let line = match output {
            Output::Rtp { leg, datagram, .. } => format!("rtp {leg} {:?}", datagram.as_bytes()),
            Output::Rtcp { leg, datagram, .. } => format!("rtcp {leg} {:?}", datagram.as_bytes()),
            Output::Hear(_) | Output::Record { .. } => return,
            other => format!("{other:?}"),
        };
        self.trace.push(format!("{} {line}", self.elapsed()));
    }

    fn send_to_phone(&mut self, leg: LegId, to: SocketAddr, control: bool, bytes: Vec<u8>) {
        let address = phone_address(leg);
        assert_eq!(to.ip(), address.ip(), "sent to where the telephone is");
        if let Some(delay) = self.network.pass() {
            self.post_in(delay, Event::ToPhone { leg, control, bytes });
        }
    }

    fn finish(&mut self, utterance: UtteranceId) {
        if let Some((wait, input)) = self.recogniser.finish(utterance) {
            self.input(wait, input);
        }
    }

    fn open_leg(&mut self, leg: LegId) {
        self.open_legs.push(leg);
        if !self.setting.ports {
            return self.input(1, Input::NoLegPort { leg });
        }
        let dialog = DialogId(self.next_dialog);
        self.next_dialog += 1;
        self.agent_dialogs.insert(dialog, leg);
        let mut phone = Phone::secured(phone_address(leg), 1000 + u64::from(leg.0), self.setting.srtp)
            .into_page(self.setting.hands.map(|make| make()), false);
        phone.local.codecs.clone_from(&self.setting.codecs[1]);
        self.phones.insert(leg, phone);
        self.input(1, Input::LegPort { leg, dialog, address: gateway_address(leg) });
    }

    fn newcomer(&mut self, leg: LegId) -> (DialogId, Phone) {
        self.next_dialog += 1;
        let dialog = DialogId(self.next_dialog - 1);
        (dialog, Phone::new(phone_address(leg), 5_000 + dialog.0))
    }

    fn on_order(&mut self, dialog: DialogId, order: DialogOrder) {
        let now = self.now;
        if let Some(wire) = &mut self.wire {
            if matches!(order, DialogOrder::Invite { .. }) {
                self.answered.insert(dialog, false);
            }
            return wire.order(now, Side::Gateway, dialog, order);
        }
        match order {
            DialogOrder::Answer { sdp } if dialog != CALLER => {
                let (leg, mut phone) = self.newcomers.remove(&dialog).expect("somebody who takes a place");
                phone.accept(now, &sdp);
                self.phones.insert(leg, phone);
                self.input(20, Input::Dialog { dialog, event: DialogEvent::Acknowledged { sdp: None } });
            }
            DialogOrder::Answer { sdp } => {
                let caller = self.phones.get_mut(&LegId::CALLER).expect("the caller has a telephone");
                let sdp = if self.setting.offer {
                    caller.accept(now, &sdp);
                    None
                } else if self.setting.mute_ack {
                    None
                } else {
                    Some(caller.answer(now, &sdp).into())
                };
                self.input(20, Input::Dialog { dialog, event: DialogEvent::Acknowledged { sdp } });
            }
            DialogOrder::AnswerOffer { sdp } => {
                let caller = self.phones.get_mut(&LegId::CALLER).expect("the caller has a telephone");
                let answer = match self.delayed.take() {
                    None => return caller.accept(now, &sdp),
                    Some(Action::AnswersNothing) => None,
                    Some(Action::AnswersWith(text)) => Some(Arc::from(text.as_bytes())),
                    Some(action) => {
                        caller.local.hold = matches!(action, Action::HoldsDelayed);
                        let answer: Arc<[u8]> = caller.answer(now, &sdp).into();
                        Some(if caller.local.hold { inactive(&answer) } else { answer })
                    }
                };
                self.input(20, Input::Dialog { dialog, event: DialogEvent::Acknowledged { sdp: answer } });
            }
            DialogOrder::Offer { sdp } => {
                let caller = self.phones.get_mut(&LegId::CALLER).expect("the caller has a telephone");
                let sdp = caller.answer(now, &sdp).into();
                self.input(20, Input::Dialog { dialog, event: DialogEvent::OfferAnswered { sdp } });
            }
            DialogOrder::Invite { target, offer, .. } => self.dial(dialog, &target.uri, &offer),
            DialogOrder::HangUp => {
                if self.answered.get(&dialog) == Some(&false) {
                    let event = DialogEvent::Refused { status: 487 };
                    self.input(10, Input::Dialog { dialog, event });
                }
            }
            DialogOrder::Ring
            | DialogOrder::TakeRefer
            | DialogOrder::RefuseRefer { .. }
            | DialogOrder::TellRefer { .. }
            | DialogOrder::Press { .. }
            | DialogOrder::Refer { .. }
            | DialogOrder::Progress { .. }
            | DialogOrder::Refuse { .. }
            | DialogOrder::RefuseOffer { .. } => {}
        }
    }

    fn dial(&mut self, dialog: DialogId, uri: &str, offer: &[u8]) {
        let leg = self.newcomers.get(&dialog).map_or_else(|| self.agent_dialogs[&dialog], |(leg, _)| *leg);
        let user = uri.trim_start_matches("sip:").split('@').next().unwrap_or_default();
        let agent = self.setting.agents.get(user).copied().unwrap_or(Agent::Refuses(404));
        self.answered.insert(dialog, false);
        let event = |event| Input::Dialog { dialog, event };
        match agent {
            Agent::Answers(after, then) => {
                self.input(50, event(DialogEvent::Ringing { sdp: None }));
                let newcomer = self.newcomers.get_mut(&dialog).map(|(_, phone)| phone);
                let phone = newcomer.or_else(|| self.phones.get_mut(&leg)).expect("the leg has a telephone");
                phone.pending_offer = offer.to_vec();
                self.post(after, Event::AgentAnswers { leg, dialog, then });
            }
            Agent::NoAnswer => self.input(50, event(DialogEvent::Ringing { sdp: None })),
            Agent::Announces => {
                let now = self.now;
                let phone = self.phones.get_mut(&leg).expect("the leg has a telephone");
                let sdp = Some(phone.answer(now, offer).into());
                self.input(50, event(DialogEvent::Ringing { sdp }));
            }
            Agent::Refuses(status) => {
                self.ended_by_them.push(dialog);
                self.input(30, event(DialogEvent::Refused { status }));
            }
            Agent::Silent(wait) => {
                self.input(wait, event(DialogEvent::Refused { status: 408 }));
            }
        }
    }

    fn agent_answers(&mut self, leg: LegId, dialog: DialogId, then: Then) {
        if !self.open_legs.contains(&leg) {
            return;
        }
        let now = self.now;
        if self.hang_ups(dialog).len() == 1 {
            return;
        }
        if let Some((leg, phone)) = self.newcomers.remove(&dialog) {
            self.phones.insert(leg, phone);
        }
        let phone = self.phones.get_mut(&leg).expect("the leg has a telephone");
        let offer = std::mem::take(&mut phone.pending_offer);
        let sdp: Arc<[u8]> = phone.answer(now, &offer).into();
        if self.wire.is_some() {
            self.pbx(dialog, DialogOrder::Answer { sdp });
        } else {
            self.answered.insert(dialog, true);
            self.call.handle(now, Input::Dialog { dialog, event: DialogEvent::Answered { sdp: Some(sdp) } });
        }
        let presses = |digit| Event::AgentPresses { leg, digit };
        match then {
            Then::Accepts(after) => self.post(after, presses('1')),
            Then::Declines(after) => self.post(after, presses('2')),
            Then::AcceptsByInfo(after) => {
                self.input(after, Input::Dialog { dialog, event: DialogEvent::Digit('1') });
            }
            Then::SaysNothing => {}
            Then::HangsUp(after) => self.bye(after, dialog),
            Then::AcceptsThenHangsUp(accept, bye) => {
                self.post(accept, presses('1'));
                self.bye(bye, dialog);
            }
        }
    }

    fn bye(&mut self, after: u64, dialog: DialogId) {
        if self.wire.is_some() {
            return self.post(after, Event::Pbx { dialog, order: DialogOrder::HangUp });
        }
        self.ended_by_them.push(dialog);
        self.input(after, Input::Dialog { dialog, event: DialogEvent::Ended { lost: false } });
    }
}

/// What tests ask about.
impl World {
    /// Entries of the journal, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.journal.iter().map(|record| &record.entry)
    }

    /// Time of the first entry that fits, ms.
    pub fn time_of(&self, fits: impl Fn(&Entry) -> bool) -> Option<u64> {
        self.journal.iter().find(|record| fits(&record.entry)).map(|record| record.at.0)
    }

    /// Prompts that were begun, in order.
    pub fn prompts(&self) -> Vec<&str> {
        self.entries()
            .filter_map(|e| if let Entry::BotTurn { prompt, .. } = e { Some(prompt.as_str()) } else { None })
            .collect()
    }

    /// Times, ms, of HangUp orders to a dialog.
    pub fn hang_ups(&self, dialog: DialogId) -> Vec<u64> {
        let fits = |(at, d, order): &(u64, DialogId, DialogOrder)| {
            (*d == dialog && *order == DialogOrder::HangUp).then_some(*at)
        };
        self.orders.iter().filter_map(fits).collect()
    }

    /// Dialog of a leg that was dialled.
    pub fn dialog_of(&self, leg: LegId) -> DialogId {
        *self.agent_dialogs.iter().find(|(_, l)| **l == leg).expect("a leg that was opened").0
    }

    pub fn phone(&self, leg: u16) -> &Phone {
        &self.phones[&LegId(leg)]
    }

    /// What holds of every call that is over.
    pub fn check_over(&self) {
        assert!(self.done, "the call is over");
        assert_eq!(self.call.deadline(), None);
        assert!(self.open_legs.is_empty(), "every port was given back: {:?}", self.open_legs);
        assert_eq!(self.entries().filter(|e| matches!(e, Entry::Ended(_))).count(), 1);
        assert!(matches!(self.journal.last().map(|r| &r.entry), Some(Entry::Ended(_))), "Ended comes last");
        let times: Vec<_> = self.journal.iter().map(|r| r.at).collect();
        assert!(times.is_sorted(), "time only goes forward");
        let mut dialogs: Vec<DialogId> = self.answered.keys().copied().collect();
        dialogs.push(self.caller_dialog);
        for dialog in dialogs {
            let ours = self.hang_ups(dialog).len();
            assert!(ours <= 1, "one BYE or CANCEL for dialog {dialog}, not {ours}");
            let refused = self.orders.iter().any(|(_, d, o)| *d == dialog && matches!(o, DialogOrder::Refuse { .. }));
            assert!(ours == 1 || refused || self.ended_by_them.contains(&dialog), "dialog {dialog} was left open");
        }
        for leg in self.phones.keys() {
            let ended = self.entries().filter(|e| matches!(e, Entry::LegEnded { leg: l, .. } if l == leg)).count();
            assert_eq!(ended, 1, "leg {leg} ended once");
        }
    }

    /// The longest silence that the caller heard before a human was there, ms.
    pub fn longest_silence(&self) -> u64 {
        let mut longest = 0;
        let mut current = 0;
        let alone = self.time_of(|e| matches!(e, Entry::Bridged { .. })).unwrap_or(u64::MAX / 8);
        for frame in self.right.chunks(160).take((alone / 20) as usize) {
            current = if signal::loudness(frame) < 50.0 { current + 20 } else { 0 };
            longest = longest.max(current);
        }
        longest
    }
}

fn inactive(sdp: &[u8]) -> Arc<[u8]> {
    let text = String::from_utf8_lossy(sdp);
    let text = text.replace("a=sendonly", "a=inactive").replace("a=sendrecv", "a=inactive");
    assert!(text.contains("a=inactive"), "{text}");
    Arc::from(text.as_bytes())
}

fn ulid_of(seed: u64) -> ulid::Ulid {
    ulid::Ulid::from_parts(1_790_000_000_000, u128::from(seed))
}

fn invite(offer: Option<Vec<u8>>) -> IncomingInvite {
    IncomingInvite {
        dialog: CALLER,
        from: "91234567".into(),
        display_name: None,
        to: "1823".to_owned(),
        call_id: "sim@example".to_owned(),
        offer: offer.map(Into::into),
        trunk: Some("pbx".to_owned()),
        trusted: true,
        particulars: Default::default(),
        source: SocketAddr::from(([10, 0, 1, 1], 5060)),
    }
}

fn parts(setting: &Setting, invite: IncomingInvite) -> CallParts {
    let (mut plan, understanding) = plan::line();
    Arc::make_mut(&mut plan).dialogue.speech = setting.speech;
    let domains = Arc::new([("pbx".to_owned(), "192.0.2.2".to_owned())].into());
    CallParts {
        id: CallId(ulid_of(setting.seed)),
        invite,
        plan,
        understanding,
        config: CallConfig { domains, ..setting.config.clone() },
        address: gateway_address(LegId::CALLER),
        moment: (SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)).into(),
        recording: Some("sim.wav".to_owned()),
        profile: setting.profile.clone(),
        music: Arc::from(signal::voice(4242, 3_000)),
        seed: setting.seed,
        secret: [0x11; 32],
    }
}
