//! Ends, orders, odd moments; the same world twice; and arbitrary inputs.

use std::time::Duration;

use tingwa::call::Order;
use tingwa::journal::{EndCause, Entry};

use super::arbitrary;
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
    let world = World::with_offer(Setting::default(), b"v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nt=0 0\r\n".to_vec());
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
    // The last ones have found something once.
    for seed in (0..300).chain([1_000_057, 1_003_333, 1_003_430, 1_047_201]) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut data = vec![0u8; random.usize(0..3_000)];
        random.fill(&mut data);
        arbitrary::run(&data);
    }
}
