//! Any inputs in any order to a call, read from bytes: no panic, and after the hang-up every leg has ended once. Shared with
//! `fuzz/fuzz_targets/call.rs`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tingwa::call::{Call, CallConfig, CallParts, Input, Order, Output};
use tingwa::ids::{CallId, DialogId, LegId, SpeakId, UtteranceId};
use tingwa::journal::{Entry, RecogniserLoss};
use tingwa::sip::event::{DialogEvent, DialogOrder, IncomingInvite, Reason, ReferTarget};
use tingwa::speech::{Hypothesis, Transcript, VoiceActivity};

use super::plan;

const CALLER: DialogId = DialogId(1);
const SDP: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 10.0.1.2\r\ns=-\r\nc=IN IP4 10.0.1.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
a=rtpmap:101 telephone-event/8000\r\n";
const TEXTS: [&str; 6] = ["speak to a person", "check my bill", "goodbye", "", "轉人工", "ππππ"];

/// Bytes read one by one; zero after their end.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }
    fn below(&mut self, limit: u8) -> u8 {
        self.next() % limit
    }
    fn yes(&mut self) -> bool {
        self.next() & 1 == 1
    }
    fn is_over(&self) -> bool {
        self.0.len() == 0
    }
}

/// Lives one call through.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data.iter());
    let mut now = Instant::now();
    let mut call = Call::new(now, parts(&mut bytes));
    let mut ends = Ends::default();
    ends.drain(&mut call);
    while !bytes.is_over() {
        now += Duration::from_millis(u64::from(bytes.next()) * 2);
        let datagram: Vec<u8> = (0..bytes.below(40)).map(|_| bytes.next()).collect();
        call.handle(now, input(&mut bytes, &datagram));
        ends.drain(&mut call);
        // What is due is due, in a bounded number of steps.
        for step in 0.. {
            assert!(step < 100, "the deadline does not move on: {:?}", call.deadline());
            if call.deadline().is_none_or(|(due, _)| due > now) {
                break;
            }
            call.handle(now, Input::Timeout);
            ends.drain(&mut call);
        }
    }
    call.handle(now, Input::Dialog { dialog: CALLER, event: DialogEvent::Ended { lost: false } });
    ends.drain(&mut call);
    // Somebody may have taken the caller's place.
    call.handle(now, Input::Order(Order::HangUp));
    ends.drain(&mut call);
    assert_eq!((ends.ended, ends.done), (1, 1), "one Ended, one Done");
    assert_eq!(call.deadline(), None);
    assert!(ends.open.is_empty(), "legs left open: {:?}", ends.open);
}

fn parts(bytes: &mut Bytes<'_>) -> CallParts {
    let (plan, understanding) = plan::line();
    let offer = match bytes.below(4) {
        0 => None,
        1 => Some(Arc::from(&b"v=0"[..])),
        _ => Some(Arc::from(SDP)),
    };
    CallParts {
        id: CallId(ulid::Ulid::from_parts(1, 1)),
        invite: IncomingInvite {
            dialog: CALLER,
            from: "91234567".into(),
            display_name: None,
            to: "1823".to_owned(),
            call_id: "fuzz".to_owned(),
            offer,
            trunk: None,
            trusted: false,
            particulars: Default::default(),
            source: SocketAddr::from(([10, 0, 1, 1], 5060)),
        },
        plan,
        understanding,
        config: CallConfig::default(),
        address: SocketAddr::from(([10, 0, 0, 9], 10_000)),
        moment: SystemTime::UNIX_EPOCH.into(),
        recording: bytes.yes().then(|| "fuzz.wav".to_owned()),
        music: Arc::from(vec![100i16; 800]),
        seed: u64::from(bytes.next()),
        secret: [0; 32],
    }
}

#[derive(Default)]
struct Ends {
    ended: usize,
    done: usize,
    open: BTreeSet<LegId>,
    told: BTreeSet<DialogId>,
}

impl Ends {
    fn drain(&mut self, call: &mut Call) {
        while let Some(output) = call.poll() {
            assert_eq!(self.done, 0, "after Done: {output:?}");
            match output {
                Output::Journal(record) => self.ended += usize::from(matches!(record.entry, Entry::Ended(_))),
                Output::Sip(order) if order.order == DialogOrder::HangUp => {
                    assert!(self.told.insert(order.dialog), "two BYEs for {}", order.dialog);
                }
                Output::OpenLeg { leg } => assert!(self.open.insert(leg)),
                Output::CloseLeg { leg } => assert!(self.open.remove(&leg) || leg == LegId::CALLER),
                Output::Done => self.done += 1,
                Output::Sip(_)
                | Output::OpenDialog { .. }
                | Output::Rtp { .. }
                | Output::Rtcp { .. }
                | Output::Handshake { .. }
                | Output::Hear(_)
                | Output::FinishUtterance(_)
                | Output::RestartUtterance(_)
                | Output::Speak(_)
                | Output::CancelSpeak(_)
                | Output::AskTool(_)
                | Output::AskLlm(_)
                | Output::Record { .. } => {}
            }
        }
    }
}

fn refer_target(bytes: &mut Bytes<'_>) -> ReferTarget {
    let user = if bytes.yes() { "6001" } else { "x" };
    let replaces = bytes.yes().then(|| "a;to-tag=b;from-tag=c".to_owned());
    ReferTarget { uri: format!("sip:{user}@h").into(), user: user.into(), replaces, referred_by: None }
}

fn event(bytes: &mut Bytes<'_>, body: &[u8]) -> DialogEvent {
    let sdp: Arc<[u8]> = if bytes.yes() { Arc::from(SDP) } else { Arc::from(body) };
    match bytes.below(17) {
        0 => DialogEvent::Ringing { sdp: None },
        1 => DialogEvent::Answered { sdp: Some(sdp) },
        2 => DialogEvent::Answered { sdp: None },
        3 => DialogEvent::Refused { status: 300 + u16::from(bytes.next()) },
        4 => DialogEvent::Acknowledged { sdp: bytes.yes().then_some(sdp) },
        5 => DialogEvent::Offered { sdp },
        6 => DialogEvent::Digit(char::from(b'0' + bytes.below(10))),
        7 => DialogEvent::Cancelled,
        8 => DialogEvent::OfferWanted,
        9 => DialogEvent::OfferAnswered { sdp },
        10 => DialogEvent::OfferRefused { status: 491 },
        11 => DialogEvent::OfferAgain,
        12 => DialogEvent::Referred { target: refer_target(bytes) },
        16 => DialogEvent::GoesBy { trunk: "other".to_owned(), after: bytes.yes().then_some(503) },
        15 => DialogEvent::Because(Reason { protocol: "Q.850".to_owned(), cause: 16 }),
        13 => DialogEvent::ReferNews { status: 100 + u16::from(bytes.next()) },
        14 => DialogEvent::Replaced { by: DialogId(100_000 + bytes.0.len() as u64), offer: bytes.yes().then_some(sdp) },
        _ => DialogEvent::Ended { lost: bytes.yes() },
    }
}

fn input<'a>(bytes: &mut Bytes<'_>, body: &'a [u8]) -> Input<'a> {
    let leg = LegId(u16::from(bytes.below(6)));
    // Leg n has dialog n + 1.
    let dialog = DialogId(u64::from(leg.0) + 1);
    let from = SocketAddr::from(([10, 0, 1, 1], 4000));
    let (speak, utterance) = (SpeakId(u32::from(bytes.below(8))), UtteranceId(u32::from(bytes.below(4))));
    match bytes.below(20) {
        // The caller stays for a while, or there would be little to see.
        0..=3 if dialog != CALLER || bytes.below(16) == 0 => Input::Dialog { dialog, event: event(bytes, body) },
        0..=5 => Input::LegPort { leg, dialog, address: SocketAddr::from(([10, 0, 0, 9], 10_000)) },
        6 if bytes.yes() => Input::LegDialog { leg, dialog: DialogId(1_000 + bytes.0.len() as u64) },
        6 => Input::NoLegPort { leg },
        7 => Input::Rtp { leg, from, bytes: body },
        8 => Input::Rtcp { leg, from, bytes: body },
        9 | 10 => {
            let probability = f32::from(bytes.next()) / 200.0;
            Input::Voice(VoiceActivity { probability, duration_ms: u16::from(bytes.next()) })
        }
        11 => Input::Hypothesis(Hypothesis { utterance, text: "bill".into() }),
        12 => {
            let text = TEXTS[usize::from(bytes.below(6))].into();
            Input::Transcript(Transcript { utterance, text, language: None, confidence: 1.0, tags: Default::default() })
        }
        13 if bytes.below(8) == 0 => Input::RecogniserLost(RecogniserLoss::Gone),
        13 if bytes.below(4) == 0 => Input::RecogniserInterrupted,
        13 | 14 => {
            let samples = Arc::from(vec![900i16; usize::from(bytes.next()) * 16]);
            Input::PromptAudio { speak, samples }
        }
        15 => Input::PromptDone { speak },
        16 => Input::PromptFailed { speak },
        17 => Input::Store { room: bytes.yes() },
        18 if bytes.below(8) == 0 => Input::Fault { what: "fuzz" },
        18 => match bytes.below(32) {
            0 => Input::Order(Order::HangUp),
            1 => Input::Order(Order::Drain),
            2 => Input::Order(Order::LetGo),
            3 => Input::Order(Order::Refer(tingwa::dialplan::schema::RingTarget {
                user: "6001".into(),
                trunk: "pbx".into(),
            })),
            paused => Input::Order(Order::PauseRecording(paused & 1 == 1)),
        },
        _ => Input::Timeout,
    }
}
