//! Two endpoints that call each other over a wire that delays, reorders and loses.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Two endpoints, one clock, one wire.
struct Pair {
    start: Instant,
    now: Instant,
    sides: [Endpoint; 2],
    wire: BTreeMap<(Instant, u64), (usize, Flow, Bytes)>,
    random: fastrand::Rng,
    loss: f64,
    sequence: u64,
    sent: u64,
    /// What the calls of both sides plan to do.
    plans: BTreeMap<(Instant, u64), (usize, AddressedOrder)>,
    events: BTreeMap<(usize, DialogId), Vec<DialogEvent>>,
    answer: bool,
    talk_ms: u64,
    /// The called side sends early media, reliably.
    early: bool,
    /// The called side changes the session after 5 s.
    clash: bool,
}

const PLACES: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];

impl Pair {
    fn new(loss: f64, seed: u64) -> Self {
        let now = Instant::now();
        let side = |own: usize| {
            let mut config = config();
            config.listen = vec![(Transport::Udp, PLACES[own].parse().unwrap())];
            config.trunks[0].address = PLACES[1 - own].parse().unwrap();
            Endpoint::new(config, seed + own as u64, now)
        };
        Self {
            start: now,
            now,
            sides: [side(0), side(1)],
            wire: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            loss,
            sequence: 0,
            sent: 0,
            plans: BTreeMap::new(),
            events: BTreeMap::new(),
            answer: true,
            talk_ms: 3000,
            early: false,
            clash: false,
        }
    }

    fn plan(&mut self, in_ms: u64, side: usize, dialog: DialogId, order: DialogOrder) {
        self.sequence += 1;
        let at = self.now + Duration::from_millis(in_ms);
        self.plans.insert((at, self.sequence), (side, AddressedOrder { dialog, order }));
    }

    fn call(&mut self, number: u64, in_ms: u64) {
        let target = OutgoingTarget { uri: format!("sip:{number}@192.0.2.2"), trunk: "pbx".into(), display_name: None };
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
        self.plan(in_ms, 0, DialogId(number), order);
    }

    fn step(&mut self, side: usize, input: Input<'_>) {
        self.sides[side].handle(self.now, input);
        while let Some(output) = self.sides[side].poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    self.sent += 1;
                    self.sequence += 1;
                    if self.random.f64() >= self.loss {
                        let at = self.now + Duration::from_millis(self.random.u64(5..60));
                        let back = Flow { local: flow.remote, remote: flow.local, ..flow };
                        self.wire.insert((at, self.sequence), (1 - side, back, bytes));
                    }
                }
                Output::Incoming(invite) => {
                    let ring =
                        if self.early { DialogOrder::Progress { sdp: sdp("answer") } } else { DialogOrder::Ring };
                    self.plan(100, side, invite.dialog, ring);
                    if self.answer {
                        self.plan(1000, side, invite.dialog, DialogOrder::Answer { sdp: sdp("answer") });
                    }
                    if self.clash {
                        self.plan(5_000, side, invite.dialog, DialogOrder::Offer { sdp: sdp("theirs") });
                    }
                    self.events.entry((side, invite.dialog)).or_default();
                }
                Output::Dialog { dialog, event } => {
                    match &event {
                        DialogEvent::Answered { .. } => self.plan(self.talk_ms, side, dialog, DialogOrder::HangUp),
                        DialogEvent::Offered { .. } => {
                            self.plan(50, side, dialog, DialogOrder::AnswerOffer { sdp: sdp("agreed") });
                        }
                        DialogEvent::OfferAgain => {
                            self.plan(0, side, dialog, DialogOrder::Offer { sdp: sdp("again") });
                        }
                        _ => {}
                    }
                    self.events.entry((side, dialog)).or_default().push(event);
                }
                Output::Count(_)
                | Output::Close { .. }
                | Output::Registration { .. }
                | Output::Trunk { .. }
                | Output::Locate { .. }
                | Output::Phone { .. }
                | Output::ShutOut(_) => {}
            }
        }
    }

    fn run(&mut self) {
        while self.turn() {}
    }

    /// One step in time; false where nothing is to come.
    fn turn(&mut self) -> bool {
        let deadlines = self.sides.iter().map(|side| side.deadline().map(|(at, _)| at));
        let wire = self.wire.keys().next().map(|(at, _)| *at);
        let plan = self.plans.keys().next().map(|(at, _)| *at);
        let Some(at) = deadlines.chain([wire, plan]).flatten().min() else { return false };
        self.now = self.now.max(at);
        assert!(self.now < self.start + Duration::from_secs(1000), "it never ends");
        if wire.is_some_and(|at| at <= self.now) {
            let (_, (side, flow, bytes)) = self.wire.pop_first().unwrap();
            self.step(side, Input::Received { flow, bytes: &bytes });
        } else if plan.is_some_and(|at| at <= self.now) {
            let (_, (side, order)) = self.plans.pop_first().unwrap();
            self.step(side, Input::Order(order));
        } else {
            self.step(0, Input::Timeout);
            self.step(1, Input::Timeout);
        }
        true
    }

    /// Each dialog ended exactly once, and nothing is left.
    fn check(&self) {
        for (who, events) in &self.events {
            let ends = |event: &&DialogEvent| event.is_last();
            assert_eq!(events.iter().filter(ends).count(), 1, "{who:?} {events:?}");
            assert!(events.last().is_some_and(|event| ends(&event)), "{who:?} {events:?}");
        }
        for side in &self.sides {
            assert_eq!((side.dialogs(), side.transactions(), side.is_at_rest()), (0, 0, true));
        }
    }
}

#[test]
fn without_loss_a_call_takes_seven_messages() {
    let mut pair = Pair::new(0.0, 1);
    pair.call(1, 0);
    pair.run();
    pair.check();
    // INVITE 100 180 200 ACK BYE 200.
    assert_eq!(pair.sent, 7);
    let caller = &pair.events[&(0, DialogId(1))];
    assert_eq!(
        caller[..],
        [
            DialogEvent::Ringing { sdp: None },
            DialogEvent::Answered { sdp: Some(sdp("answer")) },
            DialogEvent::Ended { lost: false }
        ]
    );
}

#[test]
fn every_call_completes_at_20_percent_loss() {
    let mut pair = Pair::new(0.2, 7);
    for number in 1..=500 {
        pair.call(number, number * 10);
    }
    pair.run();
    pair.check();
    let answered = |side: usize, wanted: fn(&DialogEvent) -> bool| {
        pair.events.iter().filter(|((of, _), events)| *of == side && events.iter().any(wanted)).count()
    };
    assert_eq!(answered(0, |event| matches!(event, DialogEvent::Answered { .. })), 500);
    // Where every ACK is lost for three seconds the BYE comes first.
    assert!(answered(1, |event| matches!(event, DialogEvent::Acknowledged { .. })) > 450);
    assert_eq!(answered(0, |event| matches!(event, DialogEvent::Ended { lost: true })), 0);
    assert_eq!(answered(1, |event| matches!(event, DialogEvent::Ended { lost: true })), 0);
}

#[test]
fn calls_given_up_at_any_moment_end_on_both_sides() {
    for loss in [0.0, 0.2] {
        let mut pair = Pair::new(loss, 11);
        for number in 1..=300 {
            pair.call(number, 0);
            // Before, while and after the callee answers after a second.
            pair.plan(number * 5, 0, DialogId(number), DialogOrder::HangUp);
        }
        pair.run();
        pair.check();
        let kinds: BTreeSet<_> = pair
            .events
            .iter()
            .filter(|((side, _), _)| *side == 0)
            .filter_map(|(_, events)| events.last())
            .map(|event| matches!(event, DialogEvent::Refused { status: 487 }))
            .collect();
        assert_eq!(kinds.len(), 2, "some cancelled, some answered");
    }
}

#[test]
fn a_caller_that_gives_up_on_a_phone_that_only_rings() {
    let mut pair = Pair::new(0.2, 3);
    pair.answer = false;
    for number in 1..=100 {
        pair.call(number, 0);
        pair.plan(20_000, 0, DialogId(number), DialogOrder::HangUp);
    }
    pair.run();
    pair.check();
    assert!(pair.events.iter().all(|((side, _), events)| *side == 0 || events[..] == [DialogEvent::Cancelled]));
}

#[test]
fn both_sides_change_the_session_at_once() {
    for loss in [0.0, 0.2] {
        let mut pair = Pair::new(loss, 13);
        (pair.talk_ms, pair.clash) = (60_000, true);
        for number in 1..=50 {
            pair.call(number, 0);
            pair.plan(5_000, 0, DialogId(number), DialogOrder::Offer { sdp: sdp("mine") });
        }
        pair.run();
        pair.check();
        let with =
            |wanted: fn(&DialogEvent) -> bool| pair.events.values().filter(|events| events.iter().any(wanted)).count();
        // One side's six tries may all fall into a time in which each ACK of the other is lost.
        assert!(with(|event| matches!(event, DialogEvent::OfferAnswered { .. })) >= 98, "each had its way");
        let decided = |event: &DialogEvent| {
            matches!(event, DialogEvent::OfferAnswered { .. } | DialogEvent::OfferRefused { status: 491 })
        };
        assert_eq!(with(decided), 100);
        assert!(with(|event| matches!(event, DialogEvent::OfferAgain)) > 50, "and they did meet");
        assert_eq!(with(|event| matches!(event, DialogEvent::Ended { lost: true })), 0);
    }
}

#[test]
fn early_media_is_reliable_at_20_percent_loss() {
    let mut pair = Pair::new(0.2, 17);
    pair.early = true;
    for number in 1..=300 {
        pair.call(number, number * 10);
    }
    pair.run();
    pair.check();
    let answer = Some(sdp("answer"));
    for (_, events) in pair.events.iter().filter(|((side, _), _)| *side == 0) {
        assert!(events.contains(&DialogEvent::Ringing { sdp: answer.clone() }), "{events:?}");
        assert!(events.contains(&DialogEvent::Answered { sdp: answer.clone() }), "{events:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut pair = Pair::new(0.2, 5);
        (1..=20).for_each(|number| pair.call(number, number));
        pair.run();
        (pair.sent, pair.sequence, format!("{:?}", pair.events))
    };
    assert_eq!(run(), run());
}
