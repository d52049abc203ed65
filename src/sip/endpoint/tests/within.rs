//! Requests within a dialog.

use super::client::reply_with;
use super::*;
use crate::wire::sip::message::Method;

const SDP_TYPE: &str = "Content-Type: application/sdp\n";

#[test]
fn numbers_that_go_back_are_refused_and_gaps_are_not() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INFO", 10, "x1", "", ""));
    assert_eq!(bench.words(), ["200"]);
    bench.receive(caller.request("INFO", 9, "x2", "", ""));
    let refusal = bench.response();
    assert_eq!(refusal.status.as_u16(), 500);
    assert!(refusal.headers.retry_after().unwrap().unwrap().seconds < 10);
    bench.receive(caller.request("BYE", 400, "x3", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![DialogEvent::Ended { lost: false }]));
}

#[test]
fn requests_of_other_dialogs_get_481() {
    let (mut bench, caller) = answered(true);
    let wrong_tag = Caller { to_tag: "nobody".into(), ..caller.clone() };
    let wrong_call = Caller { call_id: "c2", ..caller.clone() };
    for (turn, other) in [wrong_tag, wrong_call].into_iter().enumerate() {
        bench.receive(other.request("BYE", 2, &format!("w{turn}"), "", ""));
        assert_eq!(bench.words(), ["481"]);
    }
    bench.receive(caller.request("BYE", 2, "b", "", "").replace("tag=f\n", "tag=g\n"));
    assert_eq!(bench.words(), ["481"]);
    assert_eq!(bench.events(), []);
}

#[test]
fn a_re_invite_is_offered_answered_and_acknowledged() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INVITE", 2, "r", SDP_TYPE, SDP));
    assert_eq!((bench.words(), bench.events()), (vec!["100".into()], vec![DialogEvent::Offered { sdp: sdp(SDP) }]));
    bench.receive(caller.request("INVITE", 3, "r3", SDP_TYPE, SDP));
    assert_eq!(bench.words(), ["500"], "14.2: the first is not answered");
    bench.receive(caller.request("UPDATE", 4, "u4", SDP_TYPE, SDP));
    assert_eq!(bench.words(), ["500"], "RFC 3311 5.2");
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("again") });
    assert_eq!(bench.response().body, "again");
    bench.receive(caller.request("INVITE", 5, "r5", SDP_TYPE, SDP));
    assert_eq!(bench.words(), ["491"], "the answer is not acknowledged");
    bench.receive(caller.request("ACK", 3, "r3", "", ""));
    bench.receive(caller.request("ACK", 5, "r5", "", ""));
    assert_eq!(bench.run(2.0).len(), 2);
    bench.sent();
    bench.receive(caller.ack(2));
    assert_eq!((bench.run(60.0), bench.events()), (vec![], vec![]));
}

#[test]
fn a_re_invite_without_an_offer_gets_a_new_one_of_ours() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INVITE", 2, "r", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["100".into()], vec![DialogEvent::OfferWanted]));
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("our offer") });
    assert_eq!(bench.response().body, "our offer");
    bench.receive(caller.request("UPDATE", 3, "u", SDP_TYPE, SDP));
    assert_eq!(bench.words(), ["491"], "RFC 3311 5.2: our offer is not answered");
    bench.receive(caller.request("ACK", 2, "ra", SDP_TYPE, SDP));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: Some(sdp(SDP)) }]);
    // Some refresh like this and answer nothing: the call is told, and goes on.
    bench.receive(caller.request("INVITE", 4, "s", "", ""));
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("our offer") });
    bench.events();
    bench.receive(caller.request("ACK", 4, "sa", "", ""));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
    assert_eq!(bench.endpoint.dialogs(), 1);
}

#[test]
fn an_answer_in_the_ack_counts_only_where_we_offered() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    caller.learn(&bench.response());
    bench.receive(caller.request("UPDATE", 2, "u", SDP_TYPE, SDP));
    assert_eq!(bench.words(), ["491"], "our 2xx is not acknowledged, and goes on being repeated");
    assert_eq!(bench.run(0.6).len(), 1);
    bench.receive(caller.request("ACK", 1, "a", SDP_TYPE, SDP));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
}

#[test]
fn a_refused_or_cancelled_re_invite_leaves_the_call_up() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INVITE", 2, "r", SDP_TYPE, SDP));
    bench.sent();
    bench.order(DialogOrder::RefuseOffer { status: 488 });
    assert_eq!(bench.words(), ["488"]);
    bench.receive(caller.request("ACK", 2, "r", "", ""));
    bench.receive(caller.request("INVITE", 3, "s", SDP_TYPE, SDP));
    bench.sent();
    bench.receive(caller.request("CANCEL", 3, "s", "", ""));
    assert_eq!(bench.words(), ["200", "487"]);
    bench.receive(caller.request("ACK", 3, "s", "", ""));
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("too late") });
    assert_eq!(bench.words(), [""; 0]);
    assert_eq!(bench.endpoint.dialogs(), 1);
    bench.receive(caller.request("BYE", 4, "b", "", ""));
    bench.ends_empty();
}

#[test]
fn a_re_invite_that_is_never_acknowledged_ends_the_call() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INVITE", 2, "r", SDP_TYPE, SDP));
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("again") });
    bench.events();
    bench.run(32.0);
    assert_eq!(bench.words().last().map(String::as_str), Some("BYE"));
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
    bench.ends_empty();
}

#[test]
fn bye_ends_an_open_offer_too() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INVITE", 2, "r", SDP_TYPE, SDP));
    bench.sent();
    bench.receive(caller.request("BYE", 3, "b", "", ""));
    assert_eq!(bench.words(), ["487", "200"]);
    bench.ends_empty();
}

#[test]
fn update_with_and_without_an_offer() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("UPDATE", 2, "u", "", ""));
    assert_eq!(bench.words(), ["200"]);
    bench.receive(caller.request("UPDATE", 3, "v", SDP_TYPE, SDP));
    assert_eq!((bench.words(), bench.events()), (vec![], vec![DialogEvent::Offered { sdp: sdp(SDP) }]));
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("again") });
    assert_eq!(bench.response().body, "again");
    assert_eq!(bench.run(60.0), [0u64; 0], "no ACK to wait for");
}

#[test]
fn the_target_follows_the_contact() {
    let (mut bench, caller) = answered(true);
    let moved =
        caller.request("UPDATE", 2, "u", "", "").replace("6001@192.0.2.2:5070>\nContent", "moved@192.0.2.9>\nContent");
    bench.receive(moved);
    bench.sent();
    bench.order(DialogOrder::HangUp);
    assert_eq!(bench.requests()[0].uri.to_string(), "sip:moved@192.0.2.9");
}

#[test]
fn keys_by_info() {
    let (mut bench, caller) = answered(true);
    let relay = "Content-Type: application/dtmf-relay\n";
    for (seq, (kind, body, status, key)) in (2..).zip([
        (relay, "Signal=5\nDuration=160\n", "200", Some('5')),
        (relay, "Duration=160\nsignal = # \n", "200", Some('#')),
        (relay, "Signal=10\n", "200", Some('*')),
        ("Content-Type: application/dtmf\n", "d", "200", Some('D')),
        (relay, "Signal=55\n", "400", None),
        (relay, "Duration=160\n", "400", None),
        ("Content-Type: application/media_control+xml\n", "<x/>", "415", None),
        ("", "", "200", None),
        ("Info-Package: x\n", "", "469", None),
    ]) {
        bench.receive(caller.request("INFO", seq, &format!("k{seq}"), kind, body));
        assert_eq!(bench.words(), [status], "{body}");
        assert_eq!(bench.events(), key.map(DialogEvent::Digit).into_iter().collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn keys_of_ours_go_by_info_one_at_a_time() {
    let (mut bench, _) = answered(true);
    for digit in ['1', '#', 'x', 'D'] {
        bench.order(DialogOrder::Press { digit, ms: 100 });
    }
    let mut pressed = Vec::new();
    // The second is refused, which is no reason to press it again.
    for (n, status) in [200, 415, 200].into_iter().enumerate() {
        let [request] = &bench.requests()[..] else { panic!("one INFO at a time") };
        assert_eq!(request.method, Method::Info);
        assert_eq!(header(&request.headers, HeaderName::ContentType), "application/dtmf-relay");
        pressed.push(String::from_utf8_lossy(&request.body).into_owned());
        bench.receive(reply_with(request, status, &format!("i{n}"), &[], ""));
    }
    assert_eq!(pressed, ["1", "#", "D"].map(|key| format!("Signal={key}\r\nDuration=100\r\n")));
    assert!(bench.requests().is_empty());
}

#[test]
fn other_methods() {
    let (mut bench, caller) = answered(true);
    for (seq, (method, more, status)) in (2..).zip([
        ("OPTIONS", "", 200),
        ("MESSAGE", "", 405),
        ("SUBSCRIBE", "", 405),
        ("NEWMETHOD", "", 501),
        ("INFO", "Require: foo, bar\n", 420),
    ]) {
        bench.receive(caller.request(method, seq, &format!("m{seq}"), more, ""));
        let answer = bench.response();
        assert_eq!(answer.status.as_u16(), status, "{method}");
        if status == 420 {
            assert_eq!(header(&answer.headers, HeaderName::Unsupported), "foo, bar");
        } else {
            assert!(header(&answer.headers, HeaderName::Allow).contains("INVITE"), "{method}");
        }
    }
}

#[test]
fn a_session_that_is_not_refreshed_ends() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    let timer = "Supported: timer\nSession-Expires: 90\n";
    bench.receive(caller.request("INVITE", 1, "i1", timer, ""));
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    let ok = bench.response();
    assert_eq!(header(&ok.headers, HeaderName::SessionExpires), "90;refresher=uac");
    assert_eq!(header(&ok.headers, HeaderName::Require), "timer");
    caller.learn(&ok);
    bench.receive(caller.ack(1));
    bench.events();
    bench.run(50.0);
    bench.receive(caller.request("UPDATE", 2, "u", timer, ""));
    assert_eq!(header(&bench.response().headers, HeaderName::SessionExpires), "90;refresher=uac");
    assert_eq!(bench.run(59.9), [0u64; 0]);
    assert_eq!(bench.run(0.2), [110_000]);
    assert_eq!((bench.words(), bench.events()), (vec!["BYE".into()], vec![DialogEvent::Ended { lost: true }]));
    bench.ends_empty();
}
