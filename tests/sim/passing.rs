//! Bridges in one codec: payloads pass bit for bit, and the mix is back as soon as it is needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tingwa::call::{CallConfig, Codec, Keys, MediaPolicy, Order};
use tingwa::ids::LegId;
use tingwa::journal::Entry;
use tingwa::sip::event::{DialogEvent, DialogOrder};
use tingwa::wire::rtp::RtpPacket;

use super::network::Conditions;
use super::pbx::{Agent, Then};
use super::signal;
use super::world::{Action, CALLER, Setting, World};

const AGENT: LegId = LegId(1);

fn bridged(codecs: [Vec<Codec>; 2], network: Conditions, config: CallConfig) -> World {
    let agents = [("6001", Agent::Answers(500, Then::Accepts(1_500)))].into();
    let mut world = World::new(Setting { agents, codecs, network, config, ..Setting::default() });
    world.at(2_000, Action::Presses('0'));
    world.run_until(12_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{:?}", world.prompts());
    world
}

/// What `to` got since `got_from`: how many packets, and how many of them hold what `from` sent since `sent_from`, in its
/// order and with its distances of numbers and stamps.
fn passed(world: &World, from: LegId, to: LegId, [sent_from, got_from]: [usize; 2]) -> (usize, usize) {
    let parse = |bytes: &[u8]| {
        let packet = RtpPacket::parse(bytes).unwrap();
        (packet.payload().to_vec(), packet.sequence(), packet.timestamp(), packet.ssrc())
    };
    let sent: BTreeMap<_, _> = world.phones[&from].wire_sent[sent_from..]
        .iter()
        .map(|bytes| {
            let (payload, sequence, timestamp, _) = parse(bytes);
            (payload, (sequence, timestamp))
        })
        .collect();
    let got: Vec<_> = world.phones[&to].wire_heard[got_from..].iter().map(|bytes| parse(bytes)).collect();
    let mut shift = None;
    let same = got.iter().filter(|(payload, sequence, timestamp, ssrc)| {
        assert_eq!(*ssrc, got[0].3, "one source");
        let Some((theirs, stamp)) = sent.get(payload) else { return false };
        let distance = (sequence.0.wrapping_sub(theirs.0), timestamp.0.wrapping_sub(stamp.0));
        assert_eq!(*shift.get_or_insert(distance), distance);
        true
    });
    (same.count(), got.len())
}

/// Both speak from now on, for `ms`. What each has sent and got so far.
fn speak(world: &mut World, ms: u64) -> [[usize; 2]; 2] {
    for (leg, seed) in [(LegId::CALLER, 611), (AGENT, 811)] {
        world.phones.get_mut(&leg).unwrap().say(&signal::voice(seed, ms));
    }
    let (caller, agent) = (&world.phones[&LegId::CALLER], &world.phones[&AGENT]);
    [[caller.wire_sent.len(), agent.wire_heard.len()], [agent.wire_sent.len(), caller.wire_heard.len()]]
}

#[test]
fn payloads_pass_bit_for_bit_in_every_codec() {
    for codec in Codec::ALL {
        let network = Conditions { loss: 2.0, jitter_ms: 15, ..Conditions::default() };
        let mut world = bridged([vec![codec], vec![codec]], network, CallConfig::default());
        let heard_from = world.phones[&AGENT].heard.len();
        let recorded_from = world.left.len();
        let [to_agent, to_caller] = speak(&mut world, 3_000);
        world.run_until(15_000);
        for (from, to, since) in [(LegId::CALLER, AGENT, to_agent), (AGENT, LegId::CALLER, to_caller)] {
            let (same, got) = passed(&world, from, to, since);
            // 150 packets, 2 % of them lost twice; those that were under way when the voice began hold silence.
            assert!(same >= 138 && same + 2 >= got, "{codec:?} {from:?}: {same} of {got} are the same");
        }
        assert!(signal::loudness(&world.phones[&AGENT].heard[heard_from..]) > 500.0, "{codec:?}");
        // The recording holds both, decoded.
        assert!(signal::loudness(&world.left[recorded_from..]) > 500.0, "{codec:?}");
        assert!(signal::loudness(&world.right[recorded_from..]) > 500.0, "{codec:?}");
        world.at(15_100, Action::HangsUp);
        world.run_until(16_000);
        world.check_over();
    }
}

#[test]
fn two_codecs_are_mixed_as_before() {
    let codecs = [vec![Codec::Pcmu], vec![Codec::Pcma]];
    let mut world = bridged(codecs, Conditions::default(), CallConfig::default());
    let [to_agent, _] = speak(&mut world, 2_000);
    world.run_until(14_000);
    assert_eq!(passed(&world, LegId::CALLER, AGENT, to_agent).0, 0);
    assert!(signal::loudness(&world.phones[&AGENT].heard) > 200.0);
}

#[test]
fn keys_reach_the_other_side_once_as_events_or_by_info() {
    for codecs in [[vec![Codec::Pcma], vec![Codec::Pcma]], [vec![Codec::Pcmu], vec![Codec::Opus]]] {
        let name = format!("{codecs:?}");
        let mut world = bridged(codecs, Conditions::default(), CallConfig::default());
        speak(&mut world, 4_000);
        world.at(12_500, Action::Presses('5'));
        world.at(13_000, Action::Presses('#'));
        world.at(14_000, Action::News(CALLER, DialogEvent::Digit('7')));
        world.run_until(15_000);
        let digits: String = world.phones[&AGENT].digits_heard.iter().collect();
        assert!(digits.ends_with("5#7") && digits.matches('7').count() == 1, "{name}: {digits}");
        // After the key by INFO payloads pass again.
        let [to_agent, _] = speak(&mut world, 1_000);
        world.run_until(16_000);
        let (same, got) = passed(&world, LegId::CALLER, AGENT, to_agent);
        assert!(name.contains("Opus") || same >= 46 && same + 2 >= got, "{name}: {same} of {got}");
    }
}

#[test]
fn keys_reach_an_agent_by_info_where_its_trunk_wants_them_so() {
    let media = MediaPolicy { keys_at: Arc::new([("pbx".to_owned(), Keys::Info)].into()), ..MediaPolicy::default() };
    let config = CallConfig { media, ..CallConfig::default() };
    let agents = [("6001", Agent::Answers(500, Then::AcceptsByInfo(1_500)))].into();
    let mut world = World::new(Setting { agents, config, ..Setting::default() });
    world.at(2_000, Action::Presses('0'));
    world.run_until(12_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{:?}", world.prompts());
    world.at(12_500, Action::Presses('5'));
    world.at(13_000, Action::Presses('#'));
    world.at(14_000, Action::News(CALLER, DialogEvent::Digit('7')));
    world.run_until(15_000);
    let pressed = world.orders.iter().filter_map(|(_, dialog, order)| match order {
        DialogOrder::Press { digit, .. } => Some((*dialog, *digit)),
        _ => None,
    });
    let pressed: Vec<_> = pressed.collect();
    assert_eq!(pressed.iter().map(|(_, digit)| *digit).collect::<String>(), "5#7");
    assert!(pressed.iter().all(|(dialog, _)| *dialog != CALLER));
    let heard: String = world.phones[&AGENT].digits_heard.iter().collect();
    // The caller's own keys are tones here, which are heard as all audio is; the one by INFO is sent by INFO alone.
    assert!(!heard.contains('7'), "{heard}");
}

#[test]
fn a_hold_brings_the_mix_back_and_its_end_the_passage() {
    let mut world = bridged([vec![Codec::Pcma], vec![Codec::Pcma]], Conditions::default(), CallConfig::default());
    world.at(12_100, Action::Order(Order::Hold(true)));
    world.at(13_000, Action::Order(Order::Hold(false)));
    world.run_until(12_200);
    let before = world.phones[&AGENT].wire_heard.len();
    world.run_until(12_900);
    let meanwhile = world.phones[&AGENT].wire_heard.len() - before;
    assert!((34..=36).contains(&meanwhile), "the agent is sent silence: {meanwhile} packets");
    world.run_until(14_000);
    let [to_agent, to_caller] = speak(&mut world, 1_000);
    world.run_until(15_000);
    for (from, to, since) in [(LegId::CALLER, AGENT, to_agent), (AGENT, LegId::CALLER, to_caller)] {
        let (same, got) = passed(&world, from, to, since);
        assert!(same >= 46 && same + 2 >= got, "{from:?}: {same} of {got}");
    }
}
