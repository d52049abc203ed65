//! What holds for every conversation, whatever is thrown at it; single dialogues are scenarios of the demo line.
#![allow(clippy::disallowed_methods, reason = "a test begins somewhere in time")]

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::dialplan::demo;
use crate::ids::UtteranceId;
use crate::journal::Act;
use crate::redact::Redacted;

pub(super) fn conversation(change: impl FnOnce(&mut Plan)) -> Conversation {
    static MIND: OnceLock<Arc<Understanding>> = OnceLock::new();
    let mut plan = demo::plan();
    let mind = Arc::clone(MIND.get_or_init(|| Arc::new(Understanding::train(&plan))));
    change(&mut plan);
    Conversation::new(Arc::new(plan), mind)
}

pub(super) fn turn(text: &str) -> Transcript {
    Transcript {
        utterance: UtteranceId(1),
        text: Redacted::from(text),
        language: None,
        confidence: 1.0,
        tags: Default::default(),
    }
}

pub(super) fn drain(conversation: &mut Conversation) -> Vec<Output> {
    std::iter::from_fn(|| conversation.poll()).collect()
}

fn started(change: impl FnOnce(&mut Plan)) -> Conversation {
    let mut conversation = conversation(change);
    conversation.handle(Instant::now(), Input::Started(UNIX_EPOCH.into()));
    drain(&mut conversation);
    conversation
}

#[test]
fn a_greeting_with_the_recording_notice_is_heard_out() {
    for hear_out in [true, false] {
        let mut conversation = conversation(|plan| plan.dialogue.hear_greeting_out = hear_out);
        conversation.handle(Instant::now(), Input::Started(UNIX_EPOCH.into()));
        let says: Vec<_> = drain(&mut conversation)
            .into_iter()
            .filter_map(|output| if let Output::Say(say) = output { Some((say.prompt, say.barge_in)) } else { None })
            .collect();
        assert_eq!(says[0], ("greeting".to_owned(), !hear_out));
        assert!(says[1..].iter().all(|(_, barge_in)| *barge_in), "what follows may be spoken over: {says:?}");
    }
}

/// xorshift, so that a failing run can be run again.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn whatever_happens_it_decides_before_it_speaks_and_ends_by_speaking() {
    let said = [
        "我想查詢我張單",
        "我屋企上唔到網",
        "九一二三四五六七",
        "唔啱",
        "啱",
        "冇喇",
        "转人工",
        "english please",
        "",
        "魚蛋燒賣",
        "no that is all",
    ];
    let now = Instant::now();
    for seed in 1..200_u64 {
        let mut seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut conversation = started(|_| {});
        let (mut over, mut transferring) = (false, false);
        for step in 0..60 {
            let transcript = turn(said[random(&mut seed) as usize % said.len()]);
            let quiet = matches!(conversation.phase, Phase::Closing | Phase::Done | Phase::Transferring { .. });
            let (input, must_speak) = match random(&mut seed) % 9 {
                0..=2 => (Input::Turn(&transcript), !quiet),
                3 => (Input::Digit(['0', '1', '5', '#', '*', '9'][random(&mut seed) as usize % 6]), false),
                4 => (Input::NoInput, false),
                5 => (Input::SpokenToEnd, false),
                6 => (Input::TransferFailed { failure: TransferFailure::Busy }, transferring),
                7 => (Input::RecogniserLost, !quiet),
                _ => (Input::Timeout, false),
            };
            let shown = format!("{input:?}");
            conversation.handle(now + Duration::from_secs(5 * step), input);
            let outputs = drain(&mut conversation);
            assert!(!over || outputs.is_empty(), "after the end: {outputs:?}");
            let decided = outputs.iter().position(|o| matches!(o, Output::Note(Entry::Decided(_))));
            let spoke = outputs.iter().position(|o| matches!(o, Output::Say(_)));
            assert!(spoke.is_none() || decided < spoke, "{shown}: {outputs:?}");
            assert!(!must_speak || spoke.is_some(), "{shown}: silence");
            if outputs.iter().any(|o| matches!(o, Output::Escalate { .. })) {
                assert!(spoke.is_some());
            }
            transferring = matches!(conversation.phase, Phase::Transferring { .. });
            over |= outputs.contains(&Output::HangUp);
            assert!(outputs.len() < 10 && conversation.memory.wanted.len() <= 8);
        }
        // Left alone, every conversation reaches a human or a goodbye.
        for _ in 0..40 {
            conversation.handle(now, Input::TransferFailed { failure: TransferFailure::NoAnswer });
            conversation.handle(now + Duration::from_secs(600), Input::Timeout);
            conversation.handle(now, Input::NoInput);
            conversation.handle(now, Input::SpokenToEnd);
            over |= drain(&mut conversation).contains(&Output::HangUp);
        }
        assert!(over, "never ended");
    }
}

#[test]
fn a_closed_line_says_so_and_in_the_end_says_goodbye() {
    let mut conversation = started(|plan| {
        plan.hours = Some(crate::dialplan::calendar::Calendar::weekly(vec!["mon 09:00-09:01".parse().unwrap()], 480));
    });
    let mut rules = Vec::new();
    for _ in 0..4 {
        conversation.handle(Instant::now(), Input::Turn(&turn("我要搵真人")));
        rules.extend(drain(&mut conversation).into_iter().filter_map(|output| match output {
            Output::Note(Entry::Decided(decision)) => Some((decision.rule, decision.act)),
            _ => None,
        }));
    }
    let closed = ("asked_for_human:closed".to_owned(), Act::Answer { prompt: "closed".to_owned() });
    let last = ("asked_for_human:gave_up".to_owned(), Act::Goodbye { prompt: "gave_up".to_owned() });
    assert_eq!(rules, vec![closed.clone(), closed.clone(), closed, last]);
}

#[test]
fn the_language_of_a_turn_is_judged_without_a_trace() {
    let conversation = started(|_| {});
    assert_eq!(conversation.language_of(&turn("i want to check my bill")), Language::English);
    assert_eq!(conversation.language(), Language::Cantonese);
    let only_cantonese = started(|plan| plan.languages = vec![Language::Cantonese]);
    assert_eq!(only_cantonese.language_of(&turn("i want to check my bill")), Language::Cantonese);
}

#[test]
fn keys_pause_is_the_only_deadline_and_is_kept() {
    let mut conversation = started(|_| {});
    let now = Instant::now();
    assert_eq!(conversation.deadline(), None);
    conversation.handle(now, Input::Turn(&turn("我屋企上唔到網")));
    drain(&mut conversation);
    conversation.handle(now, Input::Digit('9'));
    assert_eq!(conversation.deadline(), Some((now + Duration::from_secs(4), Why::KeysPaused)));
    conversation.handle(now + Duration::from_secs(3), Input::Timeout);
    assert!(drain(&mut conversation).is_empty());
    conversation.handle(now + Duration::from_secs(4), Input::Timeout);
    assert!(!drain(&mut conversation).is_empty());
    assert_eq!(conversation.deadline(), None);
}

#[test]
fn nothing_personal_is_in_a_decision() {
    let mut conversation = started(|_| {});
    for text in ["我屋企上唔到網", "九一二三四五六七", "係"] {
        conversation.handle(Instant::now(), Input::Turn(&turn(text)));
    }
    for output in drain(&mut conversation) {
        if let Output::Note(entry) = output {
            let shown = serde_json::to_string(&entry).unwrap();
            assert!(!shown.contains("91234567") && !shown.contains("九一二三"), "{shown}");
        }
    }
}

/// The demo line asks for these slots after "my internet is down" in place of the telephone number.
fn asks(slot: &str) -> Conversation {
    let mut files = demo::files();
    let plain = "name = \"number\"\nkind = \"phone\"\nask = \"fault_number\"\nconfirm = \"fault_confirm\"";
    let text = files.files["plan.toml"].clone();
    assert!(text.contains(plain));
    // The workflow that asks for a value of this name asks for the same kind.
    let kind = slot.lines().next().unwrap();
    let text = text.replace("kind = \"phone\", ask = \"visit_number\"", &format!("{kind}, ask = \"visit_number\""));
    let slot = format!("name = \"number\"\n{slot}\nask = \"fault_number\"\nconfirm = \"fault_confirm\"");
    files.files.insert("plan.toml".to_owned(), text.replace(plain, &slot));
    let problems = crate::settings::Problems::default();
    let plan = crate::dialplan::read_plan(&files, &problems, &crate::settings::Problems::default());
    let plan = plan.unwrap_or_else(|| panic!("{}", problems.report()));
    let mut conversation = started(|old| *old = plan);
    conversation.handle(Instant::now(), Input::Turn(&turn("我屋企上唔到網")));
    drain(&mut conversation);
    conversation
}

fn hear(conversation: &mut Conversation, text: &str) -> (String, String) {
    conversation.handle(Instant::now(), Input::Turn(&turn(text)));
    let (mut rule, mut said) = (String::new(), String::new());
    for output in drain(conversation) {
        match output {
            Output::Note(Entry::Decided(decision)) => rule = decision.rule,
            Output::Say(say) => said = say.text,
            Output::Note(_) | Output::Ask(_) | Output::AskLlm(_) | Output::Escalate { .. } | Output::HangUp => {}
        }
    }
    (rule, said)
}

#[test]
fn a_value_is_read_back_corrected_and_confirmed() {
    // Calls of these tests begin on 1 January 1970, a Thursday.
    let mut conversation = asks("kind = \"date:future\"");
    let (rule, said) = hear(&mut conversation, "聽日啦");
    assert!(rule == "slot:number" && said.contains("一月二號，星期五"), "{rule} {said}");
    let (rule, said) = hear(&mut conversation, "唔係，係後日");
    assert!(rule == "slot:number" && said.contains("一月三號，星期六"), "{rule} {said}");
    let (rule, _) = hear(&mut conversation, "係，後日");
    assert_eq!(rule, "slot:number:confirmed", "the same day again is a yes");
}

#[test]
fn what_cannot_be_said_is_asked_for_by_keys() {
    let mut conversation = asks("kind = \"code:HT######\"\nkeys = \"wait\"");
    let keys = demo::plan().prompts.get("wait", Language::Cantonese).map(str::to_owned).unwrap();
    let (rule, said) = hear(&mut conversation, "嗰個咩嘢呢");
    assert_eq!((rule.as_str(), said), ("slot:number:missed", keys));
    for key in "204512".chars() {
        conversation.handle(Instant::now(), Input::Digit(key));
    }
    let said = drain(&mut conversation).into_iter().find_map(|output| match output {
        Output::Say(say) => Some(say.text),
        _ => None,
    });
    assert!(said.as_ref().is_some_and(|text| text.contains("H T 二零四五，一二")), "{said:?}");
}

#[test]
fn a_card_number_is_written_down_nowhere() {
    let mut conversation = asks("kind = \"card\"");
    assert!(conversation.asks_for_card(), "keys are hidden");
    let said = turn("係四一一一 一一一一 一一一一 一一一一");
    assert_eq!(conversation.kept(&said).text.reveal(), "係•••••••••••• 一一一一");
    assert_eq!(conversation.kept(&turn("四一一一 一一一一")).text.reveal(), "•••• 一一一一", "a part of it, too");
    conversation.handle(Instant::now(), Input::Turn(&said));
    let all = format!("{:?}", drain(&mut conversation));
    assert!(all.contains("尾數一一一一") && !all.contains("4111"), "{all}");
    conversation.handle(Instant::now(), Input::Digit('0'));
    let all = format!("{:?}", drain(&mut conversation));
    assert!(all.contains("Escalate") && !all.contains("四一一一"), "the agent's briefing: {all}");
    let elsewhere = started(|_| {});
    assert!(!elsewhere.asks_for_card());
    let kept = elsewhere.kept(&turn("my card is 4111 1111 1111 1111"));
    assert!(kept.text.reveal().ends_with("1111") && !kept.text.reveal().contains("4111"), "{}", kept.text.reveal());
}

/// A conversation in the middle of each thing that it can be in the middle of, with its name.
fn everywhere() -> Vec<(&'static str, Conversation)> {
    let at = |said: &[&str], keys: &str| {
        let mut conversation = started(|_| {});
        for text in said {
            conversation.handle(Instant::now(), Input::Turn(&turn(text)));
            conversation.handle(Instant::now(), Input::SpokenToEnd);
        }
        keys.chars().for_each(|key| conversation.handle(Instant::now(), Input::Digit(key)));
        drain(&mut conversation);
        conversation
    };
    let mut closing = started(|_| {});
    closing.handle(Instant::now(), Input::Turn(&turn("拜拜")));
    let mut reading = at(&[], "");
    reading.phase = Phase::Reading(Reading::default());
    drain(&mut closing);
    let terms = crate::conversation::LlmTerms {
        model: "m".to_owned(),
        budget: Duration::from_millis(800),
        max_tokens: 64,
        margin: 0.2,
        send_identity: false,
    };
    let mut consulting = started(|plan| plan.work.llm.ask = true).with_llm(Some(terms));
    consulting.handle(Instant::now(), Input::Turn(&turn("榴槤芒果火龍果")));
    drain(&mut consulting);
    let all = vec![
        ("listening", at(&[], "")),
        ("filling", at(&["我屋企上唔到網"], "")),
        ("filling, read back", at(&["我屋企上唔到網", "九一二三四五六七"], "")),
        ("filling, another matter parked", at(&["i want to book a technician", "my internet is down"], "")),
        ("clarifying", at(&["去分店交費"], "")),
        ("consulting", consulting),
        ("asking", at(&["我想約師傅上門", "九一二三四五六七"], "")),
        ("reading", reading),
        ("closing", closing),
    ];
    for (name, conversation) in &all {
        // Exhaustive, so that a new phase is asked for here.
        let expected = match &conversation.phase {
            Phase::Listening => "listening",
            Phase::Filling(_) => "filling",
            Phase::Clarifying(_) => "clarifying",
            Phase::Consulting(_) => "consulting",
            Phase::Asking(_) => "asking",
            Phase::Reading(_) => "reading",
            Phase::Closing => "closing",
            Phase::Waiting | Phase::Transferring { .. } | Phase::Done => {
                panic!("{name} is in {:?}", conversation.phase)
            }
        };
        assert!(name.starts_with(expected), "{name} is in {:?}", conversation.phase);
    }
    all
}

#[test]
fn a_person_is_had_from_every_state_in_three_languages_and_by_key() {
    for text in ["我要搵真人", "转人工", "i want to speak to a person"] {
        for (name, mut conversation) in everywhere() {
            conversation.handle(Instant::now(), Input::Turn(&turn(text)));
            let outputs = drain(&mut conversation);
            let rung = outputs.iter().any(|output| matches!(output, Output::Escalate { .. }));
            let told = Entry::Escalated {
                level: crate::journal::escalation::Level::Transfer,
                reason: ReasonCode::AskedForHuman,
                outcome: crate::journal::escalation::Outcome::Transferred { queue: "general".to_owned() },
            };
            assert!(rung && outputs.contains(&Output::Note(told)), "{text} while {name}: {outputs:?}");
        }
    }
    for (name, mut conversation) in everywhere() {
        conversation.handle(Instant::now(), Input::Digit('0'));
        let outputs = drain(&mut conversation);
        assert!(outputs.iter().any(|output| matches!(output, Output::Escalate { .. })), "0 while {name}: {outputs:?}");
    }
}

#[test]
fn danger_is_heard_in_every_state_and_while_somebody_is_rung() {
    for (name, mut conversation) in everywhere() {
        conversation.handle(Instant::now(), Input::Turn(&turn("我畀人呃咗錢")));
        let outputs = drain(&mut conversation);
        assert!(outputs.iter().any(|output| matches!(output, Output::Escalate { .. })), "while {name}: {outputs:?}");
    }
    let mut ringing = started(|_| {});
    ringing.handle(Instant::now(), Input::Digit('0'));
    drain(&mut ringing);
    ringing.handle(Instant::now(), Input::Turn(&turn("我畀人呃咗錢")));
    let shown = format!("{:?}", drain(&mut ringing));
    assert!(shown.contains("Upgraded") && !shown.contains("Escalate {"), "{shown}");
}

#[test]
fn every_decision_and_every_turn_of_the_demo_line_has_a_why() {
    let plan = Arc::new(demo::plan());
    let mind = Arc::new(Understanding::train(&plan));
    let problems = crate::settings::Problems::default();
    let mut reached = crate::conversation::scenario::Reached::default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplans/demo/scenarios");
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let (name, text) = (file.display().to_string(), std::fs::read_to_string(&file).unwrap());
        reached.add(crate::conversation::scenario::run(&plan, &mind, &name, &text, Instant::now(), &problems));
    }
    assert!(problems.is_empty(), "{}", problems.report());
    assert_eq!(reached.unexplained, 0);
    assert!(reached.decisions > 150, "{}", reached.decisions);
}
