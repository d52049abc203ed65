//! When the model is asked, what its answer does, and that nothing is lost without it.

use std::time::Duration;

use super::super::tests::{conversation, drain, turn};
use super::*;
use crate::conversation::Input;
use crate::dialplan::Plan;

/// Nothing of the demo line is near it.
const UNKNOWN: &str = "榴槤芒果火龍果";

fn terms() -> LlmTerms {
    LlmTerms {
        model: "m".to_owned(),
        budget: Duration::from_millis(800),
        max_tokens: 64,
        margin: 0.2,
        send_identity: false,
    }
}

struct Talk {
    conversation: Conversation,
    now: Instant,
}

impl Talk {
    fn begin(change: impl FnOnce(&mut Plan)) -> Self {
        let conversation = conversation(|plan| {
            plan.work.llm.ask = true;
            change(plan);
        });
        let mut talk = Self { conversation: conversation.with_llm(Some(terms())), now: Instant::now() };
        talk.give(Input::Started(std::time::UNIX_EPOCH.into()));
        talk
    }

    fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        self.conversation.handle(self.now, input);
        drain(&mut self.conversation)
    }

    fn hear(&mut self, text: &str) -> Vec<Output> {
        self.give(Input::Turn(&turn(text)))
    }

    fn answer(&mut self, id: u32, text: &str) -> Vec<Output> {
        let outcome = LlmOutcome::Answered(text.into());
        self.give(Input::Llm(&LlmReply { id: LlmId(id), outcome, ms: 120 }))
    }
}

fn asked(outputs: &[Output]) -> Option<&LlmRequest> {
    outputs.iter().find_map(|output| if let Output::AskLlm(request) = output { Some(&**request) } else { None })
}

/// The rule and the evidence of the decision among these.
fn decided(outputs: &[Output]) -> (String, String) {
    let decided = outputs.iter().find_map(|output| match output {
        Output::Note(Entry::Decided(decision)) => Some((decision.rule.clone(), decision.evidence.clone())),
        _ => None,
    });
    decided.unwrap_or_else(|| panic!("nothing decided: {outputs:?}"))
}

fn failure(outputs: &[Output]) -> Option<LlmFailure> {
    outputs.iter().find_map(|output| match output {
        Output::Note(Entry::LlmAnswered { failure, .. }) => failure.clone(),
        _ => None,
    })
}

#[test]
fn it_is_asked_only_where_the_line_is_unsure_and_only_where_both_sides_allow_it() {
    let mut talk = Talk::begin(|_| {});
    assert!(asked(&talk.hear("我想查詢我張單")).is_none(), "a sure turn is answered at once");
    assert!(asked(&talk.hear("我要搵真人")).is_none());
    let mut talk = Talk::begin(|_| {});
    let outputs = talk.hear(UNKNOWN);
    let request = asked(&outputs).expect("asked");
    assert_eq!((request.said.reveal().as_str(), request.budget), (UNKNOWN, Duration::from_millis(800)));
    let noted =
        |output: &Output| matches!(output, Output::Note(Entry::LlmAsked { because, .. }) if because == "no_match");
    assert!(outputs.iter().any(noted));
    let waits = |output: &Output| matches!(output, Output::Note(_) | Output::AskLlm(_));
    assert!(outputs.iter().all(waits), "nothing is said yet: {outputs:?}");
    assert_eq!(talk.conversation.deadline(), Some((talk.now + Duration::from_millis(800), super::super::Why::Llm)));
    let mut closed = Talk::begin(|plan| plan.work.llm.ask = false);
    assert!(asked(&closed.hear(UNKNOWN)).is_none(), "the plan does not ask");
}

#[test]
fn its_command_goes_the_way_of_every_command() {
    let table = [
        (r#"{"command":"start_flow","intent":"bill"}"#, "intent:bill"),
        (r#"{"command":"answer","entry":"voicemail"}"#, "knowledge:voicemail"),
        (r#"{"command":"repeat"}"#, "repeat"),
        (r#"{"command":"handoff","level":"transfer","reason":"asked_for_human"}"#, "asked_for_human"),
    ];
    for (text, rule) in table {
        let mut talk = Talk::begin(|_| {});
        talk.hear(UNKNOWN);
        let outputs = talk.answer(1, text);
        let (found, evidence) = decided(&outputs);
        assert_eq!(found, rule, "{text}");
        assert!(rule == "asked_for_human" || evidence.contains("by model m"), "{evidence}");
        assert_eq!(failure(&outputs), None);
    }
}

#[test]
fn whatever_it_does_wrong_the_embedded_understanding_decides() {
    let table = [
        ("{\"command\":\"no_match\"}", None),
        (
            "{\"command\":\"start_flow\",\"intent\":\"wire_money\"}",
            Some(LlmFailure::NotThere { name: "wire_money".to_owned() }),
        ),
        ("{\"command\":\"start_flow\",", Some(LlmFailure::NoCommand)),
        ("sure, I can help", Some(LlmFailure::NoCommand)),
        ("{\"command\":\"affirm\"}", Some(LlmFailure::NoCommand)),
    ];
    for (text, expected) in table {
        let mut talk = Talk::begin(|_| {});
        talk.hear(UNKNOWN);
        let outputs = talk.answer(1, text);
        assert_eq!((decided(&outputs).0, failure(&outputs)), ("no_match:1".to_owned(), expected), "{text}");
    }
}

#[test]
fn a_late_answer_is_ignored_and_the_caller_has_been_answered_in_time() {
    let mut talk = Talk::begin(|_| {});
    talk.hear(UNKNOWN);
    talk.now += Duration::from_millis(799);
    assert!(talk.give(Input::Timeout).is_empty());
    talk.now += Duration::from_millis(1);
    let outputs = talk.give(Input::Timeout);
    assert_eq!((decided(&outputs).0.as_str(), failure(&outputs)), ("no_match:1", Some(LlmFailure::Late)));
    assert!(outputs.iter().any(|output| matches!(output, Output::Say(_))));
    assert!(talk.answer(1, r#"{"command":"start_flow","intent":"bill"}"#).is_empty(), "too late");
}

#[test]
fn who_speaks_or_presses_meanwhile_is_answered_at_once() {
    let mut talk = Talk::begin(|_| {});
    talk.hear(UNKNOWN);
    let outputs = talk.hear("我想查詢我張單");
    assert_eq!((failure(&outputs), decided(&outputs).0.as_str()), (Some(LlmFailure::Overtaken), "intent:bill"));
    assert!(talk.answer(1, r#"{"command":"repeat"}"#).is_empty());
    let mut talk = Talk::begin(|_| {});
    talk.hear(UNKNOWN);
    assert!(talk.give(Input::NoInput).is_empty(), "it is for us to speak");
    let outputs = talk.give(Input::Digit('0'));
    assert!(outputs.iter().any(|output| matches!(output, Output::Escalate { .. })), "{outputs:?}");
}

#[test]
fn a_caller_who_wants_none_is_asked_about_no_more() {
    for words in ["唔好用 AI 答我", "please don't use AI"] {
        let mut talk = Talk::begin(|_| {});
        let outputs = talk.hear(words);
        assert!(outputs.contains(&Output::Note(Entry::LlmDeclined)), "{words}: {outputs:?}");
        assert!(asked(&outputs).is_none());
        assert!(asked(&talk.hear(UNKNOWN)).is_none());
    }
}

#[test]
fn one_call_asks_so_often_and_no_oftener() {
    let mut talk = Talk::begin(|plan| plan.escalation.unresolved = 200);
    let mut questions = 0;
    for id in 1..=2 * llm::MOST_ASKED {
        questions += u32::from(asked(&talk.hear(UNKNOWN)).is_some());
        talk.answer(id, r#"{"command":"repeat"}"#);
    }
    assert_eq!(questions, llm::MOST_ASKED);
}

#[test]
fn its_own_words_are_said_only_where_the_plan_has_free_wording() {
    let text = r#"{"command":"chit_chat","intent":"thanks","say":"唔使客氣，仲有咩可以幫到你？"}"#;
    for free_wording in [false, true] {
        let mut talk = Talk::begin(|plan| plan.work.llm.free_wording = free_wording);
        talk.hear(UNKNOWN);
        let outputs = talk.answer(1, text);
        let freely = outputs.iter().any(|output| matches!(output, Output::Say(say) if say.prompt == WORDS));
        assert_eq!(freely, free_wording, "{outputs:?}");
        assert_eq!(decided(&outputs).0, if free_wording { "llm:words" } else { "no_match:1" });
    }
}

#[test]
fn every_answer_that_the_grammar_allows_is_a_command_that_may_be_chosen() {
    let plan = crate::dialplan::demo::plan();
    let day = jiff::civil::date(2026, 3, 4);
    let told = Instructions::of(&plan, day);
    let shapes = told.schema["anyOf"].as_array().unwrap();
    assert!(shapes.len() > 10, "{shapes:?}");
    for shape in shapes {
        let value = |schema: &serde_json::Value| match (&schema["const"], &schema["enum"]) {
            (serde_json::Value::Null, serde_json::Value::Array(names)) => names[0].clone(),
            (serde_json::Value::Null, _) => {
                serde_json::json!([schema["items"]["enum"][0], schema["items"]["enum"][1]])
            }
            (constant, _) => constant.clone(),
        };
        let fields = shape["properties"].as_object().unwrap();
        let text =
            serde_json::Value::Object(fields.iter().map(|(name, schema)| (name.clone(), value(schema))).collect());
        answer::read(&text.to_string(), &plan, day).unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
    }
}
