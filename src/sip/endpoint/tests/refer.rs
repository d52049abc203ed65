//! REFER both ways, and INVITE with Replaces.

use super::client::{CHALLENGE, dial, reply_with, up};
use super::*;
use crate::sip::event::ReferTarget;
use crate::wire::sip::message::Method;

const BLIND: &str = "Refer-To: <sip:6005@pbx.example;method=INVITE>\nReferred-By: <sip:6001@pbx.example>\n";

fn told(request: &Request) -> (String, String, String) {
    assert_eq!(request.method, Method::Notify);
    assert_eq!(header(&request.headers, HeaderName::ContentType), "message/sipfrag;version=2.0");
    let state = header(&request.headers, HeaderName::SubscriptionState);
    let body = String::from_utf8_lossy(&request.body).trim_end().to_owned();
    (header(&request.headers, HeaderName::Event), state.split(';').next().unwrap().to_owned(), body)
}

fn words(event: &str, state: &str, body: &str) -> (String, String, String) {
    (event.into(), state.into(), body.into())
}

#[test]
fn a_refer_is_accepted_and_its_sender_told() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("REFER", 2, "r", BLIND, ""));
    let target = ReferTarget {
        uri: "sip:6005@pbx.example".into(),
        user: "6005".into(),
        replaces: None,
        referred_by: Some("<sip:6001@pbx.example>".into()),
    };
    assert_eq!((bench.words(), bench.events()), (vec![], vec![DialogEvent::Referred { target }]));
    bench.receive(caller.request("REFER", 3, "s", BLIND, ""));
    assert_eq!(bench.words(), ["491"], "one at a time");
    bench.order(DialogOrder::TakeRefer);
    let [Message::Response(accepted), Message::Request(trying)] = &bench.sent()[..] else { panic!("202 and NOTIFY") };
    assert_eq!(accepted.status.as_u16(), 202);
    assert_eq!(told(trying), words("refer;id=2", "active", "SIP/2.0 100 Trying"));
    bench.receive(reply_with(trying, 200, "f", &[], ""));
    bench.order(DialogOrder::TellRefer { status: 180 });
    assert_eq!(told(&bench.requests()[0]), words("refer;id=2", "active", "SIP/2.0 180 Ringing"));
    bench.order(DialogOrder::TellRefer { status: 200 });
    assert_eq!(told(&bench.requests()[0]), words("refer;id=2", "terminated", "SIP/2.0 200 OK"));
    bench.order(DialogOrder::TellRefer { status: 200 });
    assert_eq!(bench.words(), [""; 0], "told once");
    bench.receive(caller.request("REFER", 4, "t", BLIND, ""));
    assert!(matches!(bench.events()[..], [DialogEvent::Referred { .. }]));
    bench.order(DialogOrder::RefuseRefer { status: 603 });
    assert_eq!(bench.words(), ["603"]);
}

#[test]
fn an_attended_refer_names_the_dialog() {
    let (mut bench, caller) = answered(true);
    let to = "Refer-To: <sip:6005@pbx.example?Replaces=abc%40pbx%3Bto-tag%3D7743%3Bfrom-tag%3D6472&Require=replaces>\n";
    bench.receive(caller.request("REFER", 2, "r", to, ""));
    let [DialogEvent::Referred { target }] = &bench.events()[..] else { panic!("a REFER") };
    assert_eq!(target.replaces.as_deref(), Some("abc@pbx;to-tag=7743;from-tag=6472"));
    assert_eq!(target.uri.reveal(), "sip:6005@pbx.example");
}

#[test]
fn what_is_no_good_refer() {
    for (more, status) in [
        ("", "400"),
        ("Refer-To: <sip:a@b>\nRefer-To: <sip:c@d>\n", "400"),
        ("Refer-To: <http://example.com>\n", "416"),
        ("Refer-To: <sip:6005@pbx.example;method=BYE>\n", "603"),
    ] {
        let (mut bench, caller) = answered(true);
        bench.receive(caller.request("REFER", 2, "r", more, ""));
        assert_eq!((bench.words(), bench.events()), (vec![status.to_owned()], vec![]), "{more}");
    }
    let mut bench = Bench::new();
    bench.receive(Caller::new().request("REFER", 1, "r", BLIND, ""));
    bench.receive(Caller::new().request("NOTIFY", 2, "n", "Event: refer\n", ""));
    assert_eq!(bench.words(), ["403", "481"], "outside of a call");
}

#[test]
fn a_refer_without_subscription_gets_no_notify() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("REFER", 2, "r", &format!("{BLIND}Refer-Sub: false\n"), ""));
    bench.order(DialogOrder::TakeRefer);
    assert_eq!(header(&bench.response().headers, HeaderName::ReferSub), "false");
    bench.order(DialogOrder::TellRefer { status: 200 });
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn a_refer_that_the_call_never_decides_is_answered_at_the_end() {
    let (mut bench, caller) = answered(true);
    bench.receive(caller.request("REFER", 2, "r", BLIND, ""));
    bench.receive(caller.request("BYE", 3, "b", "", ""));
    assert_eq!(bench.words(), ["487", "200"]);
    bench.ends_empty();
}

fn refer(bench: &mut Bench) -> Request {
    bench.order(DialogOrder::Refer { to: "sip:6005@pbx.example".into(), replaces: None });
    bench.requests().remove(0)
}

fn notify(caller: &Caller, seq: u32, state: &str, body: &str) -> String {
    let more = format!("Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\n");
    caller.request("NOTIFY", seq, &format!("n{seq}"), &more, body)
}

#[test]
fn our_refer_is_followed_to_its_end() {
    let (mut bench, caller) = answered(true);
    bench.receive(notify(&caller, 2, "active", "SIP/2.0 100 Trying"));
    assert_eq!(bench.words(), ["481"], "nothing was asked");
    let request = refer(&mut bench);
    assert_eq!(header(&request.headers, HeaderName::ReferTo), "<sip:6005@pbx.example>");
    assert_eq!(header(&request.headers, HeaderName::ReferredBy), "<sip:1000@192.0.2.1>");
    bench.receive(reply_with(&request, 202, "f", &[], ""));
    for (seq, state, body, status) in [
        (3, "active;expires=60", "SIP/2.0 100 Trying\n", 100),
        (4, "active;expires=60", "SIP/2.0 180 Ringing\n", 180),
        (5, "terminated;reason=noresource", "SIP/2.0 200 OK\n", 200),
    ] {
        bench.receive(notify(&caller, seq, state, body));
        assert_eq!((bench.words(), bench.events()), (vec!["200".into()], vec![DialogEvent::ReferNews { status }]));
    }
    bench.receive(notify(&caller, 6, "terminated", "SIP/2.0 200 OK"));
    bench.receive(caller.request("NOTIFY", 7, "n7", "Event: presence\n", ""));
    assert_eq!(bench.words(), ["481", "489"]);
}

#[test]
fn a_refer_of_ours_that_fails() {
    for (status, told) in [(603, 603), (405, 405), (481, 481)] {
        let (mut bench, _) = answered(true);
        let request = refer(&mut bench);
        bench.receive(reply_with(&request, status, "f", &[], ""));
        assert_eq!(bench.events(), [DialogEvent::ReferNews { status: told }]);
    }
    let (mut bench, caller) = answered(true);
    let request = refer(&mut bench);
    bench.receive(reply_with(&request, 202, "f", &[], ""));
    bench.receive(notify(&caller, 2, "terminated;reason=timeout", "SIP/2.0 180 Ringing"));
    assert_eq!(bench.events(), [DialogEvent::ReferNews { status: 408 }], "it will say no more");
    let request = refer(&mut bench);
    bench.receive(reply_with(&request, 202, "f", &[], ""));
    bench.run(181.0);
    assert_eq!(bench.events(), [DialogEvent::ReferNews { status: 408 }], "nor this one");
    let request = refer(&mut bench);
    bench.receive(reply_with(&request, 401, "f", &[CHALLENGE], ""));
    assert!(bench.requests()[0].headers.contains(&HeaderName::Authorization));
}

#[test]
fn an_attended_transfer_of_ours_names_the_other_dialog() {
    let (mut bench, invite) = up();
    let caller = Caller::new();
    bench.receive(caller.invite());
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    bench.sent();
    bench.order(DialogOrder::Refer { to: String::new(), replaces: Some(DialogId(7)) });
    let request = bench.requests().remove(0);
    let from = invite.headers.from().unwrap();
    let call_id = header(&invite.headers, HeaderName::CallId);
    let expected =
        format!("<sip:agent@192.0.2.2:5070?Replaces={call_id}%3Bto-tag%3Dt%3Bfrom-tag%3D{}>", from.tag().unwrap());
    assert_eq!(header(&request.headers, HeaderName::ReferTo), expected);
    bench.order(DialogOrder::Refer { to: String::new(), replaces: Some(DialogId(99)) });
    assert_eq!(bench.events().pop(), Some(DialogEvent::ReferNews { status: 481 }));
}

fn replacing(replaced: &Caller, more: &str) -> String {
    let other = Caller { call_id: "c9", ..Caller::new() };
    let replaces = format!("Replaces: {};to-tag={};from-tag=f{more}\n", replaced.call_id, replaced.to_tag);
    other.request("INVITE", 1, "i9", &format!("{replaces}Content-Type: application/sdp\n"), SDP)
}

#[test]
fn an_invite_takes_the_place_of_a_dialog() {
    let (mut bench, caller) = answered(true);
    bench.receive(replacing(&caller, ""));
    assert_eq!((bench.words(), bench.incoming.len()), (vec!["100".into()], 1), "no call of its own");
    let [DialogEvent::Replaced { by, offer: Some(offer) }] = &bench.events()[..] else { panic!("replaced") };
    assert_eq!(offer, &sdp(SDP));
    let (by, replaced) = (*by, bench.incoming[0].dialog);
    bench.handle(Input::Order(AddressedOrder { dialog: by, order: DialogOrder::Answer { sdp: sdp("x") } }));
    bench.handle(Input::Order(AddressedOrder { dialog: replaced, order: DialogOrder::HangUp }));
    assert_eq!(bench.words(), ["200", "BYE"]);
}

#[test]
fn a_place_that_cannot_be_taken() {
    let (mut bench, caller) = answered(true);
    bench.receive(replacing(&caller, ";early-only"));
    assert_eq!(bench.words(), ["486"]);
    bench.order(DialogOrder::HangUp);
    bench.sent();
    bench.receive(replacing(&caller, ""));
    assert_eq!(bench.words(), ["603"], "RFC 3891 3: it is ending");

    // Not yet answered by us.
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Ring);
    caller.learn(&bench.response());
    bench.receive(replacing(&caller, ""));
    assert_eq!(bench.words(), ["481"]);

    // Of another trunk.
    let mut config = config();
    config.trunks[0].allow = vec!["192.0.2.2".parse().unwrap()];
    config.trunks.push(Trunk { name: "carrier".into(), allow: vec!["192.0.2.7".parse().unwrap()], ..trunk() });
    let (mut bench, mut caller) = (Bench::with(config), Caller::new());
    bench.receive(caller.invite());
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    caller.learn(&bench.response());
    bench.flow.remote = "192.0.2.7:5060".parse().unwrap();
    bench.receive(replacing(&caller, ""));
    assert_eq!(bench.words(), ["403"]);
}

#[test]
fn a_ringing_telephone_may_be_picked_up_elsewhere() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 180, "t", &[], ""));
    bench.events();
    let from = invite.headers.from().unwrap();
    let call_id = header(&invite.headers, HeaderName::CallId);
    let replaces = format!("Replaces: {call_id};to-tag={};from-tag=t;early-only\n", from.tag().unwrap());
    bench.receive(Caller::new().request("INVITE", 1, "i9", &replaces, ""));
    assert!(matches!(bench.events()[..], [DialogEvent::Replaced { offer: None, .. }]));
}
