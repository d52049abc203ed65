//! Reliable provisional answers, ours and theirs (RFC 3262), and forks of our INVITE.

use super::client::{CHALLENGE, dial, reply_with};
use super::*;

const SDP_TYPE: &str = "Content-Type: application/sdp\n";
const REQUIRED: &str = "Require: 100rel\n";
const ABLE: &str = "Supported: 100rel\nContent-Type: application/sdp\n";

fn called(more: &str, body: &str) -> (Bench, Caller) {
    let (mut bench, caller) = (Bench::new(), Caller::new());
    bench.receive(caller.request("INVITE", 1, "i1", more, body));
    bench.sent();
    (bench, caller)
}

fn prack(caller: &Caller, seq: u32, rseq: u32, more: &str, body: &str) -> String {
    caller.request("PRACK", seq, &format!("p{seq}"), &format!("RAck: {rseq} 1 INVITE\n{more}"), body)
}

fn rseq(response: &Response) -> u32 {
    response.headers.rseq().unwrap().unwrap()
}

#[test]
fn a_required_180_is_repeated_until_its_prack() {
    let (mut bench, mut caller) = called(REQUIRED, "");
    bench.order(DialogOrder::Ring);
    let ringing = bench.response();
    assert_eq!(header(&ringing.headers, HeaderName::Require), "100rel");
    let first = rseq(&ringing);
    assert!(first >= 1 && first <= i32::MAX as u32);
    caller.learn(&ringing);
    assert_eq!(bench.run(8.0), [500, 1500, 3500, 7500]);
    bench.sent();
    bench.receive(prack(&caller, 2, first + 1, "", ""));
    bench.receive(caller.request("PRACK", 3, "p3", &format!("RAck: {first} 2 INVITE\n"), ""));
    bench.receive(caller.request("PRACK", 4, "p4", "", ""));
    assert_eq!(bench.words(), ["481", "481", "400"]);
    bench.receive(prack(&caller, 5, first, "", ""));
    assert_eq!((bench.words(), bench.run(40.0)), (vec!["200".into()], vec![]));
    bench.receive(prack(&caller, 6, first, "", ""));
    assert_eq!(bench.words(), ["481"], "there is nothing more to acknowledge");
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    assert_eq!(bench.response().body, "ours");
}

#[test]
fn without_prack_the_call_is_refused_with_504() {
    let (mut bench, _) = called(REQUIRED, "");
    bench.order(DialogOrder::Ring);
    bench.run(32.0);
    assert_eq!(bench.words().last().map(String::as_str), Some("504"));
    assert_eq!(bench.events(), [DialogEvent::Ended { lost: true }]);
    bench.ends_empty();
}

#[test]
fn early_media_is_agreed_by_prack_and_not_told_again() {
    let (mut bench, mut caller) = called(ABLE, SDP);
    bench.order(DialogOrder::Ring);
    assert!(!bench.response().headers.contains(&HeaderName::RSeq), "no need");
    bench.order(DialogOrder::Progress { sdp: sdp("early") });
    let progress = bench.response();
    assert_eq!((progress.status.as_u16(), &progress.body[..]), (183, &b"early"[..]));
    caller.learn(&progress);
    bench.order(DialogOrder::Answer { sdp: sdp("early") });
    assert_eq!(bench.words(), [""; 0], "RFC 3262 3: no 2xx before the PRACK");
    bench.receive(prack(&caller, 2, rseq(&progress), "", ""));
    let ok = bench.response();
    assert_eq!((ok.status.as_u16(), ok.body.len()), (200, 0));
    assert_eq!(header(&ok.headers, HeaderName::CSeq), "1 INVITE");
    bench.receive(caller.ack(1));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
}

#[test]
fn our_offer_in_a_183_is_answered_by_the_prack() {
    let (mut bench, mut caller) = called("Supported: 100rel\n", "");
    bench.order(DialogOrder::Progress { sdp: sdp("our offer") });
    let progress = bench.response();
    caller.learn(&progress);
    bench.receive(caller.request("UPDATE", 2, "u", SDP_TYPE, SDP));
    bench.receive(prack(&caller, 3, rseq(&progress), "", ""));
    assert_eq!(bench.words(), ["491", "400"], "our offer comes first");
    bench.receive(prack(&caller, 4, rseq(&progress), SDP_TYPE, SDP));
    assert_eq!(
        (bench.words(), bench.events()),
        (vec!["200".into()], vec![DialogEvent::OfferAnswered { sdp: sdp(SDP) }])
    );
    bench.order(DialogOrder::Answer { sdp: sdp("never seen") });
    assert_eq!(bench.response().body.len(), 0);
    bench.receive(caller.request("ACK", 1, "a", SDP_TYPE, SDP));
    assert_eq!(bench.events(), [DialogEvent::Acknowledged { sdp: None }]);
}

#[test]
fn offers_in_prack_and_update_before_the_answer() {
    let (mut bench, mut caller) = called(ABLE, SDP);
    bench.order(DialogOrder::Progress { sdp: sdp("early") });
    let progress = bench.response();
    caller.learn(&progress);
    bench.receive(prack(&caller, 2, rseq(&progress), SDP_TYPE, SDP));
    assert_eq!((bench.words(), bench.events()), (vec![], vec![DialogEvent::Offered { sdp: sdp(SDP) }]));
    bench.receive(caller.request("UPDATE", 3, "u3", SDP_TYPE, SDP));
    assert_eq!(bench.words(), ["500"], "one after the other");
    bench.order(DialogOrder::Answer { sdp: sdp("x") });
    assert_eq!(bench.words(), [""; 0]);
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("again") });
    assert_eq!(bench.words(), ["200", "200"], "of the PRACK, of the INVITE");

    let (mut bench, mut caller) = called(ABLE, SDP);
    bench.order(DialogOrder::Progress { sdp: sdp("early") });
    let progress = bench.response();
    caller.learn(&progress);
    bench.receive(prack(&caller, 2, rseq(&progress), "", ""));
    bench.receive(caller.request("UPDATE", 3, "u3", SDP_TYPE, SDP));
    bench.sent();
    bench.receive(caller.request("CANCEL", 1, "i1", "", ""));
    assert_eq!(bench.words(), ["200", "487", "487"], "of the CANCEL, the UPDATE, the INVITE");
}

#[test]
fn the_next_provisional_answer_waits_for_the_prack() {
    let (mut bench, mut caller) = called(REQUIRED, "");
    for _ in 0..9 {
        bench.order(DialogOrder::Ring);
    }
    let ringing = bench.response();
    caller.learn(&ringing);
    for step in 0..5 {
        assert_eq!(bench.words(), [""; 0]);
        bench.receive(prack(&caller, 2 + step, rseq(&ringing) + step, "", ""));
        let next = if step < 4 { vec!["200", "180"] } else { vec!["200"] };
        assert_eq!(bench.words(), next, "four wait at most");
    }
}

#[test]
fn a_prack_that_our_answer_has_overtaken_is_taken() {
    let (mut bench, mut caller) = called(REQUIRED, "");
    bench.order(DialogOrder::Ring);
    let ringing = bench.response();
    caller.learn(&ringing);
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    assert_eq!(bench.words(), ["200"], "it holds no description that would have to wait");
    bench.receive(prack(&caller, 2, rseq(&ringing), "", ""));
    bench.receive(prack(&caller, 3, rseq(&ringing), "", ""));
    assert_eq!(bench.words(), ["200", "481"]);
}

fn reliable(request: &Request, status: u16, tag: &str, rseq: &str, body: &str) -> Vec<u8> {
    reply_with(request, status, tag, &[(HeaderName::Require, "100rel"), (HeaderName::RSeq, rseq)], body)
}

fn rack(request: &Request) -> (String, String) {
    (header(&request.headers, HeaderName::RAck), header(&request.headers, HeaderName::CSeq))
}

fn pair(rack: &str, cseq: &str) -> (String, String) {
    (rack.to_owned(), cseq.to_owned())
}

#[test]
fn their_reliable_answers_are_acknowledged_in_order() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    assert!(header(&invite.headers, HeaderName::Supported).contains("100rel"));
    bench.receive(reliable(&invite, 183, "t", "7", "early"));
    let acknowledged = bench.requests().remove(0);
    assert_eq!(acknowledged.method, crate::wire::sip::message::Method::Prack);
    assert_eq!(acknowledged.uri.to_string(), "sip:agent@192.0.2.2:5070");
    assert_eq!(rack(&acknowledged), pair("7 1 INVITE", "2 PRACK"));
    assert_eq!(bench.events(), [DialogEvent::Ringing { sdp: Some(sdp("early")) }]);
    bench.receive(reliable(&invite, 183, "t", "7", "early"));
    bench.receive(reliable(&invite, 180, "t", "9", ""));
    assert_eq!((bench.words(), bench.events()), (vec![], vec![]), "a repeat, and a gap");
    bench.receive(reliable(&invite, 180, "t", "8", "ignored"));
    assert_eq!(rack(&bench.requests()[0]), pair("8 1 INVITE", "3 PRACK"));
    assert_eq!(bench.events(), [DialogEvent::Ringing { sdp: None }], "the first reliable answer is the answer");
    bench.receive(reply_with(&invite, 200, "t", &[], "other"));
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: Some(sdp("early")) }]);
    bench.sent();
    bench.order(DialogOrder::HangUp);
    assert_eq!(header(&bench.requests()[0].headers, HeaderName::CSeq), "4 BYE");
}

#[test]
fn an_early_description_stands_where_the_2xx_has_none() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 183, "t", &[], "early"));
    bench.receive(reply_with(&invite, 200, "t", &[], ""));
    let sdp = Some(sdp("early"));
    assert_eq!(bench.events(), [DialogEvent::Ringing { sdp: sdp.clone() }, DialogEvent::Answered { sdp }]);
}

#[test]
fn each_branch_of_a_fork_has_its_own_dialog() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    for (tag, body) in [("a", "early a"), ("b", "early b")] {
        bench.receive(reliable(&invite, 183, tag, "1", body));
        let acknowledged = bench.requests().remove(0);
        assert_eq!(rack(&acknowledged), pair("1 1 INVITE", "2 PRACK"));
        assert!(header(&acknowledged.headers, HeaderName::To).ends_with(&format!(";tag={tag}")));
    }
    for other in 0..20 {
        bench.receive(reliable(&invite, 180, &format!("n{other}"), "1", ""));
    }
    assert_eq!(bench.words().len(), 6, "eight branches in all");
    bench.events();
    bench.receive(reply_with(&invite, 200, "b", &[], ""));
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: Some(sdp("early b")) }]);
    bench.sent();
    bench.receive(reply_with(&invite, 200, "a", &[], ""));
    let bye = bench.requests().pop().unwrap();
    assert_eq!(header(&bye.headers, HeaderName::CSeq), "3 BYE", "after its PRACK");
    bench.receive(reply_with(&invite, 200, "elsewhere", &[], ""));
    assert_eq!(bench.words(), ["ACK", "BYE"]);
}

#[test]
fn a_branch_that_is_over_is_forgotten() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reply_with(&invite, 183, "a", &[], "early a"));
    bench.receive(reply_with(&invite, 199, "a", &[], ""));
    bench.events();
    bench.receive(reply_with(&invite, 200, "a", &[], ""));
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: None }]);
}

#[test]
fn a_challenged_prack_is_signed() {
    let mut bench = Bench::new();
    let invite = dial(&mut bench);
    bench.receive(reliable(&invite, 180, "t", "1", ""));
    let first = bench.requests().remove(0);
    bench.receive(reply_with(&first, 401, "t", &[CHALLENGE], ""));
    let again = bench.requests().remove(0);
    assert_eq!(rack(&again), pair("1 1 INVITE", "3 PRACK"));
    assert!(again.headers.contains(&HeaderName::Authorization));
}

/// A request of the side that we have called, branch `t`.
fn theirs(invite: &Request, method: &str, seq: u32, kind: &str, body: &str) -> String {
    let local = header(&invite.headers, HeaderName::From);
    let call_id = header(&invite.headers, HeaderName::CallId);
    format!(
        "{method} sip:6000@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKu{seq};rport\n\
         Max-Forwards: 70\nFrom: <sip:6001@192.0.2.2:5070>;tag=t\nTo: {local}\nCall-ID: {call_id}\n\
         CSeq: {seq} {method}\nContact: <sip:moved@192.0.2.2:5072>\nContent-Type: {kind}\n\n{body}"
    )
}

#[test]
fn an_offer_of_theirs_before_the_answer_is_the_calls_to_answer() {
    let agreed = || {
        let mut bench = Bench::new();
        let invite = dial(&mut bench);
        bench.receive(reliable(&invite, 183, "t", "7", "early"));
        bench.receive(theirs(&invite, "UPDATE", 1, "application/sdp", SDP));
        assert_eq!(bench.words(), ["PRACK"], "the call's to decide");
        let early = DialogEvent::Ringing { sdp: Some(sdp("early")) };
        assert_eq!(bench.events(), [early, DialogEvent::Offered { sdp: sdp(SDP) }]);
        (bench, invite)
    };
    let (mut bench, invite) = agreed();
    bench.receive(theirs(&invite, "UPDATE", 2, "application/sdp", SDP));
    bench.receive(theirs(&invite, "UPDATE", 3, "text/plain", "x"));
    bench.receive(theirs(&invite, "UPDATE", 3, "application/sdp", SDP).replace("z9hG4bKu3", "z9hG4bKlate"));
    assert_eq!(bench.words(), ["500", "415", "500"], "one at a time; no description; CSeq behind");
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("ours") });
    let ok = bench.response();
    assert_eq!((ok.status.as_u16(), &ok.body[..]), (200, &b"ours"[..]));
    assert!(ok.headers.contains(&HeaderName::Contact) && ok.headers.contains(&HeaderName::Allow));
    bench.receive(reply_with(&invite, 200, "t", &[], ""));
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: Some(sdp(SDP)) }], "what was agreed last stands");
    assert_eq!(bench.words(), ["ACK"]);

    let (mut bench, invite) = agreed();
    bench.order(DialogOrder::RefuseOffer { status: 488 });
    assert_eq!(bench.words(), ["488"]);
    bench.receive(reply_with(&invite, 200, "t", &[], ""));
    assert_eq!(bench.events(), [DialogEvent::Answered { sdp: Some(sdp("early")) }], "as it was");

    let (mut bench, invite) = agreed();
    bench.receive(reply_with(&invite, 200, "t", &[], ""));
    assert_eq!(bench.words(), ["500", "ACK"], "it may come again within the dialog");
    bench.order(DialogOrder::AnswerOffer { sdp: sdp("too late") });
    assert_eq!(bench.words(), [""; 0]);
    bench.events();
    bench.receive(theirs(&invite, "UPDATE", 2, "application/sdp", SDP));
    assert_eq!(bench.events(), [DialogEvent::Offered { sdp: sdp(SDP) }]);

    for end in [486, 0] {
        let (mut bench, invite) = agreed();
        match end {
            0 => bench.order(DialogOrder::HangUp),
            status => bench.receive(reply_with(&invite, status, "t", &[], "")),
        }
        assert!(bench.words().contains(&"500".to_owned()));
    }
}
