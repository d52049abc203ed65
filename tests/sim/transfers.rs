//! Every row of the table of a warm transfer, on the simulated clock.

use tingwa::ids::{DialogId, LegId};
use tingwa::journal::{EndCause, Entry, TransferFailure};
use tingwa::sip::event::{DialogOrder, Diverted, Particulars};

use super::pbx::{Agent, Then};
use super::world::{Action, CALLER, Setting, World};
use super::{engine, signal};

const FIRST: LegId = LegId(1);
const SECOND: LegId = LegId(2);

/// A caller who asks for a person at 4 s, at a PBX with these agents.
fn asking(agents: &[(&'static str, Agent)]) -> World {
    let mut world = World::new(Setting { agents: agents.iter().copied().collect(), ..Setting::default() });
    world.at(4_000, Action::Says("speak to a person", 1_200));
    world
}

fn failures(world: &World) -> Vec<(u16, TransferFailure)> {
    let failed = |entry: &Entry| match entry {
        Entry::TransferFailed { leg, failure } => Some((leg.0, failure.clone())),
        _ => None,
    };
    world.entries().filter_map(failed).collect()
}

fn end_cause(world: &World) -> EndCause {
    match world.entries().last() {
        Some(Entry::Ended(cause)) => cause.clone(),
        other => panic!("the call has not ended: {other:?}"),
    }
}

fn bridged(world: &World) -> Option<u64> {
    world.time_of(|e| matches!(e, Entry::Bridged { .. }))
}

#[test]
fn the_agent_accepts_and_both_hear_each_other() {
    let mut world = asking(&[("6001", Agent::Answers(2_000, Then::Accepts(3_500)))]);
    world.run_until(15_000);
    let at = bridged(&world).expect("bridged");
    assert_eq!(failures(&world), []);
    let (to_agent, to_caller) = (signal::voice(501, 2_000), signal::voice(502, 2_000));
    let (caller_from, agent_from) = (world.phone(0).heard.len(), world.phone(1).heard.len());
    world.phones.get_mut(&LegId::CALLER).unwrap().say(&to_agent);
    world.phones.get_mut(&FIRST).unwrap().say(&to_caller);
    world.run_until(18_500);
    assert!(signal::found(&world.phone(1).heard[agent_from..], &to_agent) > 0.8, "the agent hears the caller");
    assert!(signal::found(&world.phone(0).heard[caller_from..], &to_caller) > 0.8, "the caller hears the agent");
    world.at(19_000, Action::HangsUp);
    world.run_until(20_000);
    world.check_over();
    assert_eq!(end_cause(&world), EndCause::CallerHungUp);
    let order: Vec<&str> = world.entries().filter_map(stage).collect();
    assert_eq!(order, ["dialling", "ringing", "briefing", "accepted", "bridged", "leg ended", "leg ended", "ended"]);
    assert_eq!(world.hang_ups(world.dialog_of(FIRST)).len(), 1);
    assert!(world.hang_ups(CALLER).is_empty(), "the caller has hung up already");
    assert!(at > 8_000);
}

fn stage(entry: &Entry) -> Option<&'static str> {
    match entry {
        Entry::TransferDialling { .. } => Some("dialling"),
        Entry::TransferRinging { .. } => Some("ringing"),
        Entry::Briefing { .. } => Some("briefing"),
        Entry::TransferAccepted { .. } => Some("accepted"),
        Entry::Bridged { .. } => Some("bridged"),
        Entry::LegEnded { .. } => Some("leg ended"),
        Entry::Ended(_) => Some("ended"),
        _ => None,
    }
}

#[test]
fn the_briefing_is_for_the_agent_and_music_for_the_caller() {
    let mut world = asking(&[("6001", Agent::Answers(2_000, Then::Accepts(3_500)))]);
    world.run_until(15_000);
    let briefing =
        world.entries().find_map(|e| if let Entry::Briefing { text, .. } = e { Some(text.clone()) } else { None });
    let voice = engine::prompt_voice(briefing.expect("a briefing").reveal());
    assert!(signal::found(&world.phone(1).heard, &voice) > 0.8, "the agent hears the briefing");
    assert!(signal::found(&world.phone(0).heard, &voice) < 0.2, "the caller does not");
    let waiting = engine::prompt_voice("One moment.");
    assert!(signal::found(&world.phone(0).heard, &waiting) > 0.8, "the caller hears why");
    let music = signal::voice(4242, 2_000);
    assert!(signal::found(&world.phone(0).heard, &music) > 0.8, "and then music");
    assert!(signal::found(&world.phone(1).heard, &music) < 0.2, "which the agent does not hear");
    assert!(world.longest_silence() < 6_000);
}

#[test]
fn acceptance_by_info_counts_too() {
    let mut world = asking(&[("6001", Agent::Answers(1_000, Then::AcceptsByInfo(800)))]);
    world.run_until(12_000);
    assert!(bridged(&world).is_some());
    assert!(world.entries().any(|e| matches!(e, Entry::Digit { leg: FIRST, digit: '1' })));
}

#[test]
fn what_fails_at_one_telephone_is_tried_at_the_next() {
    let next = ("6002", Agent::Answers(500, Then::Accepts(1_000)));
    let rows: [(&str, Agent, TransferFailure, bool); 10] = [
        ("busy", Agent::Refuses(486), TransferFailure::Busy, false),
        ("busy everywhere", Agent::Refuses(600), TransferFailure::Busy, false),
        ("server failure", Agent::Refuses(500), TransferFailure::Refused { status: 500 }, false),
        ("trunk down", Agent::Refuses(503), TransferFailure::Unreachable, false),
        ("declined at the telephone", Agent::Refuses(603), TransferFailure::Declined, false),
        ("no answer", Agent::NoAnswer, TransferFailure::NoAnswer, true),
        ("dead PBX", Agent::Silent(32_000), TransferFailure::NoAnswer, true),
        ("refuses with 2", Agent::Answers(500, Then::Declines(700)), TransferFailure::Declined, true),
        ("never accepts", Agent::Answers(500, Then::SaysNothing), TransferFailure::NeverAccepted, true),
        ("hangs up in the briefing", Agent::Answers(500, Then::HangsUp(900)), TransferFailure::AgentHungUp, false),
    ];
    for (name, agent, failure, ours_to_end) in rows {
        let mut world = asking(&[("6001", agent), next]);
        world.run_until(25_000);
        assert_eq!(failures(&world), [(1, failure)], "{name}");
        assert!(bridged(&world).is_some(), "{name}: bridged with the next");
        assert_eq!(world.hang_ups(world.dialog_of(FIRST)).len(), usize::from(ours_to_end), "{name}");
        assert!(world.longest_silence() < 6_000, "{name}: {} ms of silence", world.longest_silence());
        world.at(26_000, Action::HangsUp);
        world.run_until(60_000);
        world.check_over();
    }
}

#[test]
fn when_nobody_is_there_the_bot_is_back_with_an_offer() {
    let mut world = asking(&[("6001", Agent::Refuses(486)), ("6002", Agent::NoAnswer)]);
    world.run_until(14_000);
    assert_eq!(failures(&world), [(1, TransferFailure::Busy), (2, TransferFailure::NoAnswer)]);
    assert!(world.entries().any(|e| matches!(e, Entry::TransferGivenUp)));
    assert_eq!(world.prompts().last(), Some(&"no_agent"));
    world.at(15_000, Action::Says("check my bill", 900));
    world.run_until(18_500);
    assert_eq!(world.prompts().last(), Some(&"bill"), "and listens again");
    world.at(19_000, Action::HangsUp);
    world.run_until(40_000);
    world.check_over();
}

#[test]
fn what_travels_with_the_call_and_what_is_withheld() {
    let told =
        |withheld, trusted| {
            let particulars = Particulars {
                withheld,
                user_to_user: Some("6162;encoding=hex".into()),
                diverted: vec![Diverted { number: "85212345678".into(), why: None }],
                kept: vec![("X-Ticket".to_owned(), "T-17".into())],
                hops: Some(20),
            };
            let mut world = World::with_particulars(
                Setting { agents: [("6001", Agent::NoAnswer)].into(), ..Setting::default() },
                particulars,
                trusted,
            );
            world.at(1_500, Action::Presses('0'));
            world.run_until(4_000);
            assert!(world.entries().any(
                |e| matches!(e, Entry::Particulars { diverted, kept, .. } if diverted.len() == 1 && kept.len() == 1)
            ));
            let invite = |(_, _, order): &(u64, DialogId, DialogOrder)| match order {
                DialogOrder::Invite { target, headers, .. } => Some((target.display_name.clone(), headers.clone())),
                _ => None,
            };
            world.orders.iter().find_map(invite).expect("an INVITE to the agent")
        };
    let data = ("User-to-User".to_owned(), "6162;encoding=hex".into());
    let hops = ("Max-Forwards".to_owned(), "19".into());
    assert_eq!(told(false, true), (Some("91234567".into()), vec![data, hops.clone()]));
    assert_eq!(told(true, false), (Some("Anonymous".into()), vec![hops]));
}

#[test]
fn without_ports_there_is_no_transfer_but_there_is_a_bot() {
    let mut world = World::new(Setting { ports: false, ..Setting::default() });
    world.at(4_000, Action::Says("speak to a person", 1_200));
    world.run_until(10_000);
    assert_eq!(failures(&world), [(1, TransferFailure::Unreachable), (2, TransferFailure::Unreachable)]);
    assert_eq!(world.prompts().last(), Some(&"no_agent"));
    assert!(!world.orders.iter().any(|(_, _, order)| matches!(order, DialogOrder::Invite { .. })));
}

#[test]
fn a_caller_who_hangs_up_ends_the_agents_leg_at_once() {
    let rings = Agent::Answers(3_000, Then::SaysNothing);
    let rows: [(&str, Agent, &str, u64); 4] = [
        ("dialling", Agent::Silent(32_000), "dialling", 300),
        ("ringing", rings, "ringing", 300),
        ("briefing", rings, "briefing", 1_000),
        ("bridged", Agent::Answers(1_000, Then::Accepts(500)), "bridged", 1_000),
    ];
    for (name, agent, reached, after) in rows {
        let mut world = asking(&[("6001", agent)]);
        let mut at = 0;
        while world.entries().filter_map(stage).last() != Some(reached) {
            at += 100;
            assert!(at < 20_000, "{name} was never reached");
            world.run_until(at);
        }
        let bye = at + after;
        world.at(bye, Action::HangsUp);
        world.run_until(bye + 1);
        assert_eq!(world.hang_ups(world.dialog_of(FIRST)), [bye], "{name}: CANCEL or BYE at once");
        assert_eq!(end_cause(&world), EndCause::CallerHungUp, "{name}");
        world.check_over();
        let legs: Vec<u16> = world
            .entries()
            .filter_map(|e| if let Entry::LegEnded { leg, .. } = e { Some(leg.0) } else { None })
            .collect();
        assert_eq!(legs, [0, 1], "{name}: each leg is written down");
    }
}

#[test]
fn an_agent_who_hangs_up_after_the_bridge_ends_the_call() {
    let mut world = asking(&[("6001", Agent::Answers(1_000, Then::AcceptsThenHangsUp(500, 5_000)))]);
    world.run_until(60_000);
    world.check_over();
    assert_eq!(end_cause(&world), EndCause::AgentHungUp);
    assert_eq!(world.hang_ups(CALLER).len(), 1);
    assert!(world.hang_ups(world.dialog_of(FIRST)).is_empty());
}

#[test]
fn a_caller_whose_agent_is_lost_gets_another() {
    let mut setting = Setting::default();
    setting.agents.insert("6001", Agent::Answers(1_000, Then::Accepts(500)));
    setting.network.agent_dead_from_ms = 12_000;
    setting.config.patience = std::time::Duration::from_secs(5);
    let mut world = World::new(setting);
    world.at(4_000, Action::Says("speak to a person", 1_200));
    world.run_until(19_000);
    assert_eq!(
        world.entries().filter(|e| matches!(e, Entry::Bridged { .. })).count(),
        2,
        "rung again, bridged at once"
    );
    assert_eq!(world.hang_ups(world.dialog_of(FIRST)).len(), 1);
    world.run_until(40_000);
    assert_eq!(world.prompts().last(), Some(&"gave_up"), "lost again: a goodbye");
    world.check_over();
    assert!(matches!(end_cause(&world), EndCause::Failed { .. }));
}

#[test]
fn a_fault_of_our_own_leads_to_a_human_without_briefing() {
    let mut world = World::new(Setting {
        agents: [("6001", Agent::Refuses(486)), ("6002", Agent::Answers(1_000, Then::SaysNothing))].into(),
        ..Setting::default()
    });
    world.at(2_000, Action::Fault);
    world.run_until(8_000);
    assert!(bridged(&world).is_some(), "bridged on answer");
    assert!(!world.entries().any(|e| matches!(e, Entry::Briefing { .. })));
    assert_eq!(failures(&world), [(1, TransferFailure::Busy)]);
    assert_eq!(world.entries().filter(|e| matches!(e, Entry::TransferDialling { leg: SECOND, .. })).count(), 1);
}

#[test]
fn a_fault_with_nobody_there_ends_in_a_spoken_goodbye() {
    let mut world = World::new(Setting::default());
    world.at(2_000, Action::Fault);
    world.run_until(20_000);
    assert_eq!(world.prompts().last(), Some(&"gave_up"));
    world.check_over();
    assert!(matches!(end_cause(&world), EndCause::Failed { .. }));
}

#[test]
fn a_briefing_that_cannot_be_spoken_does_not_keep_the_caller_waiting() {
    let mut world = World::new(Setting {
        agents: [("6001", Agent::Answers(1_000, Then::SaysNothing))].into(),
        mouth: engine::Mouth::Failing,
        ..Setting::default()
    });
    world.at(3_000, Action::Presses('0'));
    world.run_until(9_000);
    assert!(bridged(&world).is_some());
}
