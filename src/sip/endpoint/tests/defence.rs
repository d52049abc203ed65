//! What strangers, guessers and those who come in crowds get.

use super::phones::{Handset, at, bench, with_phones};
use super::*;

const STRANGER: &str = "203.0.113.9:5060";

fn shut_out(bench: &Bench) -> usize {
    bench.rest.iter().filter(|output| matches!(output, Output::ShutOut(_))).count()
}

#[test]
fn a_stranger_hears_nothing_whatever_it_says() {
    let caller = Caller::new();
    let known = Caller { to_tag: "gone".into(), ..caller.clone() };
    let texts = [
        caller.request("OPTIONS", 1, "o", "", ""),
        caller.invite(),
        caller.request("REGISTER", 1, "r", "", ""),
        caller.request("REGISTER", 1, "r", "Authorization: Digest realm=\"gw.example\", username=\"anna\"\n", ""),
        caller.request("BYE", 1, "b", "", ""),
        known.request("BYE", 1, "k", "", ""),
        known.request("INVITE", 1, "k", "", ""),
        caller.request("CANCEL", 1, "c", "", ""),
        caller.request("FOO", 1, "f", "", ""),
        caller.invite().replace("Max-Forwards: 70\n", ""),
        caller.invite().replace("SIP/2.0\nVia", "SIP/3.0\nVia"),
        "GET / HTTP/1.1\n\n".to_owned(),
        "\r\n\r\n".to_owned(),
    ];
    for text in &texts {
        let mut bench = Bench::with(with_phones());
        bench.flow = at(STRANGER, Transport::Udp);
        for _ in 0..10 {
            bench.receive(text);
        }
        assert_eq!((bench.words().len(), bench.rest.len() - shut_out(&bench)), (0, 0), "{text}");
        assert_eq!(shut_out(&bench), usize::from(text.len() > 4), "told once: {text}");
        assert_eq!((bench.endpoint.transactions(), bench.endpoint.dialogs()), (0, 0));
    }
    let mut bench = Bench::with(with_phones());
    bench.flow = at("192.0.2.9:5060", Transport::Udp);
    for text in texts.iter().cycle().take(100) {
        bench.receive(text);
    }
    assert_eq!(shut_out(&bench), 0, "a peer is never shut out");
}

#[test]
fn a_trunk_that_is_not_allowed_to_call_is_told_so() {
    let mut config = with_phones();
    config.trunks[0].allow = vec![];
    let mut bench = Bench::with(config);
    for _ in 0..20 {
        bench.receive(Caller::new().request("OPTIONS", 1, "o", "", ""));
        assert_eq!(bench.words(), ["403"], "or the PBX takes us for dead");
    }
    assert_eq!(shut_out(&bench), 0);
}

#[test]
fn what_belongs_to_a_dialog_passes_from_anywhere() {
    let mut bench = Bench::with(with_phones());
    let mut caller = Caller::new();
    bench.receive(caller.invite());
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    caller.learn(&bench.response());
    bench.flow = at(STRANGER, Transport::Udp);
    for _ in 0..10 {
        bench.receive(Caller::new().request("OPTIONS", 1, "o", "", ""));
    }
    assert_eq!((bench.words().len(), shut_out(&bench)), (0, 1));
    bench.receive(caller.ack(1));
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    assert_eq!(bench.words(), ["200"], "its network has changed");
}

#[test]
fn a_connection_of_somebody_who_is_shut_out_is_closed() {
    let mut bench = Bench::with(with_phones());
    bench.flow = at(STRANGER, Transport::Tcp);
    let flow = bench.flow;
    bench.handle(Input::FlowOpened { flow, opener: Opener::Peer });
    for _ in 0..5 {
        bench.receive(Caller::new().request("OPTIONS", 1, "o", "", ""));
    }
    assert!(matches!(bench.rest[..], [Output::ShutOut(_), Output::Close { .. }]), "{:?}", bench.rest);
    bench.rest.clear();
    let flow = at("203.0.113.9:6000", Transport::Tcp);
    bench.handle(Input::FlowOpened { flow, opener: Opener::Peer });
    assert!(matches!(bench.rest[..], [Output::Close { .. }]));
    bench.now += Duration::from_secs(1_801);
    bench.rest.clear();
    bench.handle(Input::FlowOpened { flow, opener: Opener::Peer });
    assert!(bench.rest.is_empty(), "not for ever");
}

#[test]
fn whoever_guesses_passwords_is_shut_out_and_learns_of_no_user() {
    let answers = |user: &'static str| {
        let (mut bench, mut guesser) = (bench(), Handset::new(user, "falsch"));
        let mut all = Vec::new();
        for _ in 0..12 {
            let request = guesser.request("REGISTER", "").to_bytes();
            bench.receive(request);
            let answer = bench.sent().pop();
            if let Some(Message::Response(response)) = &answer {
                guesser = Handset::new(user, "falsch");
                guesser.learn(response);
            }
            all.push(answer.as_ref().map(word));
        }
        (all, shut_out(&bench))
    };
    let (known, told) = answers("anna");
    assert_eq!(told, 1);
    let last = known.iter().rposition(Option::is_some).unwrap();
    assert!(last < 8 && known[last + 1..].iter().all(Option::is_none), "{known:?}");
    assert_eq!(answers("nobody").0, known, "as for one who exists");
}

#[test]
fn a_users_password_is_not_judged_too_often_from_wherever() {
    let mut bench = bench();
    let mut judged = 0;
    for host in 1..200_u8 {
        bench.flow = at(&format!("198.51.100.{host}:5060"), Transport::Udp);
        let mut guesser = Handset::new("anna", "falsch");
        let answer = guesser.ask(&mut bench, "REGISTER", "");
        judged += usize::from(answer.status == StatusCode::UNAUTHORIZED);
        assert!(
            answer.status == StatusCode::UNAUTHORIZED || !header(&answer.headers, HeaderName::RetryAfter).is_empty()
        );
    }
    assert_eq!(judged, 4, "then a wait, the same for the right one");
    assert_eq!(Handset::new("anna", "geheim").ask(&mut bench, "REGISTER", "").status.as_u16(), 503);
    assert_eq!(Handset::new("bert", "geheim").ask(&mut bench, "REGISTER", "").status.as_u16(), 200);
    bench.now += Duration::from_secs(301);
    assert_eq!(Handset::new("anna", "geheim").ask(&mut bench, "REGISTER", "").status.as_u16(), 200);
}

#[test]
fn guesses_elsewhere_do_not_hurt_a_telephone_that_is_there() {
    let mut bench = bench();
    let mut anna = Handset::new("anna", "geheim");
    assert_eq!(anna.ask(&mut bench, "REGISTER", "").status.as_u16(), 200);
    let home = bench.flow;
    bench.flow = at("198.51.100.66:5060", Transport::Udp);
    for _ in 0..5 {
        let request = Handset::new("anna", "falsch").request("REGISTER", "").to_bytes();
        bench.receive(request);
        let Some(Message::Response(challenge)) = bench.sent().pop() else { break };
        let mut guesser = Handset::new("anna", "falsch");
        guesser.learn(&challenge);
        bench.receive(guesser.request("REGISTER", "").to_bytes());
    }
    bench.sent();
    bench.flow = home;
    assert_eq!(anna.ask(&mut bench, "REGISTER", "").status.as_u16(), 200);
}

#[test]
fn calls_without_an_answer_are_bounded_in_all_and_by_source() {
    let limits = Limits { half_open: 5, half_open_per_source: 3, half_open_per_phone: 2, ..Limits::default() };
    let mut bench = Bench::with(EndpointConfig { limits, ..with_phones() });
    let call = |bench: &mut Bench, from: &str, id: &'static str| {
        bench.flow = at(from, Transport::Udp);
        bench.receive(Caller { call_id: id, ..Caller::new() }.request("INVITE", 1, id, "", ""));
        bench.words().pop().unwrap()
    };
    for (from, id, expected) in [
        ("192.0.2.2:5070", "1", "100"),
        ("192.0.2.2:5071", "2", "100"),
        ("192.0.2.2:5070", "3", "100"),
        ("192.0.2.2:5070", "4", "503"),
        ("192.0.2.3:5070", "5", "100"),
        ("192.0.2.4:5070", "6", "100"),
        ("192.0.2.5:5070", "7", "503"),
    ] {
        assert_eq!(call(&mut bench, from, id), expected, "{id}");
    }
    assert_eq!(bench.counted, [Counter::HalfOpenFull; 2]);
    let dialogs: Vec<_> = bench.incoming.iter().map(|invite| invite.dialog).collect();
    let orders = [DialogOrder::Answer { sdp: sdp("x") }, DialogOrder::Refuse { status: 486 }, DialogOrder::HangUp];
    for (dialog, order) in dialogs.into_iter().zip(orders) {
        bench.handle(Input::Order(AddressedOrder { dialog, order }));
    }
    bench.sent();
    for (id, expected) in [("8", "100"), ("9", "100"), ("10", "100"), ("11", "503")] {
        assert_eq!(call(&mut bench, "192.0.2.2:5070", id), expected, "{id}: what is answered makes room");
    }
}

/// The configuration names whom calls of ours may go to; an order for anybody else goes nowhere.
#[test]
fn nobody_is_dialled_who_is_not_configured() {
    let mut bench = bench();
    for (trunk, uri, status) in [
        ("carrier", "sip:0900123456@203.0.113.1", 503),
        ("", "sip:0900123456@203.0.113.1", 503),
        ("phone", "sip:0900123456@203.0.113.1", 404),
        ("phone", "tel:0900123456", 404),
        ("phone", "0900123456", 400),
    ] {
        let target = OutgoingTarget { uri: uri.into(), trunk: trunk.into(), display_name: None };
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
        bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
        assert_eq!((bench.words(), bench.events()), (vec![], vec![DialogEvent::Refused { status }]), "{trunk} {uri}");
    }
    // A trunk's calls go to its own address, whatever host the URI names, and with no Route but what it sets.
    let target = OutgoingTarget { uri: "sip:1@203.0.113.1".into(), trunk: "pbx".into(), display_name: None };
    let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
    bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
    assert_eq!(bench.sent.pop().unwrap().0.remote, THEIRS.parse().unwrap());
}
