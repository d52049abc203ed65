//! Outgoing calls.

use super::*;

pub(super) fn dial(bench: &mut Bench) -> Request {
    let display_name = Some(Redacted::from("熱線 \"A\""));
    let target = OutgoingTarget { uri: "sip:6001@192.0.2.2:5070".into(), trunk: "pbx".into(), display_name };
    let headers = vec![("User-to-User".into(), "6162;encoding=hex".into()), ("Via".into(), "x".into())];
    let order = DialogOrder::Invite { target, offer: sdp(SDP), headers };
    bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
    bench.requests().pop().unwrap()
}

pub(super) fn reply_with(
    request: &Request,
    status: u16,
    tag: &str,
    more: &[(HeaderName, &str)],
    body: &str,
) -> Vec<u8> {
    let mut response = Response::to_request(request, StatusCode::new(status).unwrap(), Some(tag));
    if (180..300).contains(&status) {
        response.headers.push_text(HeaderName::Contact, "<sip:agent@192.0.2.2:5070>");
    }
    for (name, value) in more {
        response.headers.push_text(name.clone(), value);
    }
    if !body.is_empty() {
        response.set_body("application/sdp", body.to_owned());
    }
    response.to_bytes().to_vec()
}

pub(super) fn reply(request: &Request, status: u16) -> Vec<u8> {
    reply_with(request, status, "t", &[], if status == 200 { "answer" } else { "" })
}

pub(super) const CHALLENGE: (HeaderName, &str) =
    (HeaderName::WwwAuthenticate, "Digest realm=\"pbx\", nonce=\"n\", algorithm=MD5, qop=\"auth\"");

pub(super) fn up() -> (Bench, Request) {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply(&invite, 200));
    assert_eq!(bench.words(), ["ACK"]);
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: Some(sdp("answer")) }]);
    (bench, invite)
}

#[test]
fn an_invite_rings_is_answered_and_acknowledged() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    assert_eq!(invite.uri.to_string(), "sip:6001@192.0.2.2:5070");
    let from = header(&invite.headers, HeaderName::From);
    assert!(from.starts_with("\"熱線 \\\"A\\\"\" <sip:6000@pbx.example>;tag="), "{from}");
    assert_eq!(header(&invite.headers, HeaderName::Contact), "<sip:6000@192.0.2.1:5060>");
    assert_eq!(header(&invite.headers, HeaderName::UserToUser), "6162;encoding=hex");
    assert_eq!(invite.headers.lines(&HeaderName::Via).count(), 1);
    bench.receive(reply(&invite, 100));
    bench.receive(reply(&invite, 180));
    bench.receive(reply_with(&invite, 183, "t", &[], "early"));
    assert_eq!(bench.events(), [DialogEvent::Ringing { sdp: None }, DialogEvent::Ringing { sdp: Some(sdp("early")) }]);
    assert_eq!(bench.run(100.0), [0u64; 0], "it may ring for long");
    bench.receive(reply(&invite, 200));
    let ack = bench.requests().remove(0);
    assert_eq!((ack.method.as_str(), ack.uri.to_string().as_str()), ("ACK", "sip:agent@192.0.2.2:5070"));
    assert_eq!(header(&ack.headers, HeaderName::CSeq), "1 ACK");
    assert_ne!(ack.headers.via().unwrap().branch(), invite.headers.via().unwrap().branch());
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: Some(sdp("answer")) }]);
    bench.receive(reply(&invite, 200));
    assert_eq!(bench.requests(), [ack], "the same ACK again");
    assert_eq!(bench.events(), []);
}

#[test]
fn the_other_side_hangs_up() {
    let (mut bench, invite) = up();
    let local = header(&invite.headers, HeaderName::From);
    let text = format!(
        "BYE sip:6000@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKb;rport\nMax-Forwards: 70\n\
         From: <sip:6001@192.0.2.2:5070>;tag=t\nTo: {local}\nCall-ID: {}\nCSeq: 1 BYE\nContent-Length: 0\n\n",
        header(&invite.headers, HeaderName::CallId)
    );
    bench.receive(text);
    assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![DialogEvent::Ended { lost: false }]));
    bench.ends_empty();
}

#[test]
fn while_it_rings_the_pbx_may_update() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    let local = header(&invite.headers, HeaderName::From);
    let call_id = header(&invite.headers, HeaderName::CallId);
    let request = |method: &str, seq: u32, body: &str| {
        format!(
            "{method} sip:6000@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKu{seq};rport\n\
             Max-Forwards: 70\nFrom: <sip:6001@192.0.2.2:5070>;tag=t\nTo: {local}\nCall-ID: {call_id}\n\
             CSeq: {seq} {method}\nContent-Type: application/sdp\n\n{body}"
        )
    };
    bench.receive(request("UPDATE", 1, ""));
    assert_eq!(bench.words(), ["481"], "no dialog yet");
    bench.receive(reply(&invite, 180));
    bench.receive(request("UPDATE", 2, ""));
    bench.receive(request("UPDATE", 3, SDP));
    bench.receive(request("REFER", 4, ""));
    assert_eq!(bench.words(), ["200", "491", "405"]);
    bench.receive(reply(&invite, 200));
    bench.events();
    bench.receive(request("UPDATE", 5, SDP));
    assert_eq!(bench.events(), [DialogEvent::Offered { sdp: sdp(SDP) }]);
}

#[test]
fn other_branches_of_a_fork_are_acknowledged_and_ended() {
    let (mut bench, invite) = up();
    bench.receive(reply_with(&invite, 200, "second", &[], "other"));
    let sent = bench.requests();
    assert_eq!(sent.iter().map(|r| r.method.as_str()).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(sent.iter().all(|r| header(&r.headers, HeaderName::To).ends_with(";tag=second")));
    bench.receive(reply(&sent[1], 200));
    assert_eq!((bench.events(), bench.endpoint.dialogs()), (vec![], 1));
    bench.order(DialogOrder::HangUp);
    let bye = bench.requests().remove(0);
    assert!(header(&bye.headers, HeaderName::To).ends_with(";tag=t"));
    bench.receive(reply(&bye, 200));
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
    bench.receive(reply_with(&invite, 200, "third", &[], "other"));
    assert_eq!(bench.words(), ["ACK", "BYE"], "also after the call is over");
    bench.ends_empty();
}

#[test]
fn refusals_are_acknowledged_on_their_branch() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply(&invite, 486));
    let ack = bench.requests().remove(0);
    assert_eq!(ack.headers.via(), invite.headers.via());
    assert_eq!((ack.uri.clone(), header(&ack.headers, HeaderName::CSeq)), (invite.uri.clone(), "1 ACK".into()));
    assert!(header(&ack.headers, HeaderName::To).ends_with(";tag=t"));
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 486 }]);
    bench.receive(reply(&invite, 486));
    assert_eq!((bench.requests(), bench.events()), (vec![ack], vec![]));
    bench.ends_empty();
}

#[test]
fn redirection_and_challenge_without_account_are_refusals() {
    let mut bench = Bench::with(EndpointConfig { trunks: vec![Trunk { account: None, ..trunk() }], ..config() });
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 302, "t", &[(HeaderName::Contact, "<sip:else@192.0.2.9>")], ""));
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 302 }]);
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 401, "t", &[CHALLENGE], ""));
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 401 }]);
    bench.ends_empty();
}

#[test]
fn a_challenge_is_answered_once() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 401, "t", &[CHALLENGE], ""));
    let [ack, again] = bench.requests().try_into().unwrap();
    assert_eq!((ack.method.as_str(), header(&again.headers, HeaderName::CSeq)), ("ACK", "2 INVITE".into()));
    assert_ne!(again.headers.via(), invite.headers.via());
    assert_eq!(again.headers.get(&HeaderName::CallId), invite.headers.get(&HeaderName::CallId));
    assert!(header(&again.headers, HeaderName::Authorization).contains("nc=00000001"));
    assert_eq!(again.body, SDP);
    bench.receive(reply_with(&again, 401, "t2", &[CHALLENGE], ""));
    assert_eq!((bench.words(), bench.events()), (vec!["ACK".into()], vec![DialogEvent::Refused { status: 401 }]));
    bench.ends_empty();
}

#[test]
fn an_invite_through_a_challenge_ends_by_its_own_transaction() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 407, "t", &[(HeaderName::ProxyAuthenticate, CHALLENGE.1)], ""));
    let again = bench.requests().pop().unwrap();
    assert!(again.headers.contains(&HeaderName::ProxyAuthorization));
    bench.receive(reply(&again, 180));
    bench.run(60.0);
    bench.receive(reply(&again, 200));
    let ack = bench.requests().remove(0);
    assert_eq!(header(&ack.headers, HeaderName::CSeq), "2 ACK");
    assert!(ack.headers.contains(&HeaderName::ProxyAuthorization));
    bench.order(DialogOrder::HangUp);
    let bye = bench.requests().remove(0);
    assert_eq!(header(&bye.headers, HeaderName::CSeq), "3 BYE");
    assert!(header(&bye.headers, HeaderName::ProxyAuthorization).contains("nc=00000002"));
    let stale = "Digest realm=\"pbx\", nonce=\"m\", qop=\"auth\", stale=true";
    bench.receive(reply_with(&bye, 407, "t", &[(HeaderName::ProxyAuthenticate, stale)], ""));
    let bye = bench.requests().remove(0);
    assert!(header(&bye.headers, HeaderName::ProxyAuthorization).contains("nonce=\"m\""));
    bench.events();
    bench.receive(reply(&bye, 200));
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
    bench.ends_empty();
}

#[test]
fn cancel_waits_for_a_provisional_answer() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.order(DialogOrder::HangUp);
    assert_eq!(bench.words(), [""; 0]);
    bench.receive(reply(&invite, 100));
    let cancel = bench.requests().remove(0);
    assert_eq!((cancel.method.as_str(), header(&cancel.headers, HeaderName::CSeq)), ("CANCEL", "1 CANCEL".into()));
    assert_eq!((cancel.headers.via(), &cancel.uri), (invite.headers.via(), &invite.uri));
    assert_eq!(cancel.headers.to().unwrap().tag(), None);
    bench.receive(reply(&cancel, 200));
    bench.receive(reply(&invite, 487));
    assert_eq!((bench.words(), bench.events()), (vec!["ACK".into()], vec![DialogEvent::Refused { status: 487 }]));
    bench.ends_empty();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    for provisional in [true, false] {
        let mut bench = Bench::new();
        let invite = dial(&mut bench);
        if provisional {
            bench.receive(reply(&invite, 180));
        }
        bench.order(DialogOrder::HangUp);
        bench.sent();
        bench.events();
        bench.receive(reply(&invite, 200));
        let sent = bench.requests();
        assert_eq!(sent.iter().map(|r| r.method.as_str()).collect::<Vec<_>>(), ["ACK", "BYE"]);
        bench.receive(reply(&invite, 200));
        assert_eq!(bench.words(), ["ACK"], "its ACK was lost");
        bench.receive(reply(&sent[1], 200));
        assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
        bench.ends_empty();
    }
}

#[test]
fn a_cancel_that_leads_to_nothing_is_given_up() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply(&invite, 180));
    bench.order(DialogOrder::HangUp);
    bench.events();
    bench.run(33.0);
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 487 }]);
    assert_eq!((bench.endpoint.dialogs(), bench.endpoint.transactions()), (0, 0));
}

#[test]
fn nobody_there() {
    let mut bench = Bench::new();
    dial(&mut bench);
    assert_eq!(bench.run(31.9), [500, 1500, 3500, 7500, 15500, 31500]);
    bench.run(0.2);
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 408 }]);
    bench.ends_empty();
}

#[test]
fn no_connection_no_trunk_no_address() {
    let tcp = Trunk { transport: Transport::Tcp, ..trunk() };
    let mut bench = Bench::with(EndpointConfig { trunks: vec![tcp], ..config() });
    let invite = dial(&mut bench);
    assert_eq!(header(&invite.headers, HeaderName::Contact), "<sip:6000@192.0.2.1:5060;transport=tcp>");
    bench.handle(Input::FlowClosed { flow: flow(Transport::Tcp) });
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 503 }]);
    for (uri, trunk, status) in [("sip:1@h", "nobody", 503), ("no uri", "pbx", 400)] {
        let target = OutgoingTarget { uri: uri.into(), trunk: trunk.into(), display_name: None };
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
        bench.handle(Input::Order(AddressedOrder { dialog: DialogId(8), order }));
        assert_eq!(bench.events(), [DialogEvent::Refused { status }]);
    }
    bench.ends_empty();
}

#[test]
fn requests_follow_the_route() {
    for (routes, uri, route) in [
        (
            "<sip:p2@192.0.2.4;lr>, <sip:p1@192.0.2.3;lr>",
            "sip:agent@192.0.2.2:5070",
            "<sip:p1@192.0.2.3;lr> <sip:p2@192.0.2.4;lr>",
        ),
        ("<sip:p2@192.0.2.4>, <sip:p1@192.0.2.3>", "sip:p1@192.0.2.3", "<sip:p2@192.0.2.4> <sip:agent@192.0.2.2:5070>"),
    ] {
        let mut bench = Bench::new();
        let invite = dial(&mut bench);
        bench.receive(reply_with(&invite, 200, "t", &[(HeaderName::RecordRoute, routes)], "answer"));
        let ack = bench.requests().remove(0);
        assert_eq!(ack.uri.to_string(), uri);
        let found: Vec<_> = ack.headers.routes().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), route);
    }
}

#[test]
fn stray_responses_are_counted() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    let text = String::from_utf8(reply(&invite, 200)).unwrap();
    bench.receive(text.replace("z9hG4bK", "z9hG4bKx"));
    bench.receive(text.replace("\r\nFrom:", "\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy\r\nFrom:"));
    assert_eq!(bench.counted, [Counter::StrayResponse, Counter::StrayResponse]);
    assert_eq!(bench.events(), []);
}

#[test]
fn registers_and_is_taken_back_on_drain() {
    let mut trunk = trunk();
    trunk.account.as_mut().unwrap().register = Some(300);
    let mut bench = Bench::with(EndpointConfig { trunks: vec![trunk], ..config() });
    assert_eq!(bench.endpoint.deadline(), Some((bench.now, Why::Registration)));
    bench.run(0.0);
    let register = bench.requests().remove(0);
    assert_eq!(header(&register.headers, HeaderName::To), "<sip:6000@pbx.example>");
    bench.receive(reply_with(&register, 401, "t", &[CHALLENGE], ""));
    let register = bench.requests().remove(0);
    bench.receive(reply_with(&register, 200, "t", &[(HeaderName::Expires, "120")], ""));
    bench.run(110.0);
    let refresh = bench.requests().remove(0);
    assert_eq!(header(&refresh.headers, HeaderName::CSeq), "3 REGISTER", "refreshed in time");
    bench.handle(Input::Drain);
    let register = bench.requests().remove(0);
    assert_eq!(header(&register.headers, HeaderName::Expires), "0");
    assert!(!bench.endpoint.is_at_rest());
    bench.receive(reply(&register, 200));
    assert!(bench.endpoint.is_at_rest());
    let states: Vec<_> = bench
        .rest
        .iter()
        .filter_map(|output| if let Output::Registration { state, .. } = output { Some(state.clone()) } else { None })
        .collect();
    let expires = Duration::from_secs(120);
    assert_eq!(
        states,
        [RegistrationState::Registering, RegistrationState::Registered { expires }, RegistrationState::Removed]
    );
    bench.ends_empty();
}
