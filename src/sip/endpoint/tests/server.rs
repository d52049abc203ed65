//! Incoming calls: from INVITE to BYE.

use super::*;

#[test]
fn a_call_comes_is_answered_and_ends() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    assert_eq!(bench.words(), ["100"]);
    let invite = &bench.incoming[0];
    assert_eq!((invite.from.reveal().as_str(), invite.to.as_str()), ("6001", "1000"));
    assert_eq!(invite.display_name.as_ref().map(|name| name.reveal().as_str()), Some("阿明"));
    assert_eq!((invite.trunk.as_deref(), invite.offer.as_deref()), (Some("pbx"), Some(SDP.as_bytes())));
    assert_eq!((invite.call_id.as_str(), invite.source), ("c1", THEIRS.parse().unwrap()));
    bench.order(DialogOrder::Ring);
    let ringing = bench.response();
    caller.learn(&ringing);
    assert_eq!(header(&ringing.headers, HeaderName::Contact), "<sip:1000@192.0.2.1:5060>");
    bench.order(DialogOrder::Progress { sdp: sdp("early") });
    assert_eq!(bench.response().body, "early");
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    let ok = bench.response();
    assert_eq!((ok.status.as_u16(), &ok.body[..]), (200, &b"ours"[..]));
    assert_eq!(ok.headers.to().unwrap().tag(), Some(caller.to_tag.as_str()));
    bench.receive(caller.ack(1));
    assert!(!bench.endpoint.is_at_rest());
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![DialogEvent::Ended { lost: false }]));
    assert!(bench.endpoint.is_at_rest() && bench.endpoint.transactions() > 0);
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    assert_eq!(bench.words(), ["200"], "the answer was lost");
    bench.order(DialogOrder::HangUp);
    assert_eq!(bench.counted, [Counter::LateOrder]);
    bench.ends_empty();
}

#[test]
fn a_repeated_invite_gets_the_last_provisional_answer() {
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Ring);
    bench.sent();
    bench.receive(caller.invite());
    assert_eq!((bench.words(), bench.incoming.len()), (vec!["180".into()], 1));
}

#[test]
fn an_answer_that_is_never_acknowledged_is_repeated_for_32_seconds_and_ended() {
    let (mut bench, _) = answered(false);
    let times = bench.run(31.9);
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert!(bench.words().iter().all(|word| word == "200"));
    assert_eq!(bench.run(0.1), [32000]);
    assert_eq!(bench.words(), ["BYE"]);
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
    bench.ends_empty();
    assert_eq!(bench.events(), []);
}

#[test]
fn answers_are_repeated_over_tcp_too() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    caller.via = "SIP/2.0/TCP 192.0.2.2:5070";
    bench.flow = flow(Transport::Tcp);
    let invite = caller.invite();
    let (first, second) = invite.split_at(200);
    bench.receive(first);
    assert!(bench.incoming.is_empty());
    bench.receive(second);
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    let ok = bench.response();
    assert_eq!(header(&ok.headers, HeaderName::Contact), "<sip:1000@192.0.2.1:5060;transport=tcp>");
    caller.learn(&ok);
    assert_eq!(bench.run(2.0), [500, 1500]);
    bench.receive(caller.ack(1));
    assert_eq!(bench.run(60.0), [0u64; 0]);
}

#[test]
fn an_answer_in_the_ack_reaches_the_call() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    bench.receive(caller.request("INVITE", 1, "i1", "", ""));
    assert_eq!(bench.incoming[0].offer, None);
    bench.order(DialogOrder::Answer { sdp: sdp("our offer") });
    caller.learn(&bench.response());
    bench.receive(caller.request("ACK", 1, "a", "Content-Type: application/sdp\n", SDP));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: Some(sdp(SDP)) }]);
}

#[test]
fn cancel_before_the_answer() {
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Ring);
    bench.sent();
    bench.receive(caller.request("CANCEL", 1, "i1", "", ""));
    assert_eq!(bench.words(), ["200", "487"]);
    assert_eq!(bench.events(), [DialogEvent::Cancelled]);
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    assert_eq!((bench.words(), bench.counted.clone()), (vec![], vec![Counter::LateOrder]));
    assert_eq!(bench.run(1.0), [500], "487 until its ACK");
    bench.sent();
    bench.receive(caller.request("ACK", 1, "i1", "", ""));
    assert_eq!(bench.run(40.0), [0u64; 0]);
    bench.ends_empty();
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    let (mut bench, caller) = answered(false);
    let fresh = Caller { to_tag: String::new(), ..caller.clone() };
    bench.receive(fresh.request("CANCEL", 1, "i1", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![]));
    bench.receive(caller.ack(1));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
    bench.receive(fresh.request("CANCEL", 1, "other", "", ""));
    assert_eq!(bench.words(), ["481"]);
}

#[test]
fn refusals_are_repeated_until_acknowledged() {
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.sent();
    bench.order(DialogOrder::Refuse { status: 486 });
    assert_eq!(bench.words(), ["486"]);
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
    assert_eq!(bench.run(4.0), [500, 1500, 3500]);
    bench.sent();
    bench.receive(caller.request("ACK", 1, "i1", "", ""));
    assert_eq!((bench.run(40.0), bench.counted.len()), (vec![], 0));
    bench.ends_empty();
}

#[test]
fn bye_before_the_ack() {
    let (mut bench, caller) = answered(false);
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![DialogEvent::Ended { lost: false }]));
    bench.receive(caller.ack(1));
    assert_eq!(bench.counted, [Counter::StrayAck]);
    bench.ends_empty();
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn bye_in_the_early_dialog_is_a_cancel() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Ring);
    caller.learn(&bench.response());
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["200".into(), "487".into()], vec![DialogEvent::Cancelled]));
    bench.ends_empty();
}

#[test]
fn hanging_up_waits_for_the_ack() {
    let (mut bench, caller) = answered(false);
    bench.order(DialogOrder::HangUp);
    assert_eq!(bench.words(), [""; 0]);
    bench.receive(caller.ack(1));
    let bye = bench.requests().remove(0);
    assert_eq!((bye.method.as_str(), bye.uri.to_string().as_str()), ("BYE", "sip:6001@192.0.2.2:5070"));
    assert_eq!(header(&bye.headers, HeaderName::CSeq), "1 BYE");
    assert!(header(&bye.headers, HeaderName::To).ends_with(";tag=f"));
    let ok = Response::to_request(&bye, StatusCode::OK, None);
    bench.receive(ok.to_bytes());
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
    bench.ends_empty();
}

#[test]
fn hanging_up_on_nobody_ends_all_the_same() {
    let (mut bench, _) = answered(true);
    bench.order(DialogOrder::HangUp);
    assert_eq!(bench.run(40.0).len(), 10);
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
    bench.ends_empty();
}

#[test]
fn answers_go_where_the_via_says() {
    for (via, remote, received) in [
        ("SIP/2.0/UDP 10.0.0.5:5062;rport", THEIRS, ";rport=5070;branch=z9hG4bKo;received=192.0.2.2"),
        ("SIP/2.0/UDP 10.0.0.5:5062", "192.0.2.2:5062", ";branch=z9hG4bKo;received=192.0.2.2"),
        ("SIP/2.0/UDP 192.0.2.2", "192.0.2.2:5060", ";branch=z9hG4bKo"),
        ("SIP/2.0/UDP pbx.example:5064", "192.0.2.2:5064", ";branch=z9hG4bKo;received=192.0.2.2"),
    ] {
        let mut bench = Bench::new();
        let caller = Caller { via, ..Caller::new() };
        bench.receive(caller.request("OPTIONS", 1, "o", "", ""));
        let (flow, message) = bench.sent.pop().unwrap();
        assert_eq!(flow.remote, remote.parse().unwrap(), "{via}");
        let value = header(message.headers(), HeaderName::Via);
        assert!(value.ends_with(received), "{value}");
    }
}

#[test]
fn a_connection_that_ends_takes_its_caller_along() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    caller.via = "SIP/2.0/TCP 192.0.2.2:5070";
    bench.flow = flow(Transport::Tcp);
    bench.receive(caller.invite());
    let flow = bench.flow;
    bench.handle(Input::FlowClosed { flow });
    assert_eq!(bench.events(), [DialogEvent::Cancelled]);
    bench.ends_empty();
}

#[test]
fn streams_are_kept_alive_and_closed_when_lost() {
    let mut bench = Bench::new();
    bench.flow = flow(Transport::Tcp);
    bench.receive("\r\n\r\n");
    assert!(matches!(&bench.rest[..], [Output::Transmit { bytes, .. }] if &bytes[..] == b"\r\n"));
    bench.receive("OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n");
    assert!(matches!(&bench.rest[1..], [Output::Close { .. }]), "{:?}", bench.rest);
    bench.flow = flow(Transport::Udp);
    bench.receive("\r\n\r\n");
    assert_eq!((bench.rest.len(), bench.counted.len()), (2, 1));
}

#[test]
fn a_peer_of_rfc_2543_is_understood() {
    let mut bench = Bench::new();
    let plain = |method: &str| {
        format!(
            "{method} sip:1000@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5070\nFrom: <sip:6001@pbx.example>\n\
             To: <sip:1000@192.0.2.1>\nCall-ID: old\nCSeq: 1 {method}\n\n"
        )
    };
    bench.receive(plain("INVITE"));
    bench.receive(plain("INVITE"));
    assert_eq!((bench.words(), bench.incoming.len()), (vec!["100".into(), "100".into()], 1));
    bench.receive(plain("CANCEL"));
    assert_eq!(bench.words(), ["200", "487"]);
    bench.receive(plain("ACK"));
    assert_eq!(bench.run(10.0), [0u64; 0]);
    bench.ends_empty();
}

#[test]
fn a_browser_is_reached_on_its_own_connection() {
    for transport in [Transport::Ws, Transport::Wss] {
        let (mut bench, mut caller) = (Bench::new(), Caller::new());
        caller.via = "SIP/2.0/WSS df7jal23ls0d.invalid";
        bench.flow = flow(transport);
        let place =
            |text: String| text.replace("sip:6001@192.0.2.2:5070", "sip:6001@df7jal23ls0d.invalid;transport=ws");
        bench.receive(place(caller.invite()));
        bench.order(DialogOrder::Answer { sdp: sdp("ours") });
        let ok = bench.response();
        assert_eq!(header(&ok.headers, HeaderName::Contact), "<sip:1000@192.0.2.1:5060;transport=ws>");
        assert!(header(&ok.headers, HeaderName::Via).ends_with(";received=192.0.2.2"));
        caller.learn(&ok);
        bench.receive(place(caller.ack(1)));
        bench.order(DialogOrder::HangUp);
        let (on, bye) = bench.sent.pop().unwrap();
        let Message::Request(bye) = bye else { panic!("{bye:?}") };
        assert_eq!((on, bye.uri.to_string()), (bench.flow, "sip:6001@df7jal23ls0d.invalid;transport=ws".into()));
        let via = header(&bye.headers, HeaderName::Via);
        assert!(via.starts_with(&format!("SIP/2.0/{} 192.0.2.1:5060;", transport.as_str())), "{via}");
    }
}
