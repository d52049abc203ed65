//! Scripts are heard as they were filed, whatever the caller does; and the journal says what was heard.
#![allow(clippy::disallowed_methods, reason = "a test begins somewhere in time")]

use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::*;
use crate::conversation::{Input, Understanding, scenario};
use crate::dialplan::{Plan, demo, read_plan};
use crate::ids::UtteranceId;
use crate::redact::Redacted;
use crate::settings::Problems;
use crate::speech::Transcript;

const SCRIPT: &str = r#"
version = "2026-02"
approved_by = "Compliance"
approved_at = "2026-02-01"
valid_from = "2026-03-01"
must_hear = 2
then = "say:go_ahead"
yue = ["計劃合約期係二十四個月。", "提早終止要繳付餘下月費。", "詳情請睇網頁。"]
cmn = ["合约期是二十四个月。", "提早终止需要缴付余下月费。", "详情请看网页。"]
eng = ["The contract runs for twenty-four months.", "If you end it early, the remaining fees are due.", "The details are on our website."]
"#;

fn plan_of(script: &str) -> Plan {
    let mut files = demo::files();
    let text = files.files["plan.toml"].replace("\"say:plan_change\"", "\"script:terms\"");
    files.files.insert("plan.toml".to_owned(), text);
    files.files.insert("scripts/terms.toml".to_owned(), script.to_owned());
    let (problems, warnings) = (Problems::default(), Problems::default());
    read_plan(&files, &problems, &warnings).unwrap_or_else(|| panic!("{}", problems.report()))
}

fn mind() -> Arc<Understanding> {
    static MIND: OnceLock<Arc<Understanding>> = OnceLock::new();
    Arc::clone(MIND.get_or_init(|| Arc::new(Understanding::train(&demo::plan()))))
}

fn play(script: &str, steps: &str) -> String {
    let problems = Problems::default();
    scenario::run(&Arc::new(plan_of(script)), &mind(), "x.txt", steps, Instant::now(), &problems);
    problems.report()
}

#[test]
fn a_script_is_read_to_its_end_and_leads_on() {
    let steps = "caller 我想轉plan\nbot 計劃合約期\ndecision prompt=script:terms:1\nbot 提早終止\nbot 詳情請睇網頁\nbot @go_ahead\n\
        decision answer script:terms:heard prompt=go_ahead";
    assert_eq!(play(SCRIPT, steps), "");
}

#[test]
fn who_speaks_over_a_sentence_that_must_be_heard_hears_it_again() {
    let steps = "caller 我想轉plan\nbot 計劃合約期\nbot 提早終止\ninterrupts 得喇得喇我知\nbot 提早終止要繳付餘下月費\n\
        decision answer script:terms:again prompt=script:terms:2\nbot 詳情請睇網頁\ninterrupts 我想查詢我張單\nbot @bill\ndecision intent:bill";
    assert_eq!(play(SCRIPT, steps), "", "the third need not be heard");
}

#[test]
fn a_script_never_keeps_a_caller_from_a_person_nor_in_a_loop() {
    let human = "caller 我想轉plan\nbot 計劃合約期\ninterrupts 我要搵真人\nbot @transferring\ndecision escalate asked_for_human";
    assert_eq!(play(SCRIPT, human), "");
    assert_eq!(play(SCRIPT, "caller 我想轉plan\ndigit 0\ndecision escalate key:0"), "", "after it was read, too");
    let again = "interrupts 唔使讀\ndecision script:terms:again\n".repeat(3);
    let steps = format!(
        "caller 我想轉plan\nbot 計劃合約期\n{again}interrupts 唔使讀\ndecision escalate script:terms:not_heard\n"
    );
    assert_eq!(play(SCRIPT, &steps), "");
}

#[test]
fn another_language_has_it_from_the_beginning_in_its_own_words() {
    let steps = "caller 我想轉plan\nbot 計劃合約期\nbot 提早終止\ninterrupts english please\nbot The contract runs\n\
        decision asked_for_language language=eng\nbot If you end it early\nlanguage eng";
    assert_eq!(play(SCRIPT, steps), "");
}

#[test]
fn a_script_that_is_not_in_force_is_not_spoken_in_other_words() {
    let not_yet = SCRIPT.replace("2026-03-01", "2026-03-05");
    let steps = "caller 我想轉plan\nbot @transferring\ndecision escalate intent:plan_change:not_in_force";
    assert_eq!(play(&not_yet, steps), "");
    assert_eq!(play(&not_yet, "at 2026-03-05T00:01\ncaller 我想轉plan\nbot 計劃合約期"), "");
    let unapproved = SCRIPT.replace("approved_by = \"Compliance\"\napproved_at = \"2026-02-01\"\n", "");
    assert_eq!(play(&unapproved, steps), "");
}

fn turn(text: &str) -> Transcript {
    let text = Redacted::from(text);
    Transcript { utterance: UtteranceId(1), text, language: None, confidence: 1.0, tags: Default::default() }
}

fn heard(inputs: &[Input<'_>]) -> Vec<String> {
    let mut conversation = Conversation::new(Arc::new(plan_of(SCRIPT)), mind());
    let now = Instant::now();
    conversation.handle(now, Input::Started((UNIX_EPOCH + Duration::from_secs(1_772_607_600)).into()));
    let wish = turn("我想轉plan");
    conversation.handle(now, Input::Turn(&wish));
    for input in inputs {
        conversation.handle(now, input.clone());
    }
    let outputs = std::iter::from_fn(|| conversation.poll());
    outputs
        .filter_map(|output| match output {
            Output::Note(Entry::ScriptHeard { script, version, sentence, of, .. }) => {
                Some(format!("{script} {version} {sentence}/{of}"))
            }
            Output::Note(Entry::ScriptEnded { heard, of, must, satisfied, .. }) => {
                Some(format!("ended {heard}/{of} must {must} {satisfied}"))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn the_journal_has_each_sentence_with_the_version_and_what_came_of_it() {
    let whole = [Input::SpokenToEnd, Input::SpokenToEnd, Input::SpokenToEnd];
    let all = ["terms 2026-02 1/3", "terms 2026-02 2/3", "terms 2026-02 3/3", "ended 3/3 must 2 true"];
    assert_eq!(heard(&whole), all);
    let broken = [Input::SpokenToEnd, Input::BrokenOff, Input::SpokenToEnd, Input::SpokenToEnd];
    assert_eq!(heard(&broken), all, "what the synthesiser broke off was not heard");
    assert_eq!(heard(&[Input::SpokenToEnd, Input::Digit('0')]), ["terms 2026-02 1/3", "ended 1/3 must 2 false"]);
    let never: Vec<Input<'_>> = std::iter::repeat_n(Input::BrokenOff, 9).collect();
    assert_eq!(heard(&never), ["ended 0/3 must 2 false"]);
    let yes = turn("嗯係");
    let over = [Input::SpokenOver(&yes), Input::SpokenToEnd, Input::SpokenOver(&yes), Input::SpokenToEnd];
    assert_eq!(heard(&over), all[..2], "a yes that stops nothing begins nothing anew");
    let human = turn("我要搵真人");
    assert_eq!(heard(&[Input::SpokenOver(&human)]), ["ended 0/3 must 2 false"]);
    assert_eq!(heard(&[Input::NoInput, Input::SpokenToEnd]), ["terms 2026-02 1/3"], "a cough and silence");
}

/// The demo line with its plan changed, and a script; what is wrong with it, if anything.
fn changed(script: &str, changes: &[(&str, &str)]) -> Result<Plan, String> {
    let mut files = demo::files();
    let mut text = files.files["plan.toml"].clone();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    files.files.insert("plan.toml".to_owned(), text);
    files.files.insert("scripts/terms.toml".to_owned(), script.to_owned());
    let (problems, warnings) = (Problems::default(), Problems::default());
    read_plan(&files, &problems, &warnings).ok_or_else(|| problems.report())
}

#[test]
fn a_workflow_may_lead_to_a_script() {
    let leads = |name: &str| changed(SCRIPT, &[("fail = \"go:general\"", &format!("fail = \"script:{name}\""))]);
    let plan = Arc::new(leads("terms").unwrap());
    let problems = Problems::default();
    let steps = "digit 4\nbot @visit_number\ndigits 91234567\ntool free_visit fails\nbot 計劃合約期\nbot 提早終止\nbot @go_ahead";
    scenario::run(&plan, &mind(), "x.txt", steps, Instant::now(), &problems);
    assert_eq!(problems.report(), "");
    let report = leads("term").unwrap_err();
    assert!(report.contains("no scripts/term.toml in this plan"), "{report}");
}

#[test]
fn what_an_intent_has_filled_is_not_known_where_a_script_leads_on() {
    let number = "[[workflow.visit.steps]]\nname = \"number\"\nask = { name = \"number\", kind = \"phone\", ask = \"visit_number\" }\n";
    let filled = "[intent.visit]\nthen = \"run:visit\"\n\n[[intent.visit.slots]]\nname = \"number\"\nkind = \"phone\"\nask = \"visit_number\"\n";
    let changes = [
        (number, ""),
        ("then = \"step:number\"\nat_most = 1\nafter = \"go:general\"", "then = \"go:general\""),
        ("[intent.visit]\nthen = \"run:visit\"\n", filled),
        ("4 = \"run:visit\", ", ""),
        ("\"say:plan_change\"", "\"script:terms\""),
    ];
    changed(SCRIPT, &changes).unwrap();
    let report = changed(&SCRIPT.replace("say:go_ahead", "run:visit"), &changes).unwrap_err();
    assert!(report.contains("number"), "{report}");
}

#[test]
fn mistakes_in_scripts_are_named() {
    let table = [
        ("version = \"2026-02\"\n", "", "missing key 'version'"),
        ("must_hear = 2", "must_hear = 4", "4 sentences must be heard of 3"),
        (", \"详情请看网页。\"", "", "cmn: has 2 sentences, another language 3"),
        ("二十四個月", "{months}", "a filed script has no fields"),
        ("then = \"say:go_ahead\"", "then = \"script:terms\"", "a script leads to no other script"),
        ("then = \"say:go_ahead\"", "then = \"say:gone\"", "scripts/terms: no prompts file has 'gone'"),
        ("must_hear", "must_here", "unknown key 'must_here'"),
    ];
    for (from, to, expected) in table {
        let mut files = demo::files();
        assert!(SCRIPT.contains(from), "{from}");
        let text = files.files["plan.toml"].replace("\"say:plan_change\"", "\"script:term\"");
        files.files.insert("plan.toml".to_owned(), text);
        files.files.insert("scripts/terms.toml".to_owned(), SCRIPT.replacen(from, to, 1));
        let (problems, warnings) = (Problems::default(), Problems::default());
        assert!(read_plan(&files, &problems, &warnings).is_none());
        let report = problems.report();
        assert!(report.contains(expected), "{report}, expected {expected}");
        assert!(report.contains("no scripts/term.toml in this plan") || to.is_empty(), "{report}");
    }
}
