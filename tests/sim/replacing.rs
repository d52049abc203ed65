//! Somebody takes the place of the caller or the agent: REFER and Replaces, and what may go wrong.

use tingwa::call::Order;
use tingwa::dialplan::schema::RingTarget;
use tingwa::ids::{DialogId, LegId};
use tingwa::journal::{EndCause, Entry};
use tingwa::sip::event::{DialogEvent, DialogOrder};

use super::pbx::{Agent, Then};
use super::signal;
use super::world::{Action, CALLER, Setting, World};

/// The first agent's dialog.
const AGENT: DialogId = DialogId(100);
/// Of whoever takes a place after that.
const NEWCOMER: DialogId = DialogId(101);

/// A call that is bridged with 6001 by 8 s.
fn bridged(second: Agent) -> World {
    let first = ("6001", Agent::Answers(500, Then::Accepts(500)));
    let mut world = World::new(Setting { agents: [first, ("6002", second)].into(), ..Setting::default() });
    world.at(1_500, Action::Presses('0'));
    world.run_until(8_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
    world
}

fn ordered(world: &World, dialog: DialogId, wanted: impl Fn(&DialogOrder) -> bool) -> usize {
    world.orders.iter().filter(|(_, d, order)| *d == dialog && wanted(order)).count()
}

fn told(world: &World, dialog: DialogId) -> Vec<u16> {
    let status = |(_, d, order): &(u64, DialogId, DialogOrder)| match order {
        DialogOrder::TellRefer { status } if *d == dialog => Some(*status),
        _ => None,
    };
    world.orders.iter().filter_map(status).collect()
}

/// Both sides hear each other.
fn talk(world: &mut World) {
    for (speaker, listener) in [(0, 1), (1, 0)] {
        let voice = signal::voice(700 + u64::from(speaker), 1_500);
        let from = world.phone(listener).heard.len();
        world.phones.get_mut(&LegId(speaker)).unwrap().say(&voice);
        let until = world.elapsed() + 2_000;
        world.run_until(until);
        assert!(signal::found(&world.phone(listener).heard[from..], &voice) > 0.7, "{speaker} to {listener}");
    }
}

fn finish(mut world: World, action: Action, cause: &EndCause) {
    let at = world.elapsed() + 100;
    world.at(at, action);
    world.run_until(at + 1_000);
    world.check_over();
    assert_eq!(world.entries().last(), Some(&Entry::Ended(cause.clone())));
}

fn hangs_up(dialog: DialogId) -> Action {
    Action::News(dialog, DialogEvent::Ended { lost: false })
}

#[test]
fn an_agent_passes_the_caller_on() {
    let mut world = bridged(Agent::Answers(2_000, Then::SaysNothing));
    world.at(8_100, Action::Refers(AGENT, "6002"));
    world.run_until(12_000);
    assert_eq!(ordered(&world, AGENT, |order| *order == DialogOrder::TakeRefer), 1);
    let invited = |order: &DialogOrder| match order {
        DialogOrder::Invite { target, headers, .. } => {
            assert_eq!((target.uri.as_str(), target.trunk.as_str()), ("sip:6002@192.0.2.2", "pbx"));
            headers == &[("Referred-By".to_owned(), "<sip:6001@192.0.2.2>".into())]
        }
        _ => false,
    };
    assert_eq!(ordered(&world, NEWCOMER, invited), 1);
    assert_eq!(told(&world, AGENT), [180, 200]);
    assert_eq!(world.hang_ups(AGENT).len(), 1);
    assert!(world.entries().any(|e| matches!(e, Entry::Replaced { leg: LegId(1) })));
    talk(&mut world);
    finish(world, hangs_up(NEWCOMER), &EndCause::AgentHungUp);
}

#[test]
fn an_agent_who_does_not_wait_for_it_passes_the_caller_on_too() {
    let mut world = bridged(Agent::Answers(3_000, Then::SaysNothing));
    world.at(8_100, Action::Refers(AGENT, "6002"));
    world.at(8_300, hangs_up(AGENT));
    world.run_until(13_000);
    assert_eq!((told(&world, AGENT), world.hang_ups(AGENT).len()), (vec![180], 0));
    talk(&mut world);
    finish(world, Action::HangsUp, &EndCause::CallerHungUp);
}

#[test]
fn where_the_other_is_busy_the_agent_keeps_the_caller() {
    let mut world = bridged(Agent::Refuses(486));
    world.at(8_100, Action::Refers(AGENT, "6002"));
    world.run_until(9_000);
    assert_eq!(told(&world, AGENT), [486]);
    talk(&mut world);
    finish(world, hangs_up(AGENT), &EndCause::AgentHungUp);
}

#[test]
fn where_the_other_is_busy_and_the_agent_gone_the_caller_is_rescued() {
    let mut world = bridged(Agent::Refuses(486));
    world.at(8_100, Action::Refers(AGENT, "6003"));
    world.at(8_110, hangs_up(AGENT));
    world.run_until(14_000);
    assert!(!world.done, "a blind transfer that failed is not the caller's end");
    assert_eq!(world.entries().filter(|e| matches!(e, Entry::Bridged { .. })).count(), 2, "6001 again");
    talk_again(&mut world);
}

#[test]
fn who_is_transferred_blindly_hears_what_the_pbx_announces_before_anybody_answers() {
    let mut world = bridged(Agent::Refuses(486));
    world.setting.agents.insert("6001", Agent::Announces);
    world.at(8_100, Action::News(AGENT, DialogEvent::Ended { lost: true }));
    world.run_until(10_000);
    let from = world.phone(0).heard.len();
    world.run_until(12_000);
    assert!(signal::loudness(&world.phone(0).heard[from..]) < 10.0, "the PBX sends silence: no music over it");
    let announcement = signal::voice(778, 1_500);
    let from = world.phone(0).heard.len();
    world.phones.get_mut(&LegId(2)).unwrap().say(&announcement);
    world.run_until(14_000);
    assert!(signal::found(&world.phone(0).heard[from..], &announcement) > 0.7);
    assert!(world.phone(2).heard.iter().all(|sample| sample.abs() < 10), "nobody is heard before the answer");
    finish(world, Action::HangsUp, &EndCause::Failed { what: "the agent was lost".to_owned() });
}

/// With the second leg.
fn talk_again(world: &mut World) {
    let voice = signal::voice(777, 1_500);
    let from = world.phone(0).heard.len();
    world.phones.get_mut(&LegId(2)).unwrap().say(&voice);
    let until = world.elapsed() + 2_000;
    world.run_until(until);
    assert!(signal::found(&world.phone(0).heard[from..], &voice) > 0.7);
}

#[test]
fn one_who_never_answers_is_given_up() {
    let mut world = bridged(Agent::NoAnswer);
    world.at(8_100, Action::Refers(AGENT, "6002"));
    world.at(9_000, Action::Refers(AGENT, "6001"));
    world.run_until(68_500);
    assert_eq!(ordered(&world, AGENT, |order| *order == DialogOrder::RefuseRefer { status: 491 }), 1, "one at a time");
    assert_eq!((told(&world, AGENT), world.hang_ups(NEWCOMER).len()), (vec![180, 408], 1));
    finish(world, Action::HangsUp, &EndCause::CallerHungUp);
}

#[test]
fn a_call_that_ends_calls_nobody_any_more() {
    let mut world = bridged(Agent::NoAnswer);
    world.at(8_100, Action::Refers(AGENT, "6002"));
    world.run_until(9_000);
    finish(world, Action::HangsUp, &EndCause::CallerHungUp);

    let mut world = bridged(Agent::NoAnswer);
    world.at(8_100, Action::Refers(AGENT, "6002"));
    world.at(8_500, hangs_up(AGENT));
    world.run_until(9_000);
    finish(world, Action::HangsUp, &EndCause::CallerHungUp);
}

#[test]
fn the_callers_side_may_name_only_telephones_of_the_plan() {
    let answers = Agent::Answers(1_000, Then::SaysNothing);
    let mut world =
        World::new(Setting { agents: [("6001", answers), ("0900123", answers)].into(), ..Setting::default() });
    world.at(1_000, Action::Refers(CALLER, "0900123"));
    world.run_until(2_000);
    assert_eq!(ordered(&world, CALLER, |order| *order == DialogOrder::RefuseRefer { status: 603 }), 1);
    assert!(!world.orders.iter().any(|(_, _, order)| matches!(order, DialogOrder::Invite { .. })), "nobody is called");
    world.at(4_500, Action::Refers(CALLER, "6001"));
    world.run_until(6_500);
    assert_eq!((told(&world, CALLER), world.hang_ups(CALLER).len()), (vec![180, 200], 1));
    // The bot goes on with whoever is there now.
    world.at(7_000, Action::Says("check my bill", 900));
    world.run_until(11_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
    finish(world, hangs_up(DialogId(100)), &EndCause::CallerHungUp);
}

#[test]
fn an_invite_with_replaces_takes_the_callers_place() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Replaces(CALLER, LegId::CALLER));
    world.at(4_500, Action::Says("check my bill", 900));
    world.run_until(8_500);
    assert_eq!(world.hang_ups(CALLER).len(), 1);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
    assert!(signal::loudness(&world.phone(0).heard) > 50.0, "the newcomer hears the bot");
    finish(world, hangs_up(DialogId(100)), &EndCause::CallerHungUp);
}

#[test]
fn an_invite_with_replaces_takes_the_agents_place() {
    let mut world = bridged(Agent::NoAnswer);
    world.at(8_100, Action::Replaces(AGENT, LegId(1)));
    world.run_until(9_000);
    assert_eq!(world.hang_ups(AGENT).len(), 1);
    talk(&mut world);
    finish(world, hangs_up(NEWCOMER), &EndCause::AgentHungUp);
}

#[test]
fn a_ringing_agent_may_be_picked_up_elsewhere() {
    let mut world = World::new(Setting { agents: [("6001", Agent::NoAnswer)].into(), ..Setting::default() });
    world.at(1_500, Action::Presses('0'));
    world.run_until(5_000);
    world.at(5_100, Action::Replaces(AGENT, LegId(1)));
    world.run_until(6_000);
    assert_eq!(world.hang_ups(AGENT).len(), 1);
    world.phones.get_mut(&LegId(1)).unwrap().press(world.now, '1');
    world.run_until(9_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
    talk(&mut world);
    finish(world, Action::HangsUp, &EndCause::CallerHungUp);
}

#[test]
fn a_replaces_for_a_dialog_that_has_gone_is_refused() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Replaces(DialogId(77), LegId::CALLER));
    world.run_until(2_000);
    assert_eq!(ordered(&world, DialogId(100), |order| *order == DialogOrder::Refuse { status: 481 }), 1);
}

#[test]
fn the_caller_is_handed_over_and_we_leave() {
    let mut world = bridged(Agent::NoAnswer);
    world.at(8_100, Action::Order(Order::LetGo));
    world.at(8_200, Action::News(CALLER, DialogEvent::ReferNews { status: 180 }));
    world.run_until(8_500);
    let attended = DialogOrder::Refer { to: String::new(), replaces: Some(AGENT) };
    assert_eq!(ordered(&world, CALLER, |order| *order == attended), 1);
    finish(world, Action::News(CALLER, DialogEvent::ReferNews { status: 200 }), &EndCause::HandedOver);

    let mut world = World::new(Setting::default());
    let to = RingTarget { user: "6001".to_owned(), trunk: "pbx".to_owned() };
    world.at(1_000, Action::Order(Order::Refer(to)));
    world.at(2_000, Action::News(CALLER, DialogEvent::ReferNews { status: 486 }));
    world.at(4_500, Action::Says("check my bill", 900));
    world.run_until(8_500);
    let blind = DialogOrder::Refer { to: "sip:6001@192.0.2.2".to_owned(), replaces: None };
    assert_eq!(ordered(&world, CALLER, |order| *order == blind), 1);
    assert_eq!(world.prompts(), ["greeting", "bill"], "where it fails the bot goes on");
    finish(world, Action::HangsUp, &EndCause::CallerHungUp);
}
