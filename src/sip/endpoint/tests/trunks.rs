//! INVITEs that look for a way (RFC 3263 4.3), trunks that go down, groups, limits, header rules, outbound proxy, `sips:`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::client::{reply, reply_with};
use super::*;
use crate::sip::registration::RegistrationState;
use crate::sip::trunk::{HeaderRules, Located, Lookup, Probe, Target, TrunkHealth, TrunkPolicy};

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

fn named(name: &str, last: u8, policy: TrunkPolicy) -> Trunk {
    let domain = format!("{name}.example");
    Trunk { name: name.into(), address: at(last), domain, account: None, policy, ..trunk() }
}

fn member(priority: u16) -> TrunkPolicy {
    TrunkPolicy { group: Some("carriers".into()), priority, weight: 1, ..TrunkPolicy::default() }
}

fn bench(trunks: Vec<Trunk>) -> Bench {
    Bench::with(EndpointConfig { trunks, try_time: Duration::from_secs(4), ..config() })
}

/// Two trunks of a group, `a` before `b`, and `c` last.
fn carriers() -> Bench {
    bench(vec![named("b", 12, member(2)), named("a", 11, member(1)), named("c", 13, member(3))])
}

fn dial(bench: &mut Bench, dialog: u64, trunk: &str) {
    let target = OutgoingTarget { uri: format!("sip:6001@{trunk}"), trunk: trunk.into(), display_name: None };
    let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: Vec::new() };
    bench.handle(Input::Order(AddressedOrder { dialog: DialogId(dialog), order }));
}

/// Requests since the last time, each with the last byte of where it went.
fn went(bench: &mut Bench) -> Vec<(String, u8, Request)> {
    let last = |flow: Flow| if let std::net::IpAddr::V4(v4) = flow.remote.ip() { v4.octets()[3] } else { 0 };
    let sent = std::mem::take(&mut bench.sent).into_iter();
    sent.filter_map(|(flow, message)| match message {
        Message::Request(request) => Some((request.method.to_string(), last(flow), request)),
        Message::Response(_) => None,
    })
    .collect()
}

/// The only INVITE, and where it went.
fn invite(bench: &mut Bench) -> (u8, Request) {
    let mut invites: Vec<_> = went(bench).into_iter().filter(|(method, ..)| method == "INVITE").collect();
    let (_, to, request) = invites.pop().expect("an INVITE");
    (to, request)
}

fn answer(bench: &mut Bench, from: u8, bytes: &[u8]) {
    let flow = Flow { remote: at(from), ..bench.flow };
    bench.handle(Input::Received { flow, bytes });
}

fn goes_by(trunk: &str, after: Option<u16>) -> DialogEvent {
    DialogEvent::GoesBy { trunk: trunk.into(), after }
}

fn news(bench: &mut Bench) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for output in std::mem::take(&mut bench.trunk_news) {
        if let Output::Trunk { trunk, health } = output {
            all.push((trunk, health == TrunkHealth::Up));
        }
    }
    all
}

#[test]
fn what_fails_goes_another_way_and_what_is_decided_does_not() {
    for (status, moves) in [
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (302, false),
        (403, false),
        (404, false),
        (408, false),
        (480, false),
        (486, false),
        (488, false),
        (501, false),
        (505, false),
        (513, false),
        (600, false),
        (603, false),
    ] {
        let mut bench = carriers();
        dial(&mut bench, 7, "carriers");
        let (to, first) = invite(&mut bench);
        assert_eq!((to, first.uri.to_string().as_str()), (11, "sip:6001@a.example"));
        answer(&mut bench, 11, &reply(&first, status));
        let sent = went(&mut bench);
        assert_eq!((sent[0].0.as_str(), sent[0].1), ("ACK", 11), "{status}");
        let mut expected = vec![goes_by("a", None)];
        if moves {
            let (method, to, second) = &sent[1];
            assert_eq!((method.as_str(), *to, second.uri.to_string().as_str()), ("INVITE", 12, "sip:6001@b.example"));
            for name in [HeaderName::CallId, HeaderName::From, HeaderName::Via] {
                assert_ne!(header(&first.headers, name.clone()), header(&second.headers, name));
            }
            expected.push(goes_by("b", Some(status)));
        } else {
            assert_eq!(sent.len(), 1, "{status}");
            expected.push(DialogEvent::Refused { status });
        }
        assert_eq!(bench.events(), expected, "{status}");
    }
}

#[test]
fn the_last_refusal_is_told_when_no_way_is_left() {
    let mut bench = carriers();
    dial(&mut bench, 7, "carriers");
    for (from, status) in [(11, 503), (12, 500), (13, 502)] {
        let (to, request) = invite(&mut bench);
        assert_eq!(to, from);
        answer(&mut bench, from, &reply(&request, status));
    }
    let expected =
        [goes_by("a", None), goes_by("b", Some(503)), goes_by("c", Some(500)), DialogEvent::Refused { status: 502 }];
    assert_eq!(bench.events(), expected);
    bench.ends_empty();
    assert!(bench.endpoint.is_at_rest());
}

#[test]
fn silence_costs_the_try_time_and_not_more() {
    let mut bench = carriers();
    dial(&mut bench, 7, "carriers");
    let (_, first) = invite(&mut bench);
    assert_eq!(bench.run(3.9), [500, 1500, 3500]);
    bench.sent.clear();
    assert_eq!(bench.run(0.2), [4000]);
    let (to, second) = invite(&mut bench);
    assert_eq!(to, 12);
    answer(&mut bench, 12, &reply(&second, 180));
    // What a answers now is no news: nobody may be left ringing there.
    answer(&mut bench, 11, &reply(&first, 180));
    let sent = went(&mut bench);
    assert_eq!(sent.iter().map(|(method, to, _)| (method.as_str(), *to)).collect::<Vec<_>>(), [("CANCEL", 11)]);
    answer(&mut bench, 11, &reply(&first, 200));
    let late = went(&mut bench);
    assert_eq!(
        late.iter().map(|(method, to, _)| (method.as_str(), *to)).collect::<Vec<_>>(),
        [("ACK", 11), ("BYE", 11)]
    );
    answer(&mut bench, 11, &reply(&late[1].2, 200));
    answer(&mut bench, 12, &reply(&second, 200));
    let expected = [
        goes_by("a", None),
        goes_by("b", Some(408)),
        DialogEvent::Ringing { sdp: None },
        DialogEvent::Answered { sdp: Some(sdp("answer")) },
    ];
    assert_eq!(bench.events(), expected);
    bench.sent.clear();
    bench.order(DialogOrder::HangUp);
    let sent = went(&mut bench);
    answer(&mut bench, 12, &reply(&sent[0].2, 200));
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
    bench.ends_empty();
}

#[test]
fn nobody_anywhere_ends_long_before_timer_b() {
    let mut bench = bench(vec![named("pbx", 11, TrunkPolicy::default())]);
    dial(&mut bench, 7, "pbx");
    bench.run(7.9);
    assert_eq!(bench.events(), []);
    bench.run(0.2);
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 408 }]);
    assert_eq!(news(&mut bench), [("pbx".to_owned(), false)]);
    bench.sent.clear();
    dial(&mut bench, 8, "pbx");
    assert_eq!(went(&mut bench).len(), 1, "what rests is better than nothing");
    bench.ends_empty();
    assert!(bench.endpoint.is_at_rest());
}

#[test]
fn a_call_that_hangs_up_is_tried_no_further() {
    let mut bench = carriers();
    dial(&mut bench, 7, "carriers");
    let (_, first) = invite(&mut bench);
    bench.order(DialogOrder::HangUp);
    answer(&mut bench, 11, &reply(&first, 503));
    assert_eq!(bench.events(), [goes_by("a", None), DialogEvent::Refused { status: 503 }]);
    assert_eq!(went(&mut bench).iter().map(|(method, ..)| method.as_str()).collect::<Vec<_>>(), ["ACK"]);
    bench.ends_empty();
}

#[test]
fn after_early_media_a_refusal_is_a_refusal() {
    for (early, moves) in [("", true), ("early", false)] {
        let mut bench = carriers();
        dial(&mut bench, 7, "carriers");
        let (_, first) = invite(&mut bench);
        answer(&mut bench, 11, &reply_with(&first, 183, "t", &[], early));
        bench.events();
        answer(&mut bench, 11, &reply(&first, 500));
        let expected = if moves { goes_by("b", Some(500)) } else { DialogEvent::Refused { status: 500 } };
        assert_eq!(bench.events(), [expected], "{early}");
    }
}

#[test]
fn a_trunk_that_asks_for_a_rest_gets_it() {
    let mut bench = carriers();
    dial(&mut bench, 7, "carriers");
    let (_, first) = invite(&mut bench);
    answer(&mut bench, 11, &reply_with(&first, 503, "t", &[(HeaderName::RetryAfter, "60")], ""));
    let (to, second) = invite(&mut bench);
    assert_eq!((to, news(&mut bench)), (12, vec![("a".to_owned(), false)]));
    answer(&mut bench, 12, &reply(&second, 486));
    bench.run(30.0);
    bench.sent.clear();
    dial(&mut bench, 8, "carriers");
    let (to, second) = invite(&mut bench);
    assert_eq!(to, 12, "a rests as it asked");
    answer(&mut bench, 12, &reply(&second, 486));
    bench.sent.clear();
    dial(&mut bench, 9, "a");
    assert_eq!(went(&mut bench).len(), 0, "nor by its own name");
    assert_eq!(bench.events().last(), Some(&DialogEvent::Refused { status: 503 }));
    bench.run(31.0);
    bench.sent.clear();
    dial(&mut bench, 10, "carriers");
    assert_eq!(invite(&mut bench).0, 11);
}

#[test]
fn probes_find_a_trunk_down_and_up_again() {
    let probe = Some(Probe { every: Duration::from_secs(10), misses: 2 });
    let mut bench = bench(vec![named("a", 11, TrunkPolicy { probe, ..member(1) }), named("b", 12, member(2))]);
    let mut probes = 0;
    let mut answered = |bench: &mut Bench, status: Option<u16>| {
        bench.run(10.0);
        let sent = went(bench);
        let options: Vec<_> = sent.iter().filter(|(method, ..)| method == "OPTIONS").collect();
        let (_, to, request) = options.last().unwrap();
        assert_eq!((*to, request.uri.to_string().as_str()), (11, "sip:a.example"));
        probes += 1;
        if let Some(status) = status {
            answer(bench, 11, &reply(request, status));
        }
    };
    answered(&mut bench, Some(404));
    assert_eq!(news(&mut bench), [], "any answer says that somebody is there");
    answered(&mut bench, None);
    answered(&mut bench, None);
    answered(&mut bench, None);
    assert_eq!(news(&mut bench), [("a".to_owned(), false)]);
    dial(&mut bench, 7, "carriers");
    let (to, other) = invite(&mut bench);
    assert_eq!(to, 12, "what is down is not even tried");
    answer(&mut bench, 12, &reply(&other, 486));
    answered(&mut bench, Some(200));
    assert_eq!(news(&mut bench).first(), Some(&("a".to_owned(), true)));
    dial(&mut bench, 8, "carriers");
    assert_eq!(invite(&mut bench).0, 11);
}

#[test]
fn a_connection_that_cannot_be_had_is_as_good_as_a_refusal() {
    let tcp = Trunk { transport: Transport::Tcp, ..named("a", 11, member(1)) };
    let mut bench = bench(vec![tcp, named("b", 12, member(2))]);
    dial(&mut bench, 7, "carriers");
    let (flow, _) = bench.sent.remove(0);
    assert_eq!(flow.transport, Transport::Tcp);
    bench.handle(Input::FlowClosed { flow });
    assert_eq!(invite(&mut bench).0, 12);
    assert_eq!(bench.events(), [goes_by("a", None), goes_by("b", Some(503))]);
}

fn looked_up() -> Trunk {
    let lookup = Lookup { host: "pbx.example".into(), port: None, transport: None, secure: false };
    let policy = TrunkPolicy { lookup: Some(lookup), ..TrunkPolicy::default() };
    let account = Account { user: "6000".into(), credentials: credentials(), register: Some(300) };
    Trunk { account: Some(account), ..named("pbx", 1, policy) }
}

fn located(bench: &mut Bench, targets: &[(Transport, u8, u32)], seconds: u64) {
    let target = |(transport, last, rank): &(Transport, u8, u32)| Target {
        transport: *transport,
        address: at(*last),
        rank: *rank,
        weight: 0,
    };
    let ttl = Duration::from_secs(seconds);
    let found = (!targets.is_empty()).then(|| Located { targets: targets.iter().map(target).collect(), ttl });
    bench.handle(Input::Located { trunk: 0, found });
}

fn questions(bench: &mut Bench) -> usize {
    std::mem::take(&mut bench.trunk_news).iter().filter(|output| matches!(output, Output::Locate { .. })).count()
}

#[test]
fn a_name_is_looked_up_and_its_addresses_tried_in_their_order() {
    let mut bench = bench(vec![looked_up()]);
    bench.handle(Input::Timeout);
    assert_eq!((questions(&mut bench), bench.sent.len()), (1, 0));
    dial(&mut bench, 6, "pbx");
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 503 }], "nobody knows where it is");
    located(&mut bench, &[], 0);
    bench.run(2.0);
    assert_eq!(questions(&mut bench), 1, "asked again");
    located(&mut bench, &[(Transport::Udp, 21, 1), (Transport::Tcp, 22, 2)], 60);
    bench.handle(Input::Timeout);
    let sent = went(&mut bench);
    assert_eq!((sent[0].0.as_str(), sent[0].1), ("REGISTER", 21), "and registers there");
    answer(&mut bench, 21, &reply(&sent[0].2, 200));
    dial(&mut bench, 7, "pbx");
    let (to, first) = invite(&mut bench);
    answer(&mut bench, 21, &reply(&first, 503));
    let (flow, _) = bench.sent.last().unwrap();
    assert_eq!((to, flow.transport, flow.remote), (21, Transport::Tcp, at(22)));
    let (_, second) = invite(&mut bench);
    assert_eq!(second.uri, first.uri, "the same server");
    assert_eq!(bench.events(), [], "within a trunk that is nobody's business");
    bench.run(60.0);
    assert_eq!(questions(&mut bench), 1, "before the answer is too old");
}

#[test]
fn as_many_calls_as_a_trunk_may_have() {
    let policy = |priority| TrunkPolicy { max_calls: Some(1), ..member(priority) };
    let mut bench = bench(vec![named("a", 11, policy(1)), named("b", 12, policy(2))]);
    for (dialog, to) in [(1, Some(11)), (2, Some(12)), (3, None)] {
        dial(&mut bench, dialog, "carriers");
        let sent = went(&mut bench);
        assert_eq!(sent.first().map(|(_, to, _)| *to), to, "{dialog}");
    }
    assert_eq!(bench.events().last(), Some(&DialogEvent::Refused { status: 503 }));
    // Both directions count together.
    let caller = Caller::new();
    bench.receive(caller.invite());
    let refusal = bench.response();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.headers.contains(&HeaderName::RetryAfter));
    assert!(bench.counted.contains(&Counter::TrunkFull));
    bench.run(20.0);
    bench.sent.clear();
    bench.receive(caller.request("INVITE", 1, "again", "Content-Type: application/sdp\n", SDP));
    assert_eq!(bench.words()[0], "100", "the calls that nobody answered have left");
}

#[test]
fn header_rules_and_what_is_kept() {
    let rules = HeaderRules {
        remove: vec![HeaderName::UserToUser],
        set: vec![(HeaderName::from("X-Line"), "hotline".into())],
        add: vec![(HeaderName::from("P-Preferred-Identity"), "<sip:100@a.example>".into())],
        keep: vec![HeaderName::from("X-Ticket")],
    };
    let policy = TrunkPolicy { headers: Arc::new(rules), ..TrunkPolicy::default() };
    let mut bench = bench(vec![Trunk { name: "pbx".into(), policy, ..trunk() }]);
    let target = OutgoingTarget { uri: "sip:6001@pbx".into(), trunk: "pbx".into(), display_name: None };
    let headers = vec![("User-to-User".into(), "6162".into()), ("X-Line".into(), "other".into())];
    let order = DialogOrder::Invite { target, offer: sdp(SDP), headers };
    bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
    let (_, request) = invite(&mut bench);
    assert_eq!(header(&request.headers, HeaderName::UserToUser), "");
    assert_eq!(header(&request.headers, HeaderName::from("x-line")), "hotline");
    assert_eq!(header(&request.headers, HeaderName::from("P-Preferred-Identity")), "<sip:100@a.example>");
    let more = "Content-Type: application/sdp\nX-Ticket: T-17\nX-Other: no\n";
    bench.receive(Caller::new().request("INVITE", 1, "i1", more, SDP));
    let kept = &bench.incoming[0].particulars.kept;
    assert_eq!(kept.as_slice(), [("X-Ticket".to_owned(), Redacted::from("T-17"))]);
}

#[test]
fn an_outbound_proxy_is_the_first_route() {
    let proxy = Some("sip:proxy.example;lr".parse().unwrap());
    let policy = TrunkPolicy { proxy, ..TrunkPolicy::default() };
    let account = Account { user: "6000".into(), credentials: credentials(), register: Some(300) };
    let mut bench = bench(vec![Trunk { account: Some(account), ..named("pbx", 11, policy) }]);
    bench.handle(Input::Timeout);
    dial(&mut bench, 7, "pbx");
    let sent = went(&mut bench);
    for (method, to, request) in &sent {
        assert_eq!(
            (*to, header(&request.headers, HeaderName::Route).as_str()),
            (11, "<sip:proxy.example;lr>"),
            "{method}"
        );
    }
    let request = &sent.iter().find(|(method, ..)| method == "INVITE").unwrap().2;
    assert_eq!(request.uri.to_string(), "sip:6001@pbx", "not the proxy's");
    // In the dialog the recorded routes count (12.1.2), the last of them first.
    let recorded = [(HeaderName::RecordRoute, "<sip:far.example;lr>, <sip:near.example;lr>")];
    answer(&mut bench, 11, &reply_with(request, 200, "t", &recorded, "answer"));
    let (_, _, ack) = went(&mut bench).remove(0);
    let routes: Vec<_> =
        ack.headers.lines(&HeaderName::Route).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    assert_eq!(routes.join(", "), "<sip:near.example;lr>, <sip:far.example;lr>");
    assert_eq!(ack.uri.to_string(), "sip:agent@192.0.2.2:5070");
}

#[test]
fn a_secure_trunk_has_secure_addresses_throughout() {
    let policy = TrunkPolicy { secure: true, ..TrunkPolicy::default() };
    let mut bench = bench(vec![Trunk { transport: Transport::Tls, ..named("pbx", 11, policy) }]);
    dial(&mut bench, 7, "pbx");
    let (_, request) = invite(&mut bench);
    assert_eq!(request.uri.to_string(), "sips:6001@pbx");
    assert_eq!(header(&request.headers, HeaderName::To), "<sips:6001@pbx>");
    let contact = header(&request.headers, HeaderName::Contact);
    assert!(contact.starts_with("<sips:192.0.2.1:") && !contact.contains("transport"), "{contact}");
    // Whoever calls us by sips: gets such a Contact, too (12.1.1), over TLS only.
    for (transport, scheme) in [(Transport::Tls, "<sips:1000@"), (Transport::Udp, "<sip:1000@")] {
        let mut bench = Bench::new();
        bench.flow = flow(transport);
        let mut caller = Caller::new();
        caller.via = if transport == Transport::Tls { "SIP/2.0/TLS 192.0.2.2:5070" } else { caller.via };
        bench.receive(caller.invite().replacen("sip:1000@", "sips:1000@", 1));
        bench.order(DialogOrder::Answer { sdp: sdp("ours") });
        let contact = header(&bench.response().headers, HeaderName::Contact);
        assert!(contact.starts_with(scheme), "{contact}");
    }
}

#[test]
fn a_registrar_that_says_nothing_gives_way_to_the_next() {
    let mut bench = bench(vec![looked_up()]);
    located(&mut bench, &[(Transport::Udp, 21, 1), (Transport::Udp, 22, 2)], 3_000);
    bench.handle(Input::Timeout);
    assert_eq!(went(&mut bench)[0].1, 21);
    bench.run(7.0);
    let sent = went(&mut bench);
    let (method, to, request) = sent.last().unwrap();
    assert_eq!((method.as_str(), *to), ("REGISTER", 22), "after the try time and the back-off");
    answer(&mut bench, 22, &reply(request, 200));
    assert!(matches!(
        bench.rest.last(),
        Some(Output::Registration { state: RegistrationState::Registered { .. }, .. })
    ));
    bench.run(285.0);
    let sent = went(&mut bench);
    let refresh = sent.iter().find(|(method, ..)| method == "REGISTER").unwrap();
    assert_eq!(refresh.1, 22, "it stays where it is");
}
