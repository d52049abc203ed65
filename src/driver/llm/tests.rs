//! The pool against a real socket: what goes out, what comes back, and when nothing goes out at all.

use std::net::TcpListener;

use super::*;
use crate::conversation::llm::Instructions;
use crate::driver::scripted_server::serve as server;
use crate::ids::LlmId;
use crate::settings::{Problems, Source};

const ANSWER: &str = r#"{"command":"no_match"}"#;

fn read(text: &str) -> (Option<LlmConfig>, String) {
    let (source, problems) = (Source::new("t.toml", text), Problems::default());
    let table = source.parse(&problems);
    let mut root = Section::root(&source, &table, &problems);
    let config = LlmConfig::read(root.section("llm"));
    root.finish();
    (config, problems.report())
}

fn config(base: &str, more: &str) -> LlmConfig {
    let (config, report) = read(&format!("[llm]\nurl = \"{base}/v1\"\nmodel = \"m\"\nkey = \"reference\"\n{more}\n"));
    assert_eq!(report, "");
    config.unwrap()
}

fn off_file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tingwa-llm-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn pool(base: &str, name: &str, more: &str) -> LlmPool {
    LlmPool::start(&config(base, more), off_file(name), |reference| Ok(format!("secret of {reference}"))).unwrap()
}

fn request() -> LlmRequest {
    let instructions = Instructions {
        text: "told".to_owned(),
        schema: json!({ "type": "object" }),
        grammar: "root ::= \"{}\"\n".to_owned(),
    };
    LlmRequest {
        id: LlmId(7), instructions, said: "我想查單".into(), max_tokens: 64, budget: Duration::from_secs(5)
    }
}

fn outcome(pool: &LlmPool, request: LlmRequest) -> LlmOutcome {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    match pool.ask(request, Box::new(move |reply| sender.send(reply).unwrap())) {
        Ok(()) => receiver.recv_timeout(Duration::from_secs(20)).unwrap().outcome,
        Err(reply) => reply.outcome,
    }
}

fn events(text: &str) -> String {
    let chunk = json!({ "choices": [{ "delta": { "content": text } }] });
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {chunk}\n\ndata: [DONE]\n\n"
    )
}

#[test]
fn a_question_goes_out_whole_and_its_answer_comes_back() {
    for (more, field) in [("", "response_format"), ("grammar = \"gbnf\"", "grammar")] {
        let (base, server) = server(vec![events(ANSWER)]);
        let pool = pool(&base, "whole", more);
        assert_eq!(outcome(&pool, request()), LlmOutcome::Answered(ANSWER.into()));
        let asked = server.join().unwrap().remove(0);
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
        assert!(head.to_ascii_lowercase().contains("authorization: bearer secret of reference"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["messages"][0], json!({ "role": "system", "content": "told" }));
        assert_eq!(body["messages"][1], json!({ "role": "user", "content": "我想查單" }));
        assert_eq!(
            (&body["stream"], &body["cache_prompt"], &body["max_tokens"]),
            (&json!(true), &json!(true), &json!(64))
        );
        assert!(body.get(field).is_some(), "{body}");
        assert_eq!(pool.counts(), LlmCounts { asked: 1, answered: 1, ..LlmCounts::default() });
    }
}

#[test]
fn what_servers_do_wrong_is_a_failure_with_its_name() {
    let whole = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n".to_owned();
    let huge = events(&"x".repeat(100_000));
    let cut =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 900\r\n\r\ndata: {\"cho".to_owned();
    let table = [
        (whole("503 Busy"), LlmFailure::Status { status: 503 }),
        (elsewhere, LlmFailure::Status { status: 302 }),
        (events("I am sorry"), LlmFailure::NoCommand),
        (huge, LlmFailure::TooLong),
        (cut, LlmFailure::Unreachable),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), LlmFailure::Unreachable),
    ];
    for (answer, expected) in table {
        let (base, server) = server(vec![answer.clone()]);
        assert_eq!(outcome(&pool(&base, "wrong", ""), request()), LlmOutcome::Failed(expected), "{answer:.80}");
        server.join().unwrap();
    }
}

#[test]
fn a_silent_server_is_late_and_after_three_times_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = pool(&format!("http://{}", listener.local_addr().unwrap()), "silent", "");
    let patient = || LlmRequest { budget: Duration::from_millis(50), ..request() };
    for _ in 0..TIRED {
        assert_eq!(outcome(&pool, patient()), LlmOutcome::Failed(LlmFailure::Late));
    }
    assert_eq!(outcome(&pool, patient()), LlmOutcome::Failed(LlmFailure::Resting));
    assert_eq!(pool.counts(), LlmCounts { asked: 4, late: 3, unsent: 1, ..LlmCounts::default() });
}

#[test]
fn off_is_off_at_once_and_on_again() {
    let (base, server) = server(vec![events(ANSWER)]);
    let (pool, path) = (pool(&base, "off", ""), off_file("off"));
    std::fs::write(&path, "").unwrap();
    assert_eq!(outcome(&pool, request()), LlmOutcome::Failed(LlmFailure::Off));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(outcome(&pool, request()), LlmOutcome::Answered(ANSWER.into()));
    server.join().unwrap();
}

#[test]
fn no_more_wait_than_the_queue_holds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = pool(&format!("http://{}", listener.local_addr().unwrap()), "busy", "at_once = 1");
    let sink = || -> LlmSink { Box::new(|_| {}) };
    let refused = (0..LLM_QUEUE + 4).filter_map(|_| pool.ask(request(), sink()).err()).count();
    assert!((3..=4).contains(&refused), "one under way, {LLM_QUEUE} wait, {refused} refused");
    assert_eq!(pool.counts().busy, refused as u64);
}

#[test]
fn a_name_that_leads_outside_is_not_connected_to() {
    use ureq::unversioned::resolver::Resolver;
    use ureq::unversioned::transport::NextTimeout;
    use ureq::unversioned::transport::time::Duration as Wait;
    let resolve = |allow_remote: bool, host: &str| {
        let uri = format!("http://{host}:80/").parse().unwrap();
        let timeout =
            NextTimeout { after: Wait::NotHappening, reason: ureq::Timeout::Global, ..NextTimeout::default() };
        Guard::new(allow_remote).resolve(&uri, &ureq::config::Config::default(), timeout).map(|found| found.len())
    };
    assert!(matches!(resolve(false, "127.0.0.1"), Ok(1)));
    assert!(matches!(resolve(true, "203.0.113.9"), Ok(1)));
    let refused = resolve(false, "203.0.113.9").unwrap_err();
    assert_eq!(failure(&refused), LlmFailure::NotAllowed);
}

#[test]
fn mistakes_in_the_configuration_are_named_with_their_place() {
    assert!(read("").0.is_none());
    assert!(read("[llm]\nenabled = false\nurl = \"http://127.0.0.1/v1\"\nmodel = \"m\"\n").0.is_none());
    let table = [
        ("[llm]\nmodel = \"m\"\n", "t.toml:1:1: missing key 'url' in [llm]"),
        ("[llm]\nurl = \"https://203.0.113.9/v1\"\nmodel = \"m\"\n", "t.toml:2:7: llm.url: is neither this machine"),
        (
            "[llm]\nurl = \"http://127.0.0.1/v1\"\nmodel = \"m\"\ngrammar = \"xml\"\n",
            "t.toml:4:11: llm.grammar: expected",
        ),
        ("[llm]\nurl = \"http://127.0.0.1/v1\"\nmodel = \"m\"\nbudgetms = 5\n", "t.toml:4:1: unknown key 'budgetms'"),
    ];
    for (text, expected) in table {
        assert!(read(text).1.starts_with(expected), "{}", read(text).1);
    }
    assert!(!format!("{:?}", config("http://127.0.0.1", "")).contains("reference"), "a secret is in no log");
}
