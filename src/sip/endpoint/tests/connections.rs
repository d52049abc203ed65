//! Connections: how long they live, pings, aliases (RFC 5923), large requests (RFC 3261 18.1.1), IPv6, advertised addresses.

use super::*;
use crate::sip::lifetime::Opener;

fn opened(bench: &mut Bench, flow: Flow, opener: Opener) {
    bench.handle(Input::FlowOpened { flow, opener });
}

fn closed(bench: &mut Bench) -> bool {
    std::mem::take(&mut bench.rest).iter().any(|output| matches!(output, Output::Close { .. }))
}

#[test]
fn a_stranger_who_says_nothing_whole_is_closed_after_ten_seconds() {
    let mut bench = Bench::new();
    bench.flow = flow(Transport::Tcp);
    let on = bench.flow;
    opened(&mut bench, on, Opener::Peer);
    for _ in 0..9 {
        bench.run(1.0);
        bench.receive("X");
    }
    assert!(!closed(&mut bench));
    bench.run(1.0);
    assert!(closed(&mut bench), "a letter a second is nothing whole");
    assert_eq!(bench.counted, [Counter::ConnectionSilent]);
    bench.ends_empty();
}

#[test]
fn an_idle_connection_is_closed_unless_a_call_needs_it() {
    let (mut bench, mut caller) = (Bench::new(), Caller::new());
    caller.via = "SIP/2.0/TCP 192.0.2.2:5070";
    bench.flow = flow(Transport::Tcp);
    let on = bench.flow;
    opened(&mut bench, on, Opener::Peer);
    bench.receive(caller.invite());
    bench.order(DialogOrder::Answer { sdp: sdp("ours") });
    caller.learn(&bench.response());
    bench.receive(caller.ack(1));
    bench.run(1799.0);
    assert!(!closed(&mut bench));
    bench.receive(caller.request("BYE", 2, "b", "", ""));
    bench.run(599.0);
    assert!(!closed(&mut bench));
    bench.run(2.0);
    assert!(closed(&mut bench));
    bench.ends_empty();
}

#[test]
fn a_connection_of_ours_is_pinged_and_given_up_when_it_no_longer_answers() {
    let tcp = Trunk { transport: Transport::Tcp, ..trunk() };
    let mut bench = Bench::with(EndpointConfig { trunks: vec![tcp], ..config() });
    bench.flow = flow(Transport::Tcp);
    let on = bench.flow;
    opened(&mut bench, on, Opener::Gateway);
    bench.receive("\r\n\r\n");
    let pong = bench.rest.remove(0);
    assert!(matches!(&pong, Output::Transmit { bytes, .. } if &bytes[..] == b"\r\n"), "a peer may ping, too");
    for answer in ["\r\n", "\r\n", ""] {
        assert!(bench.rest.is_empty());
        bench.run(96.0 - 11.0);
        assert!(bench.rest.is_empty(), "no ping before 96 s");
        while bench.rest.is_empty() {
            bench.run(0.5);
        }
        let ping = bench.rest.remove(0);
        assert!(matches!(&ping, Output::Transmit { bytes, .. } if &bytes[..] == b"\r\n\r\n"), "{ping:?}");
        bench.run(9.0);
        if !answer.is_empty() {
            bench.receive(answer);
        }
    }
    assert!(!closed(&mut bench));
    bench.run(1.5);
    assert!(closed(&mut bench));
}

fn dialled_on(bench: &mut Bench) -> Flow {
    let target = OutgoingTarget { uri: "sip:6001@pbx.example".into(), trunk: "pbx".into(), display_name: None };
    let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
    bench.handle(Input::Order(AddressedOrder { dialog: DialogId(bench.events.len() as u64 + 70), order }));
    bench.sent.pop().unwrap().0
}

#[test]
fn a_trunk_is_called_on_the_connection_that_it_opened() {
    let tcp = Trunk { transport: Transport::Tcp, ..trunk() };
    let elsewhere: Flow = flow(Transport::Tcp).to("192.0.2.2:41000".parse().unwrap());
    let stranger = flow(Transport::Tcp).to("198.51.100.9:41000".parse().unwrap());
    for (via, on, reused) in [
        ("SIP/2.0/TCP 192.0.2.2:5070;alias", elsewhere, true),
        ("SIP/2.0/TCP 192.0.2.2:5070", elsewhere, false),
        ("SIP/2.0/TCP 192.0.2.2:5071;alias", elsewhere, false),
        ("SIP/2.0/TCP 192.0.2.3:5070;alias", elsewhere, false),
        ("SIP/2.0/TCP pbx.example:5070;alias", elsewhere, false),
        ("SIP/2.0/TCP 192.0.2.2:5070;alias", stranger, false),
    ] {
        let mut bench = Bench::with(EndpointConfig { trunks: vec![tcp.clone()], ..config() });
        let caller = Caller { via, ..Caller::new() };
        bench.flow = on;
        opened(&mut bench, on, Opener::Peer);
        bench.receive(caller.request("OPTIONS", 1, "o", "", ""));
        let expected = if reused { on } else { flow(Transport::Tcp) };
        assert_eq!(dialled_on(&mut bench), expected, "{via} on {on:?}");
        if reused {
            bench.handle(Input::FlowClosed { flow: on });
            bench.events();
            assert_eq!(dialled_on(&mut bench), flow(Transport::Tcp), "it has ended");
        }
    }
}

#[test]
fn a_large_invite_goes_over_tcp_and_over_udp_where_that_cannot_be_had() {
    let dial = |bench: &mut Bench, id: u64, length: usize| {
        let target = OutgoingTarget { uri: "sip:6001@pbx.example".into(), trunk: "pbx".into(), display_name: None };
        let headers = vec![("User-to-User".into(), crate::redact::Redacted::new("a".repeat(length)))];
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers };
        bench.handle(Input::Order(AddressedOrder { dialog: DialogId(id), order }));
        let (on, message) = bench.sent.pop().unwrap();
        let Message::Request(request) = message else { panic!("{message:?}") };
        let via = header(&request.headers, HeaderName::Via);
        assert!(via.starts_with(&format!("SIP/2.0/{} ", on.transport.as_str())), "{via}");
        assert_eq!(request.headers.values(&HeaderName::Via).count(), 1);
        (on.transport, request)
    };
    let mut bench = Bench::new();
    assert_eq!(dial(&mut bench, 1, 10).0, Transport::Udp);
    let (over, first) = dial(&mut bench, 2, 1000);
    assert_eq!(
        (over, header(&first.headers, HeaderName::Contact)),
        (Transport::Tcp, "<sip:6000@192.0.2.1:5060>".into())
    );
    bench.handle(Input::FlowClosed { flow: flow(Transport::Tcp) });
    let (on, message) = bench.sent.pop().unwrap();
    let Message::Request(second) = message else { panic!("{message:?}") };
    assert_eq!((on.transport, second.method.as_str()), (Transport::Udp, "INVITE"));
    assert_ne!(header(&first.headers, HeaderName::Via), header(&second.headers, HeaderName::Via));
    assert_eq!(bench.events(), []);
    bench.receive(client::reply(&second, 200));
    assert!(matches!(bench.events()[..], [DialogEvent::Answered { .. }]));
    bench.sent.clear();
    assert_eq!(dial(&mut bench, 3, 1000).0, Transport::Udp, "it takes no TCP");
    bench.now += Duration::from_secs(601);
    let (over, third) = dial(&mut bench, 4, 1000);
    assert_eq!(over, Transport::Tcp, "it is tried again later");
    bench.receive(client::reply(&third, 180));
    bench.events();
    bench.handle(Input::FlowClosed { flow: flow(Transport::Tcp) });
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 503 }], "it was being answered");
    let udp_only = EndpointConfig { listen: vec![(Transport::Udp, OURS.parse().unwrap())], ..config() };
    assert_eq!(dial(&mut Bench::with(udp_only), 1, 1000).0, Transport::Udp, "we do not listen on TCP");
}

#[test]
fn addresses_of_ipv6_and_behind_nat() {
    for (local, remote, advertised, host) in [
        ("[2001:db8::1]:5060", "[2001:db8::2]:5070", &[][..], "[2001:db8::1]:5060"),
        ("[2001:db8::1]:5060", "[2001:db8::2]:5070", &["203.0.113.1"], "[2001:db8::1]:5060"),
        ("[::]:5060", "[2001:db8::2]:5070", &["203.0.113.1", "2001:db8::f"], "[2001:db8::f]:5060"),
        ("0.0.0.0:5062", "192.0.2.2:5070", &["203.0.113.1", "2001:db8::f"], "203.0.113.1:5062"),
    ] {
        let peer = Trunk { address: remote.parse().unwrap(), ..trunk() };
        let other = if remote.starts_with('[') { "192.0.2.77:5060" } else { "[2001:db8::77]:5060" };
        let listen = [other, local].map(|one| (Transport::Udp, one.parse().unwrap())).to_vec();
        let advertised = advertised.iter().map(|one| one.parse().unwrap()).collect();
        let mut bench = Bench::with(EndpointConfig { listen, advertised, trunks: vec![peer], ..config() });
        let target = OutgoingTarget { uri: "sip:6001@pbx.example".into(), trunk: "pbx".into(), display_name: None };
        let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
        bench.handle(Input::Order(AddressedOrder { dialog: DialogId(1), order }));
        let (on, message) = bench.sent.pop().unwrap();
        let Message::Request(invite) = message else { panic!("{message:?}") };
        assert_eq!((on.local, on.remote), (local.parse().unwrap(), remote.parse().unwrap()));
        assert!(header(&invite.headers, HeaderName::Via).starts_with(&format!("SIP/2.0/UDP {host};")));
        assert_eq!(header(&invite.headers, HeaderName::Contact), format!("<sip:6000@{host}>"));
    }
}
