//! Ends, orders, odd moments; the same world twice; and arbitrary inputs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tingwa::call::{Call, Input, Order, Output};
use tingwa::ids::{DialogId, LegId, SpeakId, UtteranceId};
use tingwa::journal::{EndCause, Entry};
use tingwa::sip::event::DialogEvent;
use tingwa::speech::{Hypothesis, Transcript, VoiceActivity};

use super::network::Conditions;
use super::pbx::{Agent, Then};
use super::world::{Action, CALLER, Setting, World};

#[test]
fn every_way_out_is_taken_once() {
    let rows: [(&str, Action, EndCause, usize); 4] = [
        ("the caller hangs up", Action::HangsUp, EndCause::CallerHungUp, 0),
        ("the caller gives up", Action::Cancels, EndCause::CallerCancelled, 0),
        ("a person ends it", Action::Order(Order::HangUp), EndCause::BotGoodbye, 1),
        ("the gateway stops", Action::Order(Order::Drain), EndCause::Drained, 1),
    ];
    for (name, action, cause, byes) in rows {
        for at in [1, 500, 4_000, 9_000] {
            let mut world = World::new(Setting::default());
            world.at(at, action.clone());
            world.at(at, action.clone());
            world.run_until(10_000);
            world.check_over();
            assert!(matches!(world.entries().last(), Some(Entry::Ended(c)) if *c == cause), "{name} at {at}");
            assert_eq!(world.hang_ups(CALLER).len(), byes, "{name} at {at}");
        }
    }
}

#[test]
fn an_offer_that_cannot_be_used_is_refused() {
    let mut setting = Setting::default();
    setting.offer = true;
    let world = World::with_offer(setting, b"v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nt=0 0\r\n".to_vec());
    assert!(world.done);
    assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::Refused { status: 488 }))));
    assert_eq!(world.hang_ups(CALLER).len(), 0);
    world.check_over();
}

#[test]
fn the_longest_call_ends() {
    let mut setting = Setting::default();
    setting.config.longest = Duration::from_secs(5);
    let mut world = World::new(setting);
    world.run_until(6_000);
    world.check_over();
    assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::Failed { .. }))));
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let network = Conditions { loss: 2.0, jitter_ms: 25, ..Conditions::default() };
        let agents = [("6001", Agent::Refuses(486)), ("6002", Agent::Answers(700, Then::Accepts(900)))].into();
        let mut world = World::new(Setting { network, agents, seed: 9, ..Setting::default() });
        world.at(1_200, Action::Says("check my bill", 900));
        world.at(5_000, Action::Says("speak to a person", 900));
        world.at(12_000, Action::HangsUp);
        world.run_until(13_000);
        world.check_over();
        world.trace
    };
    let (first, second) = (run(), run());
    assert_eq!(first.len(), second.len());
    assert!(first.iter().zip(&second).all(|(a, b)| a == b));
}

/// A quick run of what `fuzz/fuzz_targets/call.rs` does for long.
#[test]
fn arbitrary_inputs_end_in_one_end() {
    for seed in 0..150 {
        arbitrary(seed);
    }
}

fn arbitrary(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut call = World::bare_call(seed, random.bool());
    let mut now = Instant::now();
    let mut ends = Ends::default();
    ends.drain(&mut call);
    for _ in 0..random.usize(0..120) {
        now += Duration::from_millis(random.u64(0..400));
        let mut bytes = [0u8; 48];
        random.fill(&mut bytes);
        let input = input(&mut random, &bytes);
        call.handle(now, input);
        ends.drain(&mut call);
        for _ in 0..20 {
            let Some((due, _)) = call.deadline() else { break };
            if due > now {
                break;
            }
            call.handle(now, Input::Timeout);
            ends.drain(&mut call);
        }
    }
    call.handle(now, Input::Dialog { dialog: CALLER, event: DialogEvent::Ended { lost: false } });
    ends.drain(&mut call);
    assert_eq!((ends.ended, ends.done), (1, 1), "seed {seed}");
    assert_eq!(ends.opened, ends.closed, "seed {seed}");
    assert_eq!(call.deadline(), None);
}

#[derive(Default)]
struct Ends {
    ended: usize,
    done: usize,
    opened: Vec<LegId>,
    closed: Vec<LegId>,
    byes: Vec<DialogId>,
}

impl Ends {
    fn drain(&mut self, call: &mut Call) {
        while let Some(output) = call.poll() {
            assert_eq!(self.done, 0, "after Done: {output:?}");
            match output {
                Output::Journal(record) => self.ended += usize::from(matches!(record.entry, Entry::Ended(_))),
                Output::Sip(order) if order.order == tingwa::sip::event::DialogOrder::HangUp => {
                    assert!(!self.byes.contains(&order.dialog), "two BYEs for {}", order.dialog);
                    self.byes.push(order.dialog);
                }
                Output::OpenLeg { leg } => self.opened.push(leg),
                Output::CloseLeg { leg } if leg != LegId::CALLER => self.closed.push(leg),
                Output::Done => self.done += 1,
                _ => {}
            }
        }
    }
}

fn input<'a>(random: &mut fastrand::Rng, bytes: &'a [u8]) -> Input<'a> {
    let leg = LegId(random.u16(0..4));
    let dialog = DialogId(random.u64(1..4));
    let from = SocketAddr::from(([10, 0, 1, 1], 4000));
    let (speak, utterance) = (SpeakId(random.u32(0..6)), UtteranceId(random.u32(0..4)));
    let sdp: Arc<[u8]> = Arc::from(&b"v=0\r\no=- 1 1 IN IP4 10.0.1.2\r\ns=-\r\nc=IN IP4 10.0.1.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"[..]);
    match random.u8(0..22) {
        0 => Input::Dialog { dialog, event: DialogEvent::Ringing { sdp: None } },
        1 => Input::Dialog { dialog, event: DialogEvent::Answered { sdp: Some(sdp) } },
        2 => Input::Dialog { dialog, event: DialogEvent::Refused { status: random.u16(300..700) } },
        3 => Input::Dialog { dialog, event: DialogEvent::Acknowledged { sdp: random.bool().then_some(sdp) } },
        4 => Input::Dialog {
            dialog,
            event: DialogEvent::Offered { sdp: if random.bool() { sdp } else { Arc::from(bytes) } },
        },
        5 => Input::Dialog { dialog, event: DialogEvent::Digit(*random.choice(&['0', '1', '2', '#', 'A']).unwrap()) },
        6 if dialog != CALLER => Input::Dialog { dialog, event: DialogEvent::Ended { lost: random.bool() } },
        7 | 8 => Input::LegPort {
            leg,
            dialog: DialogId(1 + u64::from(leg.0)),
            address: SocketAddr::from(([10, 0, 0, 9], 10_000)),
        },
        9 => Input::NoLegPort { leg },
        10 => Input::Rtp { leg, from, bytes },
        11 => Input::Rtcp { leg, from, bytes },
        12 | 13 => {
            Input::Voice(VoiceActivity { probability: random.f32() * 1.2 - 0.1, duration_ms: random.u16(0..200) })
        }
        14 => Input::Hypothesis(Hypothesis { utterance, text: "bill".into() }),
        15 => Input::Transcript(Transcript {
            utterance,
            text: "speak to a person".into(),
            language: None,
            confidence: 1.0,
        }),
        16 => Input::RecogniserLost,
        17 => Input::PromptAudio { speak, samples: Arc::from(vec![900i16; random.usize(0..4000)]) },
        18 => Input::PromptDone { speak },
        19 => Input::PromptFailed { speak },
        20 => Input::Store { room: random.bool() },
        21 => Input::Fault { what: "fuzz" },
        _ => Input::Timeout,
    }
}
