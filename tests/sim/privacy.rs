//! Personal data is redacted in whatever a log could print of a call: numbers and transcripts show their length only.

use super::pbx::{Agent, Then};
use super::world::{Action, Setting, World};

#[test]
fn nothing_that_a_log_can_print_of_a_call_names_the_caller() {
    let agents = [("6001", Agent::Answers(800, Then::Accepts(3_000)))].into();
    let mut world = World::new(Setting { agents, ..Setting::default() });
    world.at(4_000, Action::Says("我想查賬單", 1_000));
    world.at(9_000, Action::Says("I want to speak to a person", 1_000));
    world.run_until(20_000);
    world.at(21_000, Action::HangsUp);
    world.run_until(30_000);
    world.check_over();
    assert!(world.entries().any(|e| matches!(e, tingwa::journal::Entry::Bridged { .. })), "the whole way");
    let printed = world.trace.join("\n");
    for personal in ["91234567", "我想查賬單", "speak to a person"] {
        assert!(!printed.contains(personal), "a log could print \"{personal}\"");
    }
    assert!(printed.contains("text: [5 characters]"), "transcripts show their length");
}
