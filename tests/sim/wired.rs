//! Whole calls through two real SIP endpoints over a wire that loses a fifth of what it is given.

use tingwa::ids::LegId;
use tingwa::journal::{EndCause, Entry, TransferFailure};

use super::pbx::{Agent, Then};
use super::signal;
use super::wire::{Dead, Side};
use super::world::{Action, Setting, World};

fn world(loss: f64, seed: u64, agents: &[(&'static str, Agent)]) -> World {
    World::new(Setting { wire: Some(loss), seed, agents: agents.iter().copied().collect(), ..Setting::default() })
}

/// Nothing is left at either end.
fn check_settled(world: &mut World, name: &str) {
    world.check_over();
    world.settle_wire(200_000);
    assert_eq!(world.wire.as_ref().map(|wire| wire.dialogs()), Some([0, 0]), "{name}: dialogs are left");
}

#[test]
fn a_call_is_answered_briefed_bridged_and_ended() {
    for (loss, seed) in [(0.0, 1), (20.0, 2), (20.0, 3), (20.0, 5)] {
        let mut world = world(loss, seed, &[("6001", Agent::Answers(1_500, Then::Accepts(3_000)))]);
        world.at(5_000, Action::Says("check my bill", 900));
        world.at(9_000, Action::Says("speak to a person", 900));
        world.run_until(26_000);
        let name = format!("loss {loss}, seed {seed}");
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{name}: {:?}", world.prompts());
        let voice = signal::voice(801, 1_500);
        let from = world.phone(0).heard.len();
        world.phones.get_mut(&LegId(1)).unwrap().say(&voice);
        world.run_until(28_000);
        assert!(signal::found(&world.phone(0).heard[from..], &voice) > 0.8, "{name}");
        world.at(28_100, Action::HangsUp);
        world.run_until(70_000);
        assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::CallerHungUp))), "{name}");
        check_settled(&mut world, &name);
    }
}

#[test]
fn each_failure_reaches_the_next_telephone() {
    let rows = [
        ("busy", Agent::Refuses(486), TransferFailure::Busy),
        ("no answer", Agent::NoAnswer, TransferFailure::NoAnswer),
        ("declines", Agent::Answers(500, Then::Declines(700)), TransferFailure::Declined),
        ("hangs up", Agent::Answers(500, Then::HangsUp(1_500)), TransferFailure::AgentHungUp),
    ];
    for (row, (name, agent, failure)) in rows.into_iter().enumerate() {
        let next = ("6002", Agent::Answers(500, Then::Accepts(1_500)));
        let mut world = world(10.0, 20 + row as u64, &[("6001", agent), next]);
        world.at(2_000, Action::Presses('0'));
        world.run_until(30_000);
        let failed: Vec<_> = world
            .entries()
            .filter_map(|e| if let Entry::TransferFailed { failure, .. } = e { Some(failure.clone()) } else { None })
            .collect();
        assert_eq!(failed, [failure], "{name}");
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{name}");
        world.at(31_000, Action::HangsUp);
        world.run_until(80_000);
        check_settled(&mut world, name);
    }
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_cancels_the_agent() {
    for loss in [0.0, 20.0] {
        let mut world = world(loss, 31, &[("6001", Agent::NoAnswer)]);
        world.at(2_000, Action::Presses('0'));
        world.at(4_500, Action::HangsUp);
        world.run_until(60_000);
        assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::CallerHungUp))));
        check_settled(&mut world, "ringing");
        let wire = world.wire.as_ref().unwrap();
        assert!(wire.count(Side::Gateway, "CANCEL") >= 1);
        assert_eq!(wire.count(Side::Gateway, "BYE"), 0);
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_gets_a_bye() {
    // The agent answers in the same moments in which the caller hangs up: before, while and after the CANCEL is under way.
    for answers in (2_380..2_460).step_by(10) {
        let mut world = world(0.0, answers, &[("6001", Agent::Answers(answers, Then::SaysNothing))]);
        world.at(2_000, Action::Presses('0'));
        world.at(4_500, Action::HangsUp);
        world.run_until(60_000);
        check_settled(&mut world, &format!("answers after {answers}"));
    }
}

#[test]
fn a_bot_that_says_goodbye_sends_the_bye() {
    let mut world = world(10.0, 41, &[]);
    world.at(5_000, Action::Says("goodbye", 700));
    world.run_until(60_000);
    assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::BotGoodbye))), "{:?}", world.prompts());
    check_settled(&mut world, "goodbye");
    assert!(world.wire.as_ref().unwrap().count(Side::Gateway, "BYE") >= 1);
}

/// Trunks that were tried, with what came of the one before, and how long each took to be tried, ms.
fn ways(world: &World) -> Vec<(String, Option<u16>, u64)> {
    let dialled = world.time_of(|e| matches!(e, Entry::TransferDialling { .. })).expect("dialled");
    let way = |record: &tingwa::journal::Record| match &record.entry {
        Entry::GoesBy { trunk, after, .. } => Some((trunk.clone(), *after, record.at.0 - dialled)),
        _ => None,
    };
    world.journal.iter().filter_map(way).collect()
}

#[test]
fn a_dead_trunk_costs_the_try_time_and_no_call() {
    for (loss, seed) in [(0.0, 51), (20.0, 52), (20.0, 53)] {
        let mut world = World::new(Setting {
            wire: Some(loss),
            dead: Some(Dead::Unknown),
            seed,
            agents: [("6001", Agent::Answers(3_000, Then::Accepts(1_500)))].into(),
            ..Setting::default()
        });
        world.at(2_000, Action::Presses('0'));
        world.run_until(24_000);
        let name = format!("loss {loss}, seed {seed}");
        let ways = ways(&world);
        assert_eq!(
            ways.iter().map(|(trunk, after, _)| (trunk.as_str(), *after)).collect::<Vec<_>>(),
            [("first", None), ("second", Some(408))],
            "{name}"
        );
        assert!((3_990..4_100).contains(&ways[1].2), "{name}: {ways:?}");
        // The telephone has its whole time to ring, though half of it was spent on nobody.
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{name}: {:?}", world.prompts());
        assert!(!world.entries().any(|e| matches!(e, Entry::TransferFailed { .. })), "{name}");
        world.at(25_000, Action::HangsUp);
        world.run_until(70_000);
        check_settled(&mut world, &name);
    }
}

#[test]
fn a_trunk_that_answers_no_probe_costs_nothing() {
    let mut world = World::new(Setting {
        wire: Some(0.0),
        dead: Some(Dead::Probed),
        agents: [("6001", Agent::Answers(500, Then::Accepts(1_500)))].into(),
        ..Setting::default()
    });
    world.at(8_000, Action::Presses('0'));
    world.run_until(20_000);
    let ways = ways(&world);
    assert_eq!(ways.iter().map(|(trunk, after, _)| (trunk.as_str(), *after)).collect::<Vec<_>>(), [("second", None)]);
    assert!(ways[0].2 < 20, "{ways:?}");
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{:?}", world.prompts());
    assert!(world.wire.as_ref().unwrap().count(Side::Gateway, "OPTIONS") >= 2);
}
