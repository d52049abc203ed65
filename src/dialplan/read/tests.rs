//! Every mistake in a dialplan and the message that names it.

use super::*;
use crate::dialplan::demo;

/// Problems and warnings of the demo line after one replacement in one file; an empty replacement of the whole removes it.
fn report(path: &str, from: &str, to: &str) -> (String, String) {
    let mut files = demo::files();
    let text = files.files.remove(path).unwrap();
    assert!(text.contains(from), "{path} has no {from}");
    if !from.is_empty() {
        files.files.insert(path.to_owned(), text.replacen(from, to, 1));
    }
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plan = read_plan(&files, &problems, &warnings);
    assert_eq!(plan.is_some(), problems.is_empty());
    (problems.report(), warnings.report())
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let table = [
        ("prompts/eng.toml", "", "", "dialplans/demo/prompts/eng.toml: is missing; the plan speaks 'eng'"),
        (
            "prompts/eng.toml",
            "roaming = \"R",
            "roam = \"R",
            "prompts/eng.toml:1:1: [say] 'roaming' is missing in 'eng'; it is there in yue, cmn",
        ),
        ("knowledge/cmn.toml", "", "", "knowledge/cmn.toml: is missing"),
        (
            "knowledge/cmn.toml",
            "[password]",
            "[passwords]",
            "knowledge/cmn.toml: question 'password' is missing in 'cmn'",
        ),
        (
            "phrases/yue.toml",
            "roaming = [",
            "roamin = [",
            "phrases/yue.toml: 'roamin' is no intent of plan.toml; nearest: 'roaming'",
        ),
        ("phrases/yue.toml", "roaming = [", "roamin = [", "intent 'roaming' has no phrases in 'yue'"),
        ("phrases/eng.toml", "\"hold on\"", "\"check my bill\"", "is a phrase of 'bill' and of 'wait'"),
        (
            "plan.toml",
            "say:bill\"",
            "say:bil\"",
            "plan.toml:40:12: intent.bill: no prompts file has 'bil'; nearest: 'bill'",
        ),
        (
            "plan.toml",
            "then = \"go:general\" }",
            "then = \"go:genral\" }",
            "no queue 'genral' in this plan; nearest: 'general'",
        ),
        (
            "plan.toml",
            "then = \"go:general\" }",
            "then = \"repeat\" }",
            "dialogue.no_input.then must be go:QUEUE or end:PROMPT",
        ),
        ("plan.toml", "no_agent = \"no_agent\"", "", "missing key 'no_agent' in [queue.general]"),
        ("plan.toml", "barge_in", "barge", "unknown key 'barge' in [dialogue]; nearest valid key: 'barge_in'"),
        ("plan.toml", "3 = \"lang:eng\"", "3 = \"lang:fra\"", "'fra' is no language of this gateway"),
        ("plan.toml", "3 = \"lang:eng\"", "0 = \"lang:eng\"", "key 0 always leads to a human"),
        ("plan.toml", "sip:6001@pbx", "6001", "expected sip:USER@TRUNK or phone:NAME, found \"6001\""),
        ("plan.toml", "\"1823\"", "\"_18[\"", "has a '[' without its ']'"),
        ("plan.toml", "\"_1823X\"", "\"1823\"", "\"1823\" is never reached: \"1823\" of dialplans/demo comes first"),
        ("plan.toml", "25s", "25", "expected a time such as \"25s\", found \"25\""),
        ("plan.toml", "kind = \"phone\"", "kind = \"fax\"", "expected phone, yes_no, digits or digits:MIN-MAX"),
        ("prompts/cmn.toml", "{number}", "{nummer}", "'fault_confirm' has {nummer}; it may hold number"),
        ("prompts/yue.toml", "urgent = ", "urgnt = ", "[labels] 'urgent' is missing in 'yue'"),
    ];
    for (path, from, to, expected) in table {
        let (problems, _) = report(path, from, to);
        assert!(problems.contains(expected), "{path} {from} -> {to}: {problems}");
    }
}

#[test]
fn telephones_are_behind_trunks_that_are_there() {
    let (files, plan) = (demo::files(), demo::plan());
    let report = |trunk: &str| {
        let problems = Problems::default();
        let peers = check::Peers { trunks: [trunk.to_owned()].into(), ..check::Peers::default() };
        check::telephones(&files, &plan, &peers, &problems);
        problems.report()
    };
    assert_eq!(report("pbx"), "");
    let first = report("pbx2").lines().next().unwrap().to_owned();
    let expected = "queue.general.ring: no [[trunk]] is called 'pbx' in the configuration; nearest: 'pbx2'";
    assert_eq!(first, format!("dialplans/demo/plan.toml:29:9: {expected}"));
}

#[test]
fn telephones_of_our_own_are_named_as_such() {
    use crate::dialplan::schema::RingTarget;
    for (text, target) in [
        ("sip:6001@pbx", Some(("6001", "pbx"))),
        ("phone:anna", Some(("anna", "phone"))),
        ("phone:陳大文", Some(("陳大文", "phone"))),
        ("sip:6001@phone", None),
        ("phone:", None),
        ("phone:a@b", None),
        ("phone:a b", None),
        ("sip:@pbx", None),
        ("sip:6001", None),
        ("tel:1", None),
        ("", None),
    ] {
        let read = text.parse::<RingTarget>().ok();
        let expected = target.map(|(user, trunk)| RingTarget { user: user.into(), trunk: trunk.into() });
        assert_eq!(read, expected, "{text}");
        assert_eq!(read.map(|target| target.to_string()), target.map(|_| text.to_owned()));
    }
    let (mut files, problems) = (demo::files(), Problems::default());
    let text = files.files.get_mut("plan.toml").unwrap();
    *text = text.replace("\"sip:6001@pbx\", \"sip:6002@pbx\"", "\"phone:anna\", \"phone:bert\"");
    let plan = crate::dialplan::read_plan(&files, &problems, &problems).unwrap();
    let peers = check::Peers { phones: ["anna".to_owned()].into(), ..check::Peers::default() };
    check::telephones(&files, &plan, &peers, &problems);
    assert!(problems.report().contains("queue.general.ring: no [[phone]] is called 'bert' in the configuration"));
}

#[test]
fn doubts_are_warnings() {
    let (problems, warnings) = report("plan.toml", "\"1823\", \"_1823X\"", "\"_18XX\", \"_182[3-4]\"");
    assert!(problems.contains("never reached"), "{problems}");
    assert_eq!(warnings, "");
    let (problems, warnings) = report("plan.toml", "\"1823\", \"_1823X\"", "\"_18.\", \"_1.\", \"_17X\"");
    assert!(problems.contains("\"_17X\" is never reached"), "{problems} {warnings}");
    let (problems, warnings) = report("plan.toml", "\"1823\", \"_1823X\"", "\"_1X2\", \"_18[2-9]\"");
    assert_eq!(problems, "");
    assert!(warnings.contains("182 goes to \"_1X2\" of dialplans/demo (first match)"), "{warnings}");
    let (problems, warnings) = report("prompts/yue.toml", "[say]", "[say]\nspare = \"唔講\"");
    assert!(problems.contains("'spare' is missing in 'cmn'") && warnings.contains("'spare' is never said"));
}

#[test]
fn branches_that_no_call_comes_to_are_named() {
    let special = "[hours]\n[[hours.special]]\non = [\"12-24\", \"2026-02-01..2026-02-09\"]\nopen = []\n[[hours.special]]\n\
        on = [\"2026-12-24\", \"2026-02-03\", \"2026-02-09..2026-02-10\"]\nopen = []\n[hoursx]";
    let slot =
        "[[intent.fault.slots]]\nname = \"number\"\nkind = \"phone\"\nask = \"fault_number\"\n\n[[intent.fault.slots]]";
    let table = [
        (
            "plan.toml",
            "[\"no_match_1\"]",
            "[\"no_match_1\", \"wait\"]",
            "plan.toml:15:1: dialogue.no_match.say: 'wait' is never said",
        ),
        (
            "knowledge/eng.toml",
            "\"i forgot my password\"",
            "\"Check my bill!\"",
            "\"check my bill\" of 'bill' is never understood: it is a question of 'password', too",
        ),
        ("plan.toml", "[[intent.fault.slots]]", slot, "intent.fault: slot 'number' is asked for twice"),
        ("plan.toml", "[hours]", special, "[[hours.special]] number 2: 2026-12-24 is never looked at: number 1 has it"),
        ("plan.toml", "[hours]", special, "[[hours.special]] number 2: 2026-02-03 is never looked at: number 1 has it"),
    ];
    for (path, from, to, expected) in table {
        let (problems, warnings) = report(path, from, to);
        assert!(problems.contains(expected) || warnings.contains(expected), "{expected}: {problems} {warnings}");
        assert!(!warnings.contains("2026-02-09..2026-02-10"), "{warnings}");
    }
}

#[test]
fn nothing_and_nonsense_are_problems_not_panics() {
    for text in ["", "=", "numbers = 5", "[queue]\n[intent]\n", "languages = []\n[dialogue]\nmenu = { x = 1 }"] {
        let files = BTreeMap::from([("plan.toml".to_owned(), text.to_owned())]);
        let files = PlanFiles { name: "x".to_owned(), folder: "x".to_owned(), files };
        let (problems, warnings) = (Problems::default(), Problems::default());
        assert!(read_plan(&files, &problems, &warnings).is_none());
        assert!(!problems.is_empty());
    }
    let problems = Problems::default();
    assert!(read_plan(&PlanFiles::default(), &problems, &Problems::default()).is_none());
    assert!(problems.report().contains("plan.toml is missing"));
}

#[test]
fn the_demo_plan_says_what_it_holds() {
    let plan = demo::plan();
    assert_eq!(plan.default_language(), Language::Cantonese);
    assert_eq!(plan.queues["general"].ring[1].to_string(), "sip:6002@pbx");
    assert_eq!(plan.dialogue.no_input_after, Duration::from_secs(7));
    assert!(plan.numbers.iter().any(|pattern| pattern.matches("1823")));
    assert_eq!(plan.fixed_prompts()[0].0, "greeting");
    assert!(plan.fixed_prompts().iter().all(|(_, _, text)| !text.contains('{')));
    assert!(plan.intents.iter().all(|i| i.phrases.values().all(|p| p.len() >= 12)));
}
