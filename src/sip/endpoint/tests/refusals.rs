//! New requests that are refused before anything is built for them.

use super::*;
use crate::sip::digest::client::{Asked, Challenge};

#[test]
fn each_check_has_its_answer() {
    let caller = Caller::new();
    let with = |more: &str, body: &str| caller.request("INVITE", 1, "i1", more, body);
    let known = Caller { to_tag: "gone".into(), ..caller.clone() };
    for (what, text, status, name, value) in [
        ("REGISTER", caller.request("REGISTER", 1, "x", "", ""), 405, HeaderName::Allow, "INVITE, ACK, BYE"),
        ("MESSAGE", caller.request("MESSAGE", 1, "x", "", ""), 405, HeaderName::Allow, "INVITE"),
        ("unknown method", caller.request("FOO", 1, "x", "", ""), 501, HeaderName::Allow, "INVITE"),
        ("BYE to nobody", caller.request("BYE", 1, "x", "", ""), 481, HeaderName::To, "<sip:1000"),
        ("To tag of nobody", known.request("INVITE", 1, "x", "", ""), 481, HeaderName::To, "<sip:1000"),
        ("scheme", with("", "").replace("sip:1000@192.0.2.1 SIP", "soap:x SIP"), 416, HeaderName::To, "<sip:1000"),
        ("Require", with("Require: timer, 100rel, foo\n", ""), 420, HeaderName::Unsupported, "foo"),
        ("Content-Type", with("Content-Type: text/plain\n", "x"), 415, HeaderName::Accept, "application/sdp"),
        (
            "Content-Encoding",
            with("Content-Type: application/sdp\nContent-Encoding: gzip\n", "x"),
            415,
            HeaderName::AcceptEncoding,
            "identity",
        ),
        ("Accept", with("Accept: text/plain\n", ""), 406, HeaderName::To, "<sip:1000"),
        ("Session-Expires", with("Supported: timer\nSession-Expires: 89\n", ""), 422, HeaderName::MinSe, "90"),
        ("Replaces", with("Replaces: a;to-tag=b;from-tag=c\n", ""), 481, HeaderName::To, "<sip:1000"),
        ("version", with("", "").replace("SIP/2.0\nVia", "SIP/3.0\nVia"), 505, HeaderName::To, "<sip:1000"),
        ("broken", with("", "").replace("Max-Forwards: 70\n", ""), 400, HeaderName::To, "<sip:1000"),
        ("body", with("Content-Type: application/sdp\n", &"a".repeat(16_385)), 513, HeaderName::To, "<sip:1000"),
        ("header", with(&format!("Subject: {}\n", "a".repeat(16_385)), ""), 400, HeaderName::To, "<sip:1000"),
        ("header lines", with(&"Subject: a\n".repeat(256), ""), 400, HeaderName::To, "<sip:1000"),
    ] {
        let mut bench = Bench::new();
        bench.receive(&text);
        let answer = bench.response();
        assert_eq!(answer.status.as_u16(), status, "{what}");
        let found = header(&answer.headers, name);
        assert!(found.starts_with(value), "{what}: {found}");
        let tag = answer.headers.to().unwrap().tag().map(str::to_owned);
        assert!(tag.is_some(), "{what}");
        bench.receive(&text);
        let again = bench.response();
        assert_eq!(again.headers.to().unwrap().tag().map(str::to_owned), tag, "{what}: one tag for all repeats");
        assert_eq!(
            (bench.endpoint.transactions(), bench.endpoint.dialogs(), bench.incoming.len()),
            (0, 0, 0),
            "{what}"
        );
    }
}

#[test]
fn a_reason_names_the_header() {
    let mut bench = Bench::new();
    bench.receive(Caller::new().invite().replace("Max-Forwards: 70\n", ""));
    assert_eq!(bench.response().reason, "Missing Max-Forwards");
    assert_eq!(bench.counted, [Counter::Malformed]);
    bench.receive("rubbish\n\n");
    assert_eq!((bench.words().len(), bench.counted.last()), (0, Some(&Counter::Unreadable)));
}

#[test]
fn what_is_optional_is_no_reason_to_refuse() {
    for more in [
        "Content-Type: text/plain\nContent-Disposition: render;handling=optional\n",
        "Content-Type: application/sdp;charset=utf-8\n",
        "Accept: text/plain, application/*\n",
        "Require: timer\n",
        "Session-Expires: 60\n",
        "Max-Forwards: 0\n",
    ] {
        let mut bench = Bench::new();
        let text = Caller::new().request("INVITE", 1, "i1", more, SDP);
        let text = if more.starts_with("Max") { text.replace("Max-Forwards: 70\n", "") } else { text };
        bench.receive(text);
        assert_eq!(bench.words(), ["100"], "{more}");
    }
}

#[test]
fn a_request_by_two_paths_is_merged() {
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.sent();
    bench.receive(caller.invite().replace("z9hG4bKi1", "z9hG4bKother"));
    assert_eq!((bench.words(), bench.incoming.len()), (vec!["482".into()], 1));
    bench.receive(caller.request("INVITE", 2, "i2", "", ""));
    assert_eq!((bench.words(), bench.incoming.len()), (vec!["100".into()], 2), "another number is another call");
}

#[test]
fn an_invite_of_ours_that_comes_back_is_a_loop() {
    let mut bench = Bench::new();
    let invite = super::client::dial(&mut bench);
    let proxied = String::from_utf8(invite.to_bytes().to_vec()).unwrap();
    let top = "Via: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKproxy;rport\r\nVia: SIP/2.0/UDP 192.0.2.1";
    let proxied = proxied.replacen("Via: SIP/2.0/UDP 192.0.2.1", top, 1);
    bench.receive(&proxied);
    assert_eq!(bench.words(), ["482"], "16.3, 4");
    let via = proxied.lines().find(|line| line.contains("UDP 192.0.2.1")).unwrap().to_owned();
    let stripped = proxied.replace(&format!("{via}\r\n"), "");
    bench.receive(stripped.replace("z9hG4bKproxy", "z9hG4bKsbc"));
    assert_eq!(bench.words(), ["482"], "one that hides our Via keeps our tag");
    assert!(bench.incoming.is_empty());
    bench.receive(Caller::new().invite());
    assert_eq!(bench.words(), ["100"]);
}

#[test]
fn a_call_that_was_passed_on_too_often_is_not_passed_on() {
    for (hops, expected) in [("7", Ok("7")), ("0", Err(483))] {
        let mut bench = Bench::new();
        let target = OutgoingTarget { uri: "sip:1@192.0.2.2".into(), trunk: "pbx".into(), display_name: None };
        let headers = vec![("Max-Forwards".to_owned(), hops.into())];
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers };
        bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
        match expected {
            Ok(hops) => assert_eq!(header(&bench.requests()[0].headers, HeaderName::MaxForwards), hops),
            Err(status) => {
                assert_eq!((bench.words(), bench.events()), (vec![], vec![DialogEvent::Refused { status }]));
            }
        }
        bench.events();
    }
}

#[test]
fn options_say_what_we_take() {
    let mut bench = Bench::new();
    bench.receive(Caller::new().request("OPTIONS", 1, "o", "", ""));
    let ok = bench.response();
    assert_eq!(ok.status.as_u16(), 200);
    assert_eq!(header(&ok.headers, HeaderName::Accept), "application/sdp");
    assert!(ok.headers.allow().contains(&crate::wire::sip::message::Method::Update));
    assert_eq!(header(&ok.headers, HeaderName::Supported), "100rel, timer, replaces, norefersub");
    assert_eq!(bench.endpoint.transactions(), 0);
}

#[test]
fn strangers_are_refused_or_ignored() {
    for (unknown, expected) in [(UnknownSource::Refuse, vec!["403", "403"]), (UnknownSource::Silence, vec![])] {
        let mut bench = Bench::with(EndpointConfig { unknown, ..config() });
        bench.flow.remote = "203.0.113.9:5060".parse().unwrap();
        bench.receive(Caller::new().invite());
        bench.receive(Caller::new().request("OPTIONS", 1, "o", "", ""));
        assert_eq!(bench.words(), expected);
        assert_eq!(bench.counted, [Counter::UnknownSource, Counter::UnknownSource]);
        bench.receive(Caller::new().invite().replace("Max-Forwards: 70\n", ""));
        assert_eq!(bench.words().is_empty(), unknown == UnknownSource::Silence);
    }
}

#[test]
fn strangers_with_an_account_prove_it() {
    let mut trunk = trunk();
    trunk.callers.push(Credentials { username: "anna".into(), password: Redacted::from("pw") });
    let mut bench = Bench::with(EndpointConfig { trunks: vec![trunk], ..config() });
    bench.flow.remote = "203.0.113.9:5060".parse().unwrap();
    bench.receive(Caller::new().invite());
    let challenge = bench.response();
    assert_eq!(challenge.status.as_u16(), 401);
    let offered = challenge.headers.challenges(&HeaderName::WwwAuthenticate);
    let mut chosen = Challenge::choose(offered.into_iter().map(|one| (&HeaderName::WwwAuthenticate, one))).unwrap();
    let mut call = |seq: u32, password: &str| {
        let who = Credentials { username: "anna".into(), password: Redacted::from(password) };
        let asked = Asked { method: "INVITE", uri: "sip:1000@192.0.2.1", body: b"" };
        let proof = chosen.answer(&who, &asked, "cn");
        bench.receive(Caller::new().request(
            "INVITE",
            seq,
            &format!("d{seq}"),
            &format!("Authorization: {proof}\n"),
            "",
        ));
        bench.words()
    };
    assert_eq!(call(2, "wrong"), ["401"]);
    assert_eq!(call(3, "pw"), ["100"]);
    assert_eq!(bench.incoming[0].trunk.as_deref(), Some("pbx"));
}

#[test]
fn an_asserted_identity_counts_only_from_a_trusted_trunk() {
    for (trusted, from) in [(true, "+85291234567"), (false, "6001")] {
        let mut bench = Bench::with(EndpointConfig { trunks: vec![Trunk { trusted, ..trunk() }], ..config() });
        let more = "P-Asserted-Identity: <tel:+852-9123-4567>\n";
        bench.receive(Caller::new().request("INVITE", 1, "i", more, ""));
        assert_eq!(bench.incoming[0].from.reveal().replace('-', ""), from);
    }
}

#[test]
fn what_an_invite_says_beyond_who_calls_whom() {
    use crate::sip::event::{Diverted, Particulars};
    let station = |number: &str, why: Option<&str>| Diverted { number: number.into(), why: why.map(str::to_owned) };
    let none = Particulars { hops: Some(70), ..Particulars::default() };
    for (name, more, expected) in [
        ("nothing", "", none.clone()),
        (
            "Diversion, latest first",
            "Diversion: <sip:6002@pbx>;reason=no-answer;counter=1, <sip:6001@pbx>;reason=user-busy\n",
            Particulars {
                diverted: vec![station("6001", Some("user-busy")), station("6002", Some("no-answer"))],
                ..none.clone()
            },
        ),
        (
            "History-Info, oldest first, the last being ourselves",
            "History-Info: <sip:6001@pbx?Reason=SIP%3Bcause%3D486>;index=1,<sip:1000@192.0.2.1>;index=1.1;mp=1\n\
             Diversion: <sip:9@pbx>\n",
            Particulars { diverted: vec![station("6001", Some("SIP;cause=486"))], ..none.clone() },
        ),
        ("History-Info of a call that went straight", "History-Info: <sip:1000@192.0.2.1>;index=1\n", none.clone()),
        ("a broken Diversion", "Diversion: <<>\n", none.clone()),
        ("Privacy", "Privacy: id;critical\n", Particulars { withheld: true, ..none.clone() }),
        ("no Privacy", "Privacy: none\n", none.clone()),
        (
            "User-to-User",
            "User-to-User: 6162;encoding=hex\n",
            Particulars { user_to_user: Some("6162;encoding=hex".into()), ..none.clone() },
        ),
        ("too long a User-to-User", &format!("User-to-User: {}\n", "61".repeat(200)), none.clone()),
    ] {
        let mut bench = Bench::new();
        bench.receive(Caller::new().request("INVITE", 1, "i", more, ""));
        assert_eq!(bench.incoming[0].particulars, expected, "{name}");
    }
    let mut bench = Bench::new();
    let nameless = Caller::new().invite().replace("sip:6001@pbx.example", "sip:anonymous@anonymous.invalid");
    bench.receive(nameless);
    assert!(bench.incoming[0].particulars.withheld);
}

#[test]
fn reasons_come_before_the_end() {
    use crate::sip::event::Reason;
    let because = |protocol: &str, cause| DialogEvent::Because(Reason { protocol: protocol.to_owned(), cause });
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("BYE", 2, "b", "Reason: Q.850 ;cause=16 ;text=\"Normal\"\n", ""));
    assert_eq!(bench.events(), [because("Q.850", 16), DialogEvent::Ended { lost: false }]);
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.receive(caller.request("CANCEL", 1, "i1", "Reason: SIP;cause=200\n", ""));
    assert_eq!(bench.events(), [because("SIP", 200), DialogEvent::Cancelled]);
}

#[test]
fn while_draining_or_overloaded_calls_are_turned_away_and_old_ones_go_on() {
    let (mut bench, caller) = answered(true);
    for input in [Input::Overloaded(true), Input::Drain] {
        bench.handle(input);
        for method in ["INVITE", "OPTIONS"] {
            bench.receive(Caller { call_id: "c9", ..Caller::new() }.request(method, 1, "z", "", ""));
            let answer = bench.response();
            assert_eq!((answer.status.as_u16(), header(&answer.headers, HeaderName::RetryAfter)), (503, "5".into()));
        }
    }
    assert_eq!(bench.counted, [Counter::TurnedAway; 4]);
    bench.handle(Input::Overloaded(false));
    bench.receive(caller.request("INFO", 2, "i", "", ""));
    assert_eq!(bench.words(), ["200"]);
}

#[test]
fn full_tables_turn_calls_away() {
    for (limits, counter) in [
        (Limits { dialogs: 1, ..Limits::default() }, Counter::DialogsFull),
        (Limits { transactions: 1, ..Limits::default() }, Counter::TransactionsFull),
    ] {
        let mut bench = Bench::with(EndpointConfig { limits, ..config() });
        bench.receive(Caller::new().invite());
        bench.sent();
        bench.receive(Caller { call_id: "c2", ..Caller::new() }.request("INVITE", 1, "i2", "", ""));
        assert_eq!((bench.words(), bench.counted.clone()), (vec!["503".into()], vec![counter]));
        let target = OutgoingTarget { uri: "sip:1@192.0.2.2".into(), trunk: "pbx".into(), display_name: None };
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
        bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
        assert_eq!((bench.words(), bench.events()), (vec![], vec![DialogEvent::Refused { status: 503 }]));
    }
    let limits = Limits { streams: 0, ..Limits::default() };
    let mut bench = Bench::with(EndpointConfig { limits, ..config() });
    bench.flow = flow(Transport::Tcp);
    bench.receive("\r\n\r\n");
    assert_eq!(bench.counted, [Counter::StreamsFull]);
    assert!(matches!(bench.rest[..], [Output::Close { .. }]));
}
