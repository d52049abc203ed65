//! Session timers (RFC 4028) with either side as the refresher.

use super::client::{dial, reply_with};
use super::*;

fn expires(headers: &Headers) -> String {
    header(headers, HeaderName::SessionExpires)
}

/// An incoming call in which we refresh every 900 s.
fn ours_to_refresh(allow: &str) -> Bench {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    let more = format!("Supported: timer\nSession-Expires: 1800;refresher=uas\n{allow}");
    bench.receive(caller.request("INVITE", 1, "i1", &more, ""));
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    let ok = bench.response();
    assert_eq!(
        (expires(&ok.headers).as_str(), ok.headers.contains(&HeaderName::Require)),
        ("1800;refresher=uas", false)
    );
    caller.learn(&ok);
    bench.receive(caller.ack(1));
    bench.events();
    bench
}

const ALLOWS: &str = "Allow: INVITE, UPDATE\n";
const AGREED: (HeaderName, &str) = (HeaderName::SessionExpires, "1800;refresher=uac");

#[test]
fn we_refresh_by_update() {
    let mut bench = ours_to_refresh(ALLOWS);
    for turn in 1..=3 {
        assert_eq!(bench.run(900.0), [900_000 * turn]);
        let update = bench.requests().remove(0);
        assert_eq!((update.method.as_str(), expires(&update.headers).as_str()), ("UPDATE", "1800;refresher=uac"));
        assert!(update.body.is_empty() && update.headers.contains(&HeaderName::Contact));
        bench.receive(reply_with(&update, 200, "t", &[AGREED], ""));
    }
    assert_eq!(bench.events(), []);
    // The other side may take it over.
    bench.run(900.0);
    let update = bench.requests().remove(0);
    bench.receive(reply_with(&update, 200, "t", &[(HeaderName::SessionExpires, "1800;refresher=uas")], ""));
    assert_eq!(bench.run(1767.9), [0u64; 0]);
    bench.run(0.2);
    assert_eq!((bench.words(), bench.events()), (vec!["BYE".into()], vec![DialogEvent::Ended { lost: true }]));
    bench.ends_empty();
}

#[test]
fn we_refresh_by_re_invite_where_update_is_not_taken() {
    let mut bench = ours_to_refresh("");
    assert_eq!(bench.run(900.0), [0u64; 0]);
    assert_eq!(bench.events(), [DialogEvent::OfferAgain]);
    bench.order(DialogOrder::Offer { sdp: sdp("as before") });
    let invite = bench.requests().remove(0);
    assert_eq!((invite.method.as_str(), expires(&invite.headers).as_str()), ("INVITE", "1800;refresher=uac"));
    bench.receive(reply_with(&invite, 200, "t", &[AGREED], "as before"));
    bench.events();
    bench.sent();
    bench.run(900.0);
    assert_eq!(bench.events(), [DialogEvent::OfferAgain]);
}

#[test]
fn a_refused_update_is_followed_by_a_re_invite() {
    let mut bench = ours_to_refresh(ALLOWS);
    bench.run(900.0);
    let update = bench.requests().remove(0);
    bench.receive(reply_with(&update, 405, "t", &[], ""));
    bench.run(9.9);
    assert_eq!(bench.events(), []);
    bench.run(0.1);
    assert_eq!(bench.events(), [DialogEvent::OfferAgain]);
}

#[test]
fn a_session_that_we_cannot_refresh_ends() {
    let mut bench = ours_to_refresh("");
    while bench.now < bench.start + Duration::from_secs(1767) {
        bench.run(1.0);
        if bench.events().contains(&DialogEvent::OfferAgain) {
            bench.order(DialogOrder::Offer { sdp: sdp("x") });
            let invite = bench.requests().pop().unwrap();
            bench.receive(reply_with(&invite, 503, "t", &[], ""));
        }
    }
    bench.sent();
    bench.run(1.1);
    assert_eq!((bench.words(), bench.events()), (vec!["BYE".into()], vec![DialogEvent::Ended { lost: true }]));
}

#[test]
fn a_refresh_that_is_too_short_is_made_longer() {
    let mut bench = ours_to_refresh(ALLOWS);
    bench.run(900.0);
    let update = bench.requests().remove(0);
    bench.receive(reply_with(&update, 422, "t", &[(HeaderName::MinSe, "3600")], ""));
    let again = bench.requests().remove(0);
    assert_eq!(expires(&again.headers), "3600;refresher=uac");
    assert_eq!(header(&again.headers, HeaderName::MinSe), "3600");
    assert_eq!(header(&again.headers, HeaderName::CSeq), "2 UPDATE");
    bench.receive(reply_with(&again, 200, "t", &[(HeaderName::SessionExpires, "3600;refresher=uac")], ""));
    assert_eq!(bench.run(1800.0), [2_700_000]);
}

#[test]
fn an_invite_with_too_short_an_interval_is_sent_again() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    assert_eq!(expires(&invite.headers), "1800");
    bench.receive(reply_with(&invite, 422, "t", &[(HeaderName::MinSe, "3600")], ""));
    let again = bench.requests().pop().unwrap();
    assert_eq!((expires(&again.headers), header(&again.headers, HeaderName::CSeq)), ("3600".into(), "2 INVITE".into()));
    assert_eq!(header(&again.headers, HeaderName::MinSe), "3600");
    assert_eq!(again.headers.get(&HeaderName::CallId), invite.headers.get(&HeaderName::CallId));
    assert_eq!(again.body, invite.body);
    bench.receive(reply_with(
        &again,
        200,
        "t",
        &[(HeaderName::SessionExpires, "3600;refresher=uac"), (HeaderName::Allow, "UPDATE")],
        "answer",
    ));
    bench.events();
    bench.sent();
    assert_eq!(bench.run(1800.1).first(), Some(&1_800_000), "ours to refresh");
}

#[test]
fn a_422_that_asks_for_nothing_longer_is_a_refusal() {
    for more in [Some("1800"), Some("90"), Some("4000000000"), None] {
        let mut bench = Bench::new();
        let invite = dial(&mut bench);
        let more: Vec<_> = more.map(|seconds| (HeaderName::MinSe, seconds)).into_iter().collect();
        bench.receive(reply_with(&invite, 422, "t", &more, ""));
        assert_eq!(bench.events(), [DialogEvent::Refused { status: 422 }]);
        bench.ends_empty();
    }
}

#[test]
fn a_peer_without_timers_gets_none() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 200, "t", &[], "answer"));
    bench.sent();
    assert_eq!(bench.run(10_000.0), [0u64; 0]);
    bench.order(DialogOrder::Offer { sdp: sdp("x") });
    assert!(!bench.requests()[0].headers.contains(&HeaderName::SessionExpires));
}

#[test]
fn a_proxy_that_asks_for_a_timer_makes_us_the_refresher() {
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.request("INVITE", 1, "i1", "Session-Expires: 600\n", ""));
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    assert_eq!(expires(&bench.response().headers), "600;refresher=uas");
}
