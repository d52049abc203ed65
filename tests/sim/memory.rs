//! Callers who are remembered, and who do not want to be: whole calls.

use tingwa::journal::Entry;
use tingwa::journal::escalation::{Outcome, ReasonCode};
use tingwa::journal::profile::{OptOut, Profile, Wanted};
use tingwa::speech::Language;

use super::world::{Action, Setting, World};

/// Day of the simulated calls, since 1970-01-01.
const TODAY: u64 = 1_790_000_000 / (24 * 3600);

fn wanted(intent: &str, day: u64) -> Vec<Wanted> {
    vec![Wanted { dialplan: "sim".to_owned(), intent: intent.to_owned(), day }]
}

fn known(profile: Profile) -> World {
    World::new(Setting { profile, ..Setting::default() })
}

fn said(world: &World) -> Vec<(String, Language)> {
    let said = |entry: &Entry| match entry {
        Entry::BotTurn { prompt, language, .. } => Some((prompt.clone(), *language)),
        _ => None,
    };
    world.entries().filter_map(said).collect()
}

fn opted_out(world: &World) -> Vec<(OptOut, bool)> {
    let of = |entry: &Entry| match entry {
        Entry::OptedOut { what, remembered } => Some((*what, *remembered)),
        _ => None,
    };
    world.entries().filter_map(of).collect()
}

#[test]
fn a_known_caller_is_greeted_by_name_in_the_language_of_the_last_call() {
    let profile = Profile { language: Some(Language::Cantonese), name: Some("陳生".into()), ..Profile::default() };
    let mut world = known(profile);
    world.at(4_000, Action::Says("我想查賬單", 1_000));
    world.run_until(9_000);
    let expected = [("greeting_known".to_owned(), Language::Cantonese), ("bill".to_owned(), Language::Cantonese)];
    assert_eq!(said(&world), expected);
    let greeted = world.entries().any(|e| matches!(e, Entry::BotTurn { text, .. } if text.reveal() == "陳生你好。"));
    assert!(greeted);
}

#[test]
fn without_memory_a_call_is_as_it_was() {
    // A store that stalls: the shell hands over an empty profile, in time.
    let mut world = known(Profile::default());
    world.run_until(3_000);
    assert_eq!(said(&world), [("greeting".to_owned(), Language::English)]);
    assert!(opted_out(&world).is_empty());
}

#[test]
fn the_same_as_last_time_is_offered_and_taken() {
    let mut world = known(Profile { wanted: wanted("bill", TODAY - 14), ..Profile::default() });
    world.at(6_500, Action::Says("yes please", 700));
    world.run_until(12_000);
    assert_eq!(world.prompts(), ["greeting", "same", "bill"]);
    let why = world.entries().any(
        |e| matches!(e, Entry::Decided(d) if d.rule == "intent:bill" && d.evidence.contains("the same as last time")),
    );
    assert!(why);
}

#[test]
fn the_same_as_last_time_is_refused_or_passed_over() {
    let mut world = known(Profile { wanted: wanted("bill", TODAY), ..Profile::default() });
    world.at(6_500, Action::Says("no", 700));
    world.at(11_000, Action::Says("when do the shops open", 1_000));
    world.run_until(15_000);
    assert_eq!(world.prompts(), ["greeting", "same", "otherwise", "branch"]);

    let mut world = known(Profile { wanted: wanted("bill", TODAY), ..Profile::default() });
    world.at(6_500, Action::Says("when do the shops open", 1_000));
    world.run_until(11_000);
    assert_eq!(world.prompts(), ["greeting", "same", "branch"]);
}

#[test]
fn nothing_is_offered_that_was_long_ago_or_is_not_on_the_list() {
    for wanted in [wanted("bill", TODAY - 15), wanted("branch", TODAY)] {
        let mut world = known(Profile { wanted, ..Profile::default() });
        world.run_until(3_900);
        assert_eq!(world.prompts(), ["greeting"]);
    }
}

#[test]
fn a_supervisor_is_told_of_an_important_caller() {
    for (tier, told) in [("gold", 1), ("silver", 0)] {
        let mut world = known(Profile { tier: Some(tier.to_owned()), ..Profile::default() });
        world.run_until(3_000);
        let vip =
            |e: &&Entry| matches!(e, Entry::Escalated { reason: ReasonCode::Vip, outcome: Outcome::Notified, .. });
        assert_eq!(world.entries().filter(vip).count(), told, "{tier}");
    }
}

#[test]
fn who_does_not_want_to_be_recorded_is_recorded_no_more() {
    let mut world = known(Profile::default());
    world.at(4_000, Action::Says("do not record me", 1_000));
    world.at(9_000, Action::Says("check my bill", 1_000));
    world.run_until(14_000);
    assert_eq!(world.prompts(), ["greeting", "not_recorded", "bill"]);
    assert_eq!(opted_out(&world), [(OptOut::Recording, false)]);
    let at = world.time_of(|e| matches!(e, Entry::OptedOut { .. })).expect("opted out");
    let recorded = world.left.len() as u64 / 8;
    assert!(recorded.abs_diff(at) < 100, "{recorded} ms are recorded, it was said at {at}");
}

#[test]
fn who_did_not_want_to_be_recorded_is_not() {
    let opt_outs = [OptOut::Recording].into();
    let mut world = known(Profile { opt_outs, ..Profile::default() });
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.run_until(9_000);
    assert!(world.left.is_empty() && world.right.is_empty());
    assert!(!world.entries().any(|e| matches!(e, Entry::RecordingStarted { .. })));
    assert_eq!(opted_out(&world), [(OptOut::Recording, true)]);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
}

#[test]
fn who_does_not_want_to_be_remembered_is_not() {
    let mut world = known(Profile { tier: Some("gold".to_owned()), ..Profile::default() });
    world.at(4_000, Action::Says("please forget me", 1_000));
    world.run_until(8_000);
    assert_eq!(world.prompts(), ["greeting", "forgotten"]);
    let mut profile = world.setting.profile.clone();
    profile.learn(&world.journal);
    assert_eq!(profile, Profile { opt_outs: [OptOut::Memory].into(), ..Profile::default() });
}
