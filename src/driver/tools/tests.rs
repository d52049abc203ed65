//! The pool against a real socket: what goes out, what comes back, and what is never sent.

use std::net::TcpListener;

use super::*;
use crate::dialplan::workflow::Method;
use crate::driver::scripted_server::serve as server;
use crate::ids::ToolCallId;
use crate::settings::{Problems, Source};

fn pool(base: &str) -> ToolPool {
    let text = format!("[[host]]\nname = \"crm\"\nurl = \"{base}\"\nsecrets = {{ token = \"reference\" }}\n");
    let (source, problems) = (Source::new("t.toml", text), Problems::default());
    let table = source.parse(&problems);
    let config = ToolsConfig::read(&mut Section::root(&source, &table, &problems));
    assert_eq!(problems.report(), "");
    assert!(!format!("{config:?}").contains("reference"), "a secret, or what leads to it, is in no log");
    ToolPool::start(&config, |reference| Ok(format!("secret of {reference}"))).unwrap()
}

fn request(method: Method) -> ToolRequest {
    ToolRequest {
        id: ToolCallId(7),
        tool: "order".to_owned(),
        host: "crm".to_owned(),
        method,
        path: "/orders/1%2F2".into(),
        headers: [("Authorization".to_owned(), "Bearer {secret:token}".to_owned())].into(),
        body: None,
        timeout: Duration::from_secs(5),
        attempts: 1,
        max_bytes: 64,
    }
}

fn answer(pool: &ToolPool, request: ToolRequest) -> ToolOutcome {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    pool.ask(request, Box::new(move |reply| sender.send(reply).unwrap())).unwrap();
    receiver.recv_timeout(Duration::from_secs(20)).unwrap().outcome
}

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{\"a\": 1}";
const DOWN: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const ELSEWHERE: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn a_request_goes_out_with_its_secret_and_comes_back() {
    let (base, server) = server(vec![FINE]);
    let made = ToolRequest { body: Some("{\"n\":\"1\"}".into()), ..request(Method::Post) };
    let expected = ToolOutcome::Answered { status: 200, body: "{\"a\": 1}".into() };
    assert_eq!(answer(&pool(&base), made), expected);
    let asked = server.join().unwrap().pop().unwrap();
    assert!(asked.starts_with("POST /orders/1%2F2 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("authorization: bearer secret of reference\r\n"), "{asked}");
    assert!(asked.ends_with("{\"n\":\"1\"}"), "{asked}");
}

#[test]
fn only_what_may_be_done_twice_is_tried_twice() {
    let (base, first) = server(vec![DOWN, FINE]);
    let again = answer(&pool(&base), ToolRequest { attempts: 2, ..request(Method::Get) });
    assert_eq!(again.status(), Some(200));
    assert_eq!(first.join().unwrap().len(), 2);
    let (base, second) = server(vec![DOWN]);
    let once = answer(&pool(&base), ToolRequest { attempts: 2, ..request(Method::Post) });
    assert_eq!(once.status(), Some(503));
    assert_eq!(second.join().unwrap().len(), 1);
}

#[test]
fn what_is_not_allowed_is_not_done() {
    let (base, redirecting) = server(vec![ELSEWHERE]);
    let pool_there = pool(&base);
    let redirected = answer(&pool_there, request(Method::Get));
    assert!(!matches!(redirected, ToolOutcome::Answered { status: 200, .. }), "{redirected:?}");
    assert_eq!(redirecting.join().unwrap().len(), 1);
    let failed = |failure| ToolOutcome::Failed(failure);
    let other = ToolRequest { host: "other".to_owned(), ..request(Method::Get) };
    assert_eq!(answer(&pool_there, other), failed(ToolFailure::NotConfigured));
    let headers = [("X".to_owned(), "{secret:other}".to_owned())].into();
    assert_eq!(
        answer(&pool_there, ToolRequest { headers, ..request(Method::Get) }),
        failed(ToolFailure::NotConfigured)
    );
    assert_eq!(answer(&pool_there, request(Method::Get)), failed(ToolFailure::Unreachable), "nobody listens any more");
}

#[test]
fn a_large_answer_and_a_late_one_are_none() {
    let (base, large) = server(vec![FINE]);
    let small = ToolRequest { max_bytes: 4, ..request(Method::Get) };
    assert_eq!(answer(&pool(&base), small), ToolOutcome::Failed(ToolFailure::TooLarge));
    large.join().unwrap();
    // Accepted by the kernel and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let hasty = ToolRequest { timeout: Duration::from_millis(50), ..request(Method::Get) };
    assert_eq!(answer(&pool(&base), hasty), ToolOutcome::Failed(ToolFailure::Late));
}

#[test]
fn a_full_queue_answers_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = pool(&format!("http://{}", silent.local_addr().unwrap()));
    let ask = || pool.ask(ToolRequest { timeout: Duration::from_secs(2), ..request(Method::Get) }, Box::new(drop));
    let refused: Vec<ToolReply> = (0..TOOL_QUEUE + 20).filter_map(|_| ask().err()).collect();
    assert!(refused.len() >= 10, "{} refused", refused.len());
    assert!(refused.iter().all(|reply| reply.outcome == ToolOutcome::Failed(ToolFailure::Busy)));
    assert_eq!(pool.refused(), refused.len() as u64);
}

#[test]
fn what_callers_say_does_not_leave_in_the_clear() {
    let table = [
        ("https://crm.example.com", true),
        ("https://crm.example.com/api/", true),
        ("http://127.0.0.1:8090", true),
        ("http://10.1.2.3", true),
        ("http://[::1]:80", true),
        ("http://crm.example.com", false),
        ("http://8.8.8.8", false),
        ("https://user:pw@crm.example.com", false),
        ("https://crm.example.com/?key=1", false),
        ("ftp://crm.example.com", false),
        ("/orders", false),
    ];
    for (url, allowed) in table {
        assert_eq!(base(url).is_ok(), allowed, "{url}");
    }
    assert_eq!(base("https://crm.example.com/api/").as_deref(), Ok("https://crm.example.com/api"));
}
