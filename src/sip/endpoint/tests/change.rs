//! Our own re-INVITEs, and what follows where both sides ask at once.

use super::client::{CHALLENGE, reply_with, up};
use super::*;

const SDP_TYPE: &str = "Content-Type: application/sdp\n";

fn offer(bench: &mut Bench, text: &str) -> Vec<Request> {
    bench.order(DialogOrder::Offer { sdp: sdp(text) });
    bench.requests()
}

fn answer(request: &Request, status: u16, more: &[(HeaderName, &str)], body: &str) -> Vec<u8> {
    reply_with(request, status, "t", more, body)
}

#[test]
fn a_change_is_offered_answered_and_acknowledged() {
    let (mut bench, caller) = answered(true);
    let invite = offer(&mut bench, "hold").remove(0);
    assert_eq!((invite.method.as_str(), &invite.body[..]), ("INVITE", &b"hold"[..]));
    assert_eq!(header(&invite.headers, HeaderName::Contact), "<sip:1000@192.0.2.1:5060>");
    assert!(header(&invite.headers, HeaderName::Allow).contains("UPDATE"));
    bench.receive(answer(&invite, 100, &[], ""));
    bench.receive(answer(&invite, 200, &[], "held"));
    let ack = bench.requests().remove(0);
    assert_eq!((ack.method.as_str(), header(&ack.headers, HeaderName::CSeq)), ("ACK", "1 ACK".into()));
    assert_eq!(ack.uri.to_string(), "sip:agent@192.0.2.2:5070", "14.1: the target is refreshed");
    assert_eq!(bench.events(), [DialogEvent::OfferAnswered { sdp: sdp("held") }]);
    bench.receive(answer(&invite, 200, &[], "held"));
    assert_eq!((bench.requests(), bench.events()), (vec![ack], vec![]), "the same ACK again");
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    bench.ends_empty();
}

#[test]
fn a_refused_change_leaves_the_session() {
    for (status, more, body) in
        [(488, None, ""), (603, None, ""), (503, None, ""), (500, Some("11"), ""), (200, None, "")]
    {
        let (mut bench, _) = answered(true);
        let invite = offer(&mut bench, "x").remove(0);
        let more: Vec<_> = more.map(|seconds| (HeaderName::RetryAfter, seconds)).into_iter().collect();
        bench.receive(answer(&invite, status, &more, body));
        let status = if status == 200 { 502 } else { status };
        assert_eq!((bench.words(), bench.events()), (vec!["ACK".into()], vec![DialogEvent::OfferRefused { status }]));
        assert_eq!(bench.endpoint.dialogs(), 1);
    }
}

#[test]
fn the_owner_of_the_call_id_waits_longer_after_491() {
    // Incoming: 0 to 2 s. Outgoing: 2.1 to 4 s. In steps of 10 ms (14.1).
    for (incoming, range) in [(true, 0..=2000), (false, 2100..=4000)] {
        let mut bench = if incoming { answered(true).0 } else { up().0 };
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let invite = offer(&mut bench, "x").remove(0);
            bench.receive(answer(&invite, 491, &[], ""));
            assert_eq!((bench.words(), bench.events()), (vec!["ACK".into()], vec![]));
            let began = bench.now;
            while bench.events.is_empty() {
                bench.run(0.01);
            }
            assert_eq!(bench.events(), [DialogEvent::OfferAgain]);
            waits.insert((bench.now - began).as_millis());
        }
        assert!(waits.len() > 2 && waits.iter().all(|wait| range.contains(wait)), "{waits:?}");
        let invite = offer(&mut bench, "x").remove(0);
        bench.receive(answer(&invite, 491, &[], ""));
        assert_eq!(bench.events(), [DialogEvent::OfferRefused { status: 491 }], "not for ever");
    }
}

#[test]
fn a_500_with_retry_after_is_waited_for() {
    let (mut bench, _) = answered(true);
    let invite = offer(&mut bench, "x").remove(0);
    bench.receive(answer(&invite, 500, &[(HeaderName::RetryAfter, "3")], ""));
    bench.sent();
    bench.run(2.9);
    assert_eq!(bench.events(), []);
    bench.run(0.1);
    assert_eq!(bench.events(), [DialogEvent::OfferAgain]);
}

#[test]
fn while_ours_is_under_way_theirs_gets_491() {
    let (mut bench, caller) = answered(true);
    let invite = offer(&mut bench, "x").remove(0);
    bench.receive(caller.request("INVITE", 2, "r", SDP_TYPE, SDP));
    bench.receive(caller.request("INVITE", 3, "s", "", ""));
    bench.receive(caller.request("UPDATE", 4, "u", SDP_TYPE, SDP));
    bench.receive(caller.request("UPDATE", 5, "v", "", ""));
    assert_eq!((bench.words(), bench.events()), (vec!["491".into(), "491".into(), "491".into(), "200".into()], vec![]));
    bench.receive(answer(&invite, 200, &[], "y"));
    assert_eq!(bench.events(), [DialogEvent::OfferAnswered { sdp: sdp("y") }]);
}

#[test]
fn an_offer_waits_until_theirs_is_answered_and_acknowledged() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("INVITE", 2, "r", SDP_TYPE, SDP));
    bench.events();
    bench.sent();
    assert_eq!(offer(&mut bench, "x"), []);
    assert_eq!(offer(&mut bench, "y"), [], "one wish is enough");
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("again") });
    assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![]));
    bench.receive(caller.ack(2));
    assert_eq!(bench.events(), [DialogEvent::OfferAgain]);
    assert_eq!(offer(&mut bench, "z").len(), 1);
}

#[test]
fn an_offer_before_the_first_ack_waits() {
    let (mut bench, caller) = answered(false);
    assert_eq!(offer(&mut bench, "x"), []);
    bench.receive(caller.ack(1));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }, DialogEvent::OfferAgain]);
}

#[test]
fn a_dialog_that_the_other_side_has_not_is_ended() {
    for status in [481, 408] {
        let (mut bench, _) = answered(true);
        let invite = offer(&mut bench, "x").remove(0);
        bench.receive(answer(&invite, status, &[], ""));
        assert_eq!(bench.words(), ["ACK", "BYE"], "12.2.1.2");
        assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
        bench.ends_empty();
    }
}

#[test]
fn a_change_that_nobody_answers_ends_the_dialog() {
    let (mut bench, _) = answered(true);
    offer(&mut bench, "x");
    bench.run(33.0);
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
    assert!(bench.words().contains(&"BYE".to_owned()));
    bench.ends_empty();
}

#[test]
fn a_change_that_is_never_decided_is_cancelled_then_given_up() {
    let (mut bench, _) = answered(true);
    let invite = offer(&mut bench, "x").remove(0);
    bench.receive(answer(&invite, 100, &[], ""));
    assert_eq!(bench.run(63.9), [0u64; 0]);
    bench.run(0.2);
    assert_eq!(bench.words(), ["CANCEL"]);
    bench.receive(answer(&invite, 487, &[], ""));
    assert_eq!((bench.words(), bench.events()), (vec!["ACK".into()], vec![DialogEvent::OfferRefused { status: 487 }]));

    let (mut bench, _) = answered(true);
    let invite = offer(&mut bench, "x").remove(0);
    bench.receive(answer(&invite, 183, &[], ""));
    bench.run(96.1);
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
    bench.ends_empty();
}

#[test]
fn a_call_that_ends_leaves_no_change_behind() {
    let (mut bench, caller) = answered(true);
    let invite = offer(&mut bench, "x").remove(0);
    bench.receive(answer(&invite, 100, &[], ""));
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: false }]);
    bench.ends_empty();
}

#[test]
fn a_challenged_change_is_signed() {
    let (mut bench, _) = answered(true);
    let invite = offer(&mut bench, "x").remove(0);
    bench.receive(answer(&invite, 401, &[CHALLENGE], ""));
    let again = bench.requests().pop().unwrap();
    assert_eq!(header(&again.headers, HeaderName::CSeq), "2 INVITE");
    assert!(again.headers.contains(&HeaderName::Authorization));
    assert_eq!(again.body, "x");
    bench.receive(answer(&again, 200, &[], "y"));
    assert!(
        bench.requests()[0].headers.contains(&HeaderName::Authorization),
        "22.1: the ACK has the INVITE's credentials"
    );
    assert_eq!(bench.events(), [DialogEvent::OfferAnswered { sdp: sdp("y") }]);
}
