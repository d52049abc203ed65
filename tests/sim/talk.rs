//! Caller and bot: turns, barge-in, silence, keys, and what happens when hearing or speaking fails.

use std::time::Duration;
use tingwa::journal::escalation::{Level, Outcome, ReasonCode};

use tingwa::call::{BotConfig, CallConfig};
use tingwa::conversation::LlmTerms;
use tingwa::journal::{EndCause, Entry, RecogniserLoss};
use tingwa::speech::Language;

use super::engine::{Ear, Mouth};
use super::pbx::{Agent, Then};
use super::world::{Action, Setting, World};
use super::{engine, signal};

fn cause(world: &World) -> Option<&EndCause> {
    match world.entries().last() {
        Some(Entry::Ended(cause)) => Some(cause),
        _ => None,
    }
}

fn response_times(world: &World) -> Vec<u64> {
    let time = |e: &Entry| if let Entry::AnswerBegan { response_ms, .. } = e { *response_ms } else { None };
    world.entries().filter_map(time).collect()
}

#[test]
fn a_question_is_heard_answered_and_timed() {
    let mut world = World::new(Setting::default());
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.at(9_000, Action::Says("我想查賬單", 1_000));
    world.at(14_000, Action::Says("goodbye", 700));
    world.run_until(30_000);
    assert_eq!(world.prompts(), ["greeting", "bill", "bill", "goodbye"]);
    world.check_over();
    assert_eq!(cause(&world), Some(&EndCause::BotGoodbye));
    let turns: Vec<(String, Language)> = world
        .entries()
        .filter_map(|e| match e {
            Entry::CallerTurn { text, language, .. } => Some((text.reveal().clone(), *language)),
            _ => None,
        })
        .collect();
    assert_eq!(turns[0], ("check my bill".to_owned(), Language::English));
    assert_eq!(turns[1], ("我想查賬單".to_owned(), Language::Cantonese));
    let spoken: Vec<Language> = world
        .entries()
        .filter_map(|e| if let Entry::BotTurn { language, .. } = e { Some(*language) } else { None })
        .collect();
    assert_eq!(spoken[2], Language::Cantonese, "the reply follows the caller's language");
    let times = response_times(&world);
    assert_eq!(times.len(), 3);
    assert!(times.iter().all(|ms| (350..900).contains(ms)), "{times:?}");
    let greeting = engine::prompt_voice("Welcome to the simulated hotline, say what you want.");
    assert!(signal::found(&world.phone(0).heard, &greeting) > 0.9, "the caller hears the greeting");
    assert!(signal::found(&world.right, &greeting) > 0.95, "and so does the recording");
}

#[test]
fn the_journal_is_ahead_of_what_is_heard() {
    let mut world = World::new(Setting::default());
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.run_until(8_000);
    // Words of the trace, in order: decided, then spoken, then begun, then the packet.
    let index =
        |what: &str| world.trace.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}"));
    assert!(index("prompt: \"bill\", text") > index("CallerTurn"));
    let asked = world.trace.iter().position(|l| l.contains("Speak(") && l.contains("\"bill\"")).unwrap();
    let decided = world.trace.iter().position(|l| l.contains("Decided") && l.contains("\"bill\"")).unwrap();
    let began = world.trace.iter().position(|l| l.contains("BotTurn {") && l.contains("\"bill\"")).unwrap();
    assert!(decided < asked && asked < began);
}

#[test]
fn a_caller_who_speaks_over_the_bot_stops_it() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Says("check my bill", 1_200));
    world.run_until(6_000);
    let stopped = world.time_of(|e| matches!(e, Entry::BargeIn { .. })).expect("barge-in");
    assert!((1_190..1_400).contains(&stopped), "after 200 ms of speech, not at {stopped}");
    let cut = world.entries().find_map(|e| match e {
        Entry::BotTurnEnded { heard_ms, complete: false, .. } => Some(*heard_ms),
        _ => None,
    });
    assert!(cut.is_some_and(|ms| (900..1_400).contains(&ms)), "{cut:?}");
    assert_eq!(world.prompts(), ["greeting", "bill"]);
}

#[test]
fn a_cough_does_not_stop_the_bot() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Noise(140));
    world.run_until(3_500);
    assert!(!world.entries().any(|e| matches!(e, Entry::BargeIn { .. } | Entry::CallerTurn { .. })));
}

#[test]
fn a_silent_caller_is_asked_twice_and_then_let_go() {
    let mut world = World::new(Setting::default());
    world.run_until(60_000);
    assert_eq!(world.prompts(), ["greeting", "no_input_1", "no_input_2", "goodbye"]);
    let counts: Vec<u8> =
        world.entries().filter_map(|e| if let Entry::NoInput { count } = e { Some(*count) } else { None }).collect();
    assert_eq!(&counts[..2], [1, 2]);
    world.check_over();
    assert_eq!(cause(&world), Some(&EndCause::BotGoodbye));
    assert!(world.longest_silence() < 5_000, "{}", world.longest_silence());
}

#[test]
fn what_is_not_understood_twice_goes_to_a_human() {
    let mut world = World::new(Setting {
        agents: [("6001", Agent::Answers(500, Then::Accepts(500)))].into(),
        ..Setting::default()
    });
    world.at(4_000, Action::Says("ππππ ωωω", 900));
    world.at(8_000, Action::Says("ξξξξ δδδ", 900));
    world.run_until(14_000);
    assert_eq!(world.prompts(), ["greeting", "no_match", "transferring"]);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
}

#[test]
fn a_slow_tool_is_waited_for_without_silence_and_a_silent_one_brings_a_human() {
    for (tool, last) in [
        (Some((200, r#"{"status": "sent"}"#)), "order"),
        (Some((9_000, r#"{"status": "sent"}"#)), "order"),
        (None, "transferring"),
    ] {
        let agents = [("6001", Agent::Answers(500, Then::Accepts(500)))].into();
        let mut world = World::new(Setting { tool, agents, ..Setting::default() });
        world.at(1_500, Action::Presses('3'));
        // A caller who hears the answer and says nothing would be asked again.
        world.run_until(tool.map_or(20_000, |(ms, _)| ms + 5_000));
        let prompts = world.prompts();
        assert!(prompts.contains(&last), "{tool:?}: {prompts:?}");
        let fillers = prompts.iter().filter(|prompt| **prompt == "looking").count();
        assert_eq!(fillers > 1, tool.is_none_or(|(ms, _)| ms > 1_000), "{tool:?}: {prompts:?}");
        assert!(!prompts.contains(&"no_match") && !prompts.contains(&"no_input_1"), "{tool:?}: {prompts:?}");
        assert!(world.longest_silence() < 4_000, "{tool:?}: {} ms of silence", world.longest_silence());
        assert_eq!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), tool.is_none());
        let answers = world.entries().filter(|e| matches!(e, Entry::ToolAnswered { .. })).count();
        assert_eq!(answers, 1, "{tool:?}");
    }
}

#[test]
fn a_language_model_is_waited_for_no_longer_than_the_budget() {
    let terms = LlmTerms {
        model: "m".to_owned(),
        budget: Duration::from_millis(800),
        max_tokens: 64,
        margin: 0.2,
        send_identity: false,
    };
    let bill = r#"{"command":"start_flow","intent":"bill"}"#;
    for (llm, answer) in [(Some((300, bill)), "bill"), (Some((2_000, bill)), "no_match"), (None, "no_match")] {
        let bot = BotConfig { llm: Some(terms.clone()), ..BotConfig::default() };
        let config = CallConfig { bot, ..CallConfig::default() };
        let mut world = World::new(Setting { llm, config, ..Setting::default() });
        world.at(4_000, Action::Says("ππππ ωωω", 900));
        world.run_until(9_000);
        assert_eq!(world.prompts(), ["greeting", answer], "{llm:?}");
        let of = |fits: fn(&Entry) -> bool| world.time_of(fits).unwrap_or_else(|| panic!("{llm:?}"));
        let (asked, answered) =
            (of(|e| matches!(e, Entry::LlmAsked { .. })), of(|e| matches!(e, Entry::LlmAnswered { .. })));
        let waited = answered - asked;
        assert!(waited <= 820, "{llm:?}: {waited} ms");
        assert!(world.longest_silence() < 4_000, "{llm:?}: {}", world.longest_silence());
        assert_eq!(world.entries().filter(|e| matches!(e, Entry::LlmAnswered { .. })).count(), 1, "{llm:?}");
    }
}

#[test]
fn key_0_leads_to_a_human_and_stops_the_bot() {
    let mut world = World::new(Setting {
        agents: [("6001", Agent::Answers(500, Then::Accepts(500)))].into(),
        ..Setting::default()
    });
    world.at(1_500, Action::Presses('0'));
    world.run_until(6_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Digit { digit: '0', .. })));
    assert_eq!(world.prompts(), ["greeting", "transferring"]);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
}

fn losses(world: &World) -> Vec<RecogniserLoss> {
    let reason = |entry: &Entry| match entry {
        Entry::RecogniserLost { reason } => Some(*reason),
        _ => None,
    };
    world.entries().filter_map(reason).collect()
}

#[test]
fn a_lost_recogniser_leaves_the_keys() {
    let ears = [
        (Ear::Lost, RecogniserLoss::Gone),
        (Ear::Mute, RecogniserLoss::Silent),
        (Ear::NoTranscripts, RecogniserLoss::Silent),
    ];
    for (ear, reason) in ears {
        let mut world = World::new(Setting {
            ear,
            agents: [("6001", Agent::Answers(500, Then::Accepts(500)))].into(),
            ..Setting::default()
        });
        world.at(4_000, Action::Says("check my bill", 1_000));
        world.at(9_500, Action::Says("check my bill", 1_000));
        world.run_until(15_000);
        assert_eq!(losses(&world), [reason], "{ear:?}");
        assert!(world.prompts().contains(&"keys_only"), "{ear:?}: {:?}", world.prompts());
        world.at(15_500, Action::Presses('0'));
        world.run_until(20_000);
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{ear:?}");
    }
}

#[test]
fn a_line_of_keys_alone_asks_no_recogniser() {
    let mut world = World::new(Setting {
        // Would say that it is lost at the first frame that it is given.
        ear: Ear::Lost,
        speech: false,
        agents: [("6001", Agent::Answers(500, Then::Accepts(500)))].into(),
        ..Setting::default()
    });
    world.at(2_000, Action::Says("check my bill", 1_000));
    world.run_until(12_000);
    assert_eq!(losses(&world), []);
    assert_eq!(world.prompts(), ["greeting", "no_input_1"], "nothing is heard, and nothing said about it");
    world.at(12_500, Action::Presses('0'));
    world.run_until(17_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
}

#[test]
fn a_recogniser_that_dies_in_a_sentence_costs_that_sentence() {
    let mut world = World::new(Setting { ear: Ear::Dies(1), ..Setting::default() });
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.at(8_000, Action::Says("check my bill", 1_000));
    world.run_until(12_000);
    assert_eq!(world.entries().filter(|e| matches!(e, Entry::RecogniserInterrupted)).count(), 1);
    assert_eq!(world.prompts(), ["greeting", "no_match", "bill"], "asked again, and heard");
    assert!(world.longest_silence() < 8_000, "{}", world.longest_silence());
}

#[test]
fn a_recogniser_that_dies_again_and_again_leaves_the_keys_and_a_human() {
    let mut world = World::new(Setting {
        ear: Ear::Dies(9),
        agents: [("6001", Agent::Answers(500, Then::Accepts(500)))].into(),
        ..Setting::default()
    });
    for at in [4_000, 8_500, 13_000, 17_500] {
        world.at(at, Action::Says("check my bill", 1_000));
    }
    world.run_until(23_000);
    assert_eq!(world.entries().filter(|e| matches!(e, Entry::RecogniserInterrupted)).count(), 3);
    assert_eq!(losses(&world), [RecogniserLoss::Unsteady]);
    assert!(world.prompts().contains(&"keys_only"), "{:?}", world.prompts());
    world.at(24_000, Action::Presses('0'));
    world.run_until(29_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
}

#[test]
fn a_bot_that_cannot_speak_calls_a_human() {
    for mouth in [Mouth::Failing, Mouth::Mute] {
        let mut world = World::new(Setting {
            mouth,
            agents: [("6001", Agent::Answers(500, Then::SaysNothing))].into(),
            ..Setting::default()
        });
        world.run_until(30_000);
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{mouth:?}");
        assert!(world.longest_silence() < 8_000, "{mouth:?}: {}", world.longest_silence());
    }
}

#[test]
fn noise_without_words_is_no_turn_if_it_is_short() {
    let mut world = World::new(Setting::default());
    world.at(4_000, Action::Noise(300));
    world.run_until(6_000);
    assert!(!world.entries().any(|e| matches!(e, Entry::CallerTurn { .. })));
    assert_eq!(world.prompts(), ["greeting"]);
}

#[test]
fn a_store_that_stalls_slows_decisions_and_not_audio() {
    let mut world = World::new(Setting::default());
    world.at(3_500, Action::Store(false));
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.at(7_000, Action::Store(true));
    world.run_until(6_900);
    assert_eq!(world.prompts(), ["greeting"]);
    world.run_until(9_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
}

/// How far the filed script was heard: sentences noted, and whether that was enough.
fn script_heard(world: &World) -> (Vec<u8>, Option<bool>) {
    let heard = world
        .entries()
        .filter_map(|e| if let Entry::ScriptHeard { sentence, .. } = e { Some(*sentence) } else { None });
    let ended = world
        .entries()
        .find_map(|e| if let Entry::ScriptEnded { satisfied, .. } = e { Some(*satisfied) } else { None });
    (heard.collect(), ended)
}

#[test]
fn a_filed_script_is_read_and_each_sentence_noted_once_it_was_heard() {
    let mut world = World::new(Setting::default());
    world.at(1_500, Action::Presses('4'));
    world.run_until(14_000);
    let prompts = world.prompts();
    assert_eq!(
        &prompts[..5],
        ["greeting", "script:terms:1", "script:terms:2", "script:terms:3", "payment"],
        "{prompts:?}"
    );
    assert_eq!(script_heard(&world), (vec![1, 2, 3], Some(true)));
    let noted = world.time_of(|e| matches!(e, Entry::ScriptHeard { sentence: 1, .. })).unwrap();
    let next = world.time_of(|e| matches!(e, Entry::BotTurn { prompt, .. } if prompt == "script:terms:2")).unwrap();
    assert!(noted <= next, "noted at {noted} ms, the next sentence began at {next} ms");
}

#[test]
fn who_asks_for_a_person_in_a_filed_script_gets_one_and_the_journal_says_how_much_was_heard() {
    let agents = [("6001", Agent::Answers(500, Then::Accepts(500)))].into();
    let mut world = World::new(Setting { agents, ..Setting::default() });
    world.at(1_500, Action::Presses('4'));
    world.at(2_000, Action::Presses('0'));
    world.run_until(8_000);
    assert_eq!(script_heard(&world).1, Some(false));
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
}

/// What was escalated, level by level, with reason and outcome.
fn escalated(world: &World) -> Vec<(Level, ReasonCode, Outcome)> {
    let one = |entry: &Entry| match entry {
        Entry::Escalated { level, reason, outcome } => Some((*level, *reason, outcome.clone())),
        _ => None,
    };
    world.entries().filter_map(one).collect()
}

#[test]
fn each_level_of_escalation_does_what_it_says() {
    let rung = || Outcome::Transferred { queue: "general".to_owned() };
    let table = [
        ("speak to a person please", vec![(Level::Transfer, ReasonCode::AskedForHuman, rung())], true),
        (
            "check my bill or i go to the ombudsman",
            vec![(Level::Notify, ReasonCode::Regulator, Outcome::Notified)],
            false,
        ),
        (
            "my lawyer wants to check my bill",
            vec![(Level::Notify, ReasonCode::Legal, Outcome::Notified), (Level::Notify, ReasonCode::Legal, rung())],
            true,
        ),
        ("somebody hacked my account", vec![(Level::Takeover, ReasonCode::Fraud, rung())], true),
    ];
    for (text, expected, bridged) in table {
        let agents = [("6001", Agent::Answers(500, Then::Accepts(500)))].into();
        let mut world = World::new(Setting { agents, ..Setting::default() });
        world.at(4_000, Action::Says(text, 900));
        world.run_until(12_000);
        assert_eq!(escalated(&world), expected, "{text}");
        assert_eq!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), bridged, "{text}");
        assert!(world.entries().any(|e| matches!(e, Entry::Scored(_))), "{text}");
        if let Some(rung) = world.time_of(|e| matches!(e, Entry::TransferDialling { .. })) {
            let noted = world.time_of(|e| matches!(e, Entry::Escalated { .. })).unwrap();
            assert!(noted <= rung, "written down first: {text}");
        }
    }
}
