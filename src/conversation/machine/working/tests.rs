//! Workflows on a small plan of their own; whole dialogues are scenarios of the demo line.
#![allow(clippy::disallowed_methods, reason = "a test begins somewhere in time")]

use std::time::UNIX_EPOCH;

use super::*;
use crate::conversation::{Input, Say, ToolRequest, Understanding};
use crate::dialplan::{Plan, demo, read_plan};
use crate::ids::UtteranceId;
use crate::settings::Problems;
use crate::speech::Transcript;

fn plan() -> Arc<Plan> {
    Arc::new(demo::plan())
}

struct Caller {
    now: Instant,
    conversation: Conversation,
    said: Vec<Say>,
    rules: Vec<String>,
    asked: Option<ToolRequest>,
    queue: Option<String>,
}

impl Caller {
    fn new(plan: Arc<Plan>) -> Self {
        let mind = Arc::new(Understanding::train(&plan));
        let mut caller = Self {
            now: Instant::now(),
            conversation: Conversation::new(plan, mind),
            said: Vec::new(),
            rules: Vec::new(),
            asked: None,
            queue: None,
        };
        caller.give(Input::Started(UNIX_EPOCH.into()));
        caller
    }

    fn give(&mut self, input: Input<'_>) {
        (self.said, self.rules) = (Vec::new(), Vec::new());
        self.conversation.handle(self.now, input);
        while let Some(output) = self.conversation.poll() {
            match output {
                Output::Say(say) => self.said.push(say),
                Output::Note(Entry::Decided(decision)) => self.rules.push(decision.rule),
                Output::Ask(request) => self.asked = Some(*request),
                Output::Escalate { queue, .. } => self.queue = Some(queue),
                Output::Note(_) | Output::AskLlm(_) | Output::HangUp => {}
            }
        }
    }

    fn says(&mut self, text: &str) {
        let (utterance, text) = (UtteranceId(1), text.into());
        let transcript = Transcript { utterance, text, language: None, confidence: 1.0, tags: Default::default() };
        self.give(Input::Turn(&transcript));
    }

    fn answer(&mut self, body: &str) {
        let request = self.asked.take().unwrap();
        let outcome = ToolOutcome::Answered { status: 200, body: body.into() };
        self.give(Input::Tool(&ToolReply { id: request.id, tool: request.tool, outcome, ms: 5 }));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.give(Input::Timeout);
    }

    fn prompts(&self) -> Vec<&str> {
        self.said.iter().map(|say| say.prompt.as_str()).collect()
    }

    /// A visit is wanted and looked up.
    fn looking(plan: Arc<Plan>) -> Self {
        let mut caller = Self::new(plan);
        caller.says("我想約師傅上門");
        caller.says("九一二三四五六七");
        assert_eq!(caller.asked.as_ref().map(|request| request.tool.as_str()), Some("free_visit"));
        caller
    }
}

#[test]
fn the_caller_is_never_left_in_silence_while_a_tool_is_asked() {
    let mut caller = Caller::looking(plan());
    caller.wait(Duration::from_millis(799));
    assert!(caller.said.is_empty(), "a quick answer needs no filler");
    caller.wait(Duration::from_millis(1));
    assert_eq!(caller.prompts(), ["one_moment"]);
    caller.give(Input::SpokenToEnd);
    caller.wait(FILLER_AGAIN);
    assert_eq!(caller.prompts(), ["one_moment"]);
    caller.says("喂，得未呀");
    assert_eq!(caller.prompts(), ["one_moment"], "who speaks meanwhile is answered");
    caller.give(Input::NoInput);
    assert_eq!(caller.prompts(), ["one_moment"]);
    // The shell never answers: the conversation does not wait for it.
    caller.wait(Duration::from_secs(60));
    assert_eq!(
        (caller.queue.as_deref(), caller.rules.as_slice()),
        (Some("general"), &["tool_failed:free_visit".to_owned()][..])
    );
    assert!(caller.said[0].append, "the filler is not cut");
}

#[test]
fn what_was_being_said_before_the_caller_answered_is_cut_and_what_the_workflow_says_is_not() {
    let mut caller = Caller::looking(plan());
    caller.answer(r#"{"visit": "v1", "period": "morning"}"#);
    assert!(!caller.said[0].append, "a quick answer does not wait for what was being said");
    caller.give(Input::NoInput);
    assert_eq!(caller.prompts(), ["no_input_1", "visit_morning"]);
    caller.give(Input::Digit('1'));
    caller.wait(FILLER_AFTER);
    assert!(
        caller.prompts() == ["one_moment"] && !caller.said[0].append,
        "the question is not asked again after its answer"
    );
    caller.answer(r#"{"reference": "1"}"#);
    assert!(caller.prompts() == ["visit_booked"] && caller.said[0].append, "the filler is heard out");
}

#[test]
fn a_human_is_to_be_had_while_a_tool_is_asked_and_what_it_says_then_is_only_written_down() {
    for digit in [false, true] {
        let mut caller = Caller::looking(plan());
        if digit {
            caller.give(Input::Digit('0'))
        } else {
            caller.says("我要搵真人")
        }
        assert_eq!(caller.queue.as_deref(), Some("general"));
        caller.answer(r#"{"visit": "v1", "period": "morning"}"#);
        assert!(caller.said.is_empty() && caller.rules.is_empty());
    }
}

#[test]
fn nothing_is_changed_without_a_plain_yes() {
    let table = [
        ("係", true),
        ("啱呀，唔該", true),
        ("冇問題", true),
        ("yes please", true),
        ("好唔好呀", false),
        ("好，但係改做下晝", false),
        ("有冇夜晚", false),
        ("yes but not tomorrow", false),
        ("唔係", false),
        ("唔該", false),
        ("我想要平啲", false),
    ];
    for (text, books) in table {
        let mut caller = Caller::looking(plan());
        caller.answer(r#"{"visit": "v1", "period": "morning"}"#);
        assert_eq!(caller.prompts(), ["visit_morning"]);
        assert!(!caller.said[0].barge_in, "what is agreed to is heard to its end");
        caller.says(text);
        let asked = caller.asked.as_ref().map(|request| request.tool.as_str());
        assert_eq!(asked, books.then_some("book_visit"), "{text}: {:?}", caller.rules);
        if text.starts_with('好') {
            assert_eq!(caller.prompts(), ["visit_morning"], "{text}: asked again, and the visit is not forgotten");
        }
    }
}

#[test]
fn a_plan_that_was_not_checked_still_changes_nothing_and_says_no_gap() {
    let mut unsafe_plan = demo::plan();
    let steps = &mut unsafe_plan.work.workflows.get_mut("visit").unwrap().steps;
    steps.retain(|step| {
        !matches!(step.act, StepAct::Confirm { .. } | StepAct::When { .. } | StepAct::Then { limit: None, .. })
    });
    let mut caller = Caller::looking(Arc::new(unsafe_plan));
    caller.answer(r#"{"visit": "v1", "period": "morning"}"#);
    assert_eq!(caller.rules, ["workflow:visit:unconfirmed"]);
    assert!(caller.asked.is_none() && caller.queue.is_some());

    let mut gap = demo::plan();
    let tool = gap.work.tools.get_mut("book_visit").unwrap();
    tool.results.clear();
    let mut caller = Caller::looking(Arc::new(gap));
    caller.answer(r#"{"visit": "v1", "period": "morning"}"#);
    caller.says("係");
    caller.answer("{}");
    assert!(caller.rules[0].ends_with(":unbound:reference"), "{:?}", caller.rules);
    assert!(caller.queue.is_some() && caller.said.iter().all(|say| !say.text.contains('{')));
}

#[test]
fn a_loop_ends_where_its_limit_says() {
    let mut caller = Caller::new(plan());
    caller.says("我想約師傅上門");
    for _ in 0..2 {
        caller.says("九一二三四五六七");
        caller.answer(r#"{"visit": "v1", "period": "afternoon"}"#);
        assert_eq!(caller.queue, None);
        caller.says("唔係");
    }
    assert_eq!(caller.queue.as_deref(), Some("general"));
}

/// Problems of the demo line after one replacement in its plan.
fn report(from: &str, to: &str) -> String {
    let mut files = demo::files();
    let text = files.files["plan.toml"].clone();
    assert!(text.contains(from), "no {from}");
    files.files.insert("plan.toml".to_owned(), text.replacen(from, to, 1));
    let (problems, warnings) = (Problems::default(), Problems::default());
    read_plan(&files, &problems, &warnings);
    problems.report() + &warnings.report()
}

#[test]
fn check_proves_what_a_workflow_must_not_do() {
    let table = [
        ("fail = \"go:general\"\n", "", "missing key 'fail'"),
        ("no = \"step:other\"\n", "no = \"step:number\"\n", "goes back without a limit"),
        ("at_most = 1\nafter = \"go:general\"\n", "", "workflow.visit step other: goes back without a limit"),
        ("after = \"go:general\"\n", "after = \"step:number\"\n", "goes back without a limit"),
        ("confirm = \"visit_morning\"\nno = \"step:other\"", "say = \"visit_morning\"", "without the caller's yes"),
        (
            "confirm = \"visit_morning\"",
            "confirm = \"one_moment\"",
            "sends 'number', which the confirm step does not read back",
        ),
        ("period = \"/period\"", "period = \"/period?\"", "'period' has no value here; there is a way"),
        (
            "reference = \"/reference\"",
            "reference = \"/reference?\"",
            "'visit_booked' has {reference}, which has no value on every way",
        ),
        (
            "when = \"period == 'morning'\"",
            "when = \"perod == 'morning'\"",
            "'perod' has no value here; nearest: 'period'",
        ),
        ("when = \"period == 'morning'\"", "when = \"period is morning\"", "expected == != < <= > or >="),
        ("then = \"step:morning\"", "then = \"step:mornig\"", "no step 'mornig' in this plan; nearest: 'morning'"),
        (
            "then = \"step:morning\"",
            "then = \"step:afternoon\"",
            "workflow.visit step morning: nobody comes to this step",
        ),
        ("tool = \"book_visit\"", "tool = \"book_vist\"", "no tool 'book_vist' in this plan; nearest: 'book_visit'"),
        ("then = \"run:visit\"", "then = \"run:vist\"", "no workflow 'vist' in this plan; nearest: 'visit'"),
        ("then = \"say:visit_booked\"", "then = \"run:visit\"", "a workflow does not run another"),
        ("Bearer {secret:token}", "Bearer 12345", "a secret does not stand in a plan"),
        ("Bearer {secret:token}", "Bearer {number}", "holds no values of a caller"),
        ("method = \"POST\"\n", "method = \"POST\"\nretries = 1\n", "POST is not tried again"),
        ("\"phone\": \"{number}\"", "\"phone\": \"{nummer}\"", "'nummer' has no value here; nearest: 'number'"),
        ("\"/visits/free", "\"//evil/visits", "expected a path that begins with one '/'"),
        (
            "then = \"say:bill\"",
            "then = \"say:visit_booked\"",
            "'visit_booked' has {reference}, which has no value there",
        ),
    ];
    for (from, to, expected) in table {
        let report = report(from, to);
        assert!(report.contains(expected), "{from} -> {to}: {report}");
    }
}
