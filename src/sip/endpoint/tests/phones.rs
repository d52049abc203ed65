//! Telephones that register here: REGISTER from challenge to end, and how they are rung. RFC 3261 10.3, RFC 4475's registrations.

use super::*;
use crate::sip::author::Author;
use crate::sip::digest::client::Prover;
use crate::sip::shield::ShieldConfig;

pub(super) fn phone(name: &str) -> Phone {
    Phone {
        credentials: Credentials { username: name.into(), password: Redacted::from("geheim") },
        allow: vec!["198.51.100.0/24".parse().unwrap()],
    }
}

pub(super) fn with_phones() -> EndpointConfig {
    let shield = ShieldConfig { tries: 5, ..ShieldConfig::default() };
    EndpointConfig {
        phones: vec![phone("anna"), phone("bert")],
        unknown: UnknownSource::Silence,
        realm: "gw.example".into(),
        shield,
        ..config()
    }
}

/// A telephone on its own flow, with its own account.
pub(super) struct Handset {
    prover: Prover,
    author: Author,
    pub(super) name: &'static str,
    number: u32,
    pub(super) contact: String,
}

impl Handset {
    pub(super) fn new(name: &'static str, password: &str) -> Self {
        let credentials = Credentials { username: name.into(), password: Redacted::from(password) };
        let contact = format!("<sip:{name}@10.0.0.9:5066>");
        Self { prover: Prover::new(credentials), author: Author::new(1, vec![], "t"), name, number: 0, contact }
    }

    pub(super) fn request(&mut self, method: &str, more: &str) -> Request {
        self.number += 1;
        let Self { name, number, contact, .. } = self;
        let text = format!(
            "{method} sip:gw.example SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9:5066;rport;branch=z9hG4bK{name}{number}\n\
             Max-Forwards: 70\nFrom: <sip:{name}@gw.example>;tag=f\nTo: <sip:{name}@gw.example>\nCall-ID: {name}\n\
             CSeq: {number} {method}\nContact: {contact}\n{more}Content-Length: 0\n\n"
        );
        let Ok(Message::Request(mut request)) = parse_datagram(text.as_bytes()) else { panic!("{text}") };
        self.prover.sign(&mut request, &mut self.author);
        request
    }

    /// Takes note of a challenge.
    pub(super) fn learn(&mut self, challenge: &Response) {
        self.prover.challenged(challenge);
    }

    /// Asks; once more where it is challenged. The last answer.
    pub(super) fn ask(&mut self, bench: &mut Bench, method: &str, more: &str) -> Response {
        let first = self.request(method, more);
        bench.receive(first.to_bytes());
        let answer = bench.response();
        if answer.status != StatusCode::UNAUTHORIZED || !self.prover.challenged(&answer) {
            return answer;
        }
        let again = self.request(method, more);
        bench.receive(again.to_bytes());
        let answer = bench.response();
        self.prover.satisfied();
        answer
    }
}

pub(super) fn at(address: &str, transport: Transport) -> Flow {
    Flow { transport, local: OURS.parse().unwrap(), remote: address.parse().unwrap() }
}

pub(super) fn bench() -> Bench {
    let mut bench = Bench::with(with_phones());
    bench.flow = at("198.51.100.7:40000", Transport::Udp);
    bench
}

fn ring(bench: &mut Bench, name: &str) {
    let target = OutgoingTarget { uri: format!("sip:{name}@phone"), trunk: "phone".into(), display_name: None };
    let order = DialogOrder::Invite { target, offer: sdp(SDP), headers: vec![] };
    bench.handle(Input::Order(AddressedOrder { dialog: DialogId(7), order }));
}

fn told(bench: &mut Bench) -> Vec<(String, usize)> {
    let rest = std::mem::take(&mut bench.rest);
    let phone = |output| if let Output::Phone { name, contacts } = output { Some((name, contacts)) } else { None };
    rest.into_iter().filter_map(phone).collect()
}

#[test]
fn a_telephone_registers_is_rung_and_unregisters() {
    let (mut bench, mut anna) = (bench(), Handset::new("anna", "geheim"));
    ring(&mut bench, "anna");
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 480 }], "not there yet");
    let ok = anna.ask(&mut bench, "REGISTER", "Expires: 600\n");
    assert_eq!(ok.status.as_u16(), 200);
    assert_eq!(header(&ok.headers, HeaderName::Contact), "<sip:anna@10.0.0.9:5066>;expires=600");
    assert_eq!(told(&mut bench), [("anna".to_owned(), 1)]);

    ring(&mut bench, "anna");
    let (flow, Message::Request(invite)) = bench.sent.pop().unwrap() else { panic!() };
    assert_eq!((flow, invite.uri.to_string()), (bench.flow, "sip:anna@10.0.0.9:5066".into()), "to where it came from");
    assert!(header(&invite.headers, HeaderName::From).starts_with("<sip:tingwa@gw.example>;tag="));
    bench.receive(Response::to_request(&invite, StatusCode::BUSY_HERE, Some("t")).to_bytes());
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 486 }]);
    bench.sent();

    assert_eq!(anna.ask(&mut bench, "REGISTER", "Expires: 0\n").headers.lines(&HeaderName::Contact).count(), 0);
    assert_eq!(told(&mut bench), [("anna".to_owned(), 0)]);
    ring(&mut bench, "anna");
    ring(&mut bench, "nobody");
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 480 }, DialogEvent::Refused { status: 404 }]);
}

#[test]
fn what_a_registrar_refuses() {
    let (mut bench, mut anna) = (bench(), Handset::new("anna", "geheim"));
    let brief = anna.ask(&mut bench, "REGISTER", "Expires: 30\n");
    assert_eq!((brief.status.as_u16(), header(&brief.headers, HeaderName::MinExpires)), (423, "60".into()));
    let require = anna.ask(&mut bench, "REGISTER", "Require: gruu\n");
    assert_eq!((require.status.as_u16(), header(&require.headers, HeaderName::Unsupported)), (420, "gruu".into()));
    let mut other = anna.request("REGISTER", "");
    other.headers.set_text(HeaderName::To, "<sip:bert@gw.example>");
    bench.receive(other.to_bytes());
    assert_eq!(bench.words(), ["403"], "nobody registers for another");
    let mut anna = Handset::new("anna", "geheim");
    anna.contact = "*".into();
    assert_eq!(anna.ask(&mut bench, "REGISTER", "").status.as_u16(), 400);
    assert_eq!(anna.ask(&mut bench, "REGISTER", "Expires: 0\n").status.as_u16(), 200);
    bench.flow = flow(Transport::Udp);
    bench.receive(Caller::new().request("REGISTER", 1, "x", "", ""));
    assert_eq!(bench.words(), ["405"], "a trunk does not register here");
    assert_eq!(told(&mut bench), []);
}

#[test]
fn a_repeated_register_gets_the_same_answer() {
    let (mut bench, mut anna) = (bench(), Handset::new("anna", "geheim"));
    anna.ask(&mut bench, "REGISTER", "");
    let request = anna.request("REGISTER", "").to_bytes();
    bench.receive(&request);
    let first = bench.response();
    bench.receive(&request);
    assert_eq!((first.status.as_u16(), bench.response()), (200, first));
    bench.run(40.0);
    bench.receive(&request);
    assert_eq!(bench.words(), ["500"], "CSeq behind");
}

#[test]
fn bindings_end_with_their_time_and_their_connection() {
    let (mut bench, mut anna) = (bench(), Handset::new("anna", "geheim"));
    anna.ask(&mut bench, "REGISTER", "Expires: 60\n");
    told(&mut bench);
    bench.run(59.0);
    assert_eq!(told(&mut bench), []);
    bench.run(2.0);
    assert_eq!(told(&mut bench), [("anna".to_owned(), 0)]);

    bench.flow = at("198.51.100.7:50123", Transport::Wss);
    let flow = bench.flow;
    bench.handle(Input::FlowOpened { flow, opener: Opener::Peer });
    anna.contact = "<sip:k3j4@df7jal23ls0d.invalid;transport=ws>".into();
    anna.ask(&mut bench, "REGISTER", "Expires: 60\n");
    ring(&mut bench, "anna");
    let (way, Message::Request(invite)) = bench.sent.pop().unwrap() else { panic!() };
    assert_eq!((way, invite.uri.to_string()), (flow, "sip:k3j4@df7jal23ls0d.invalid;transport=ws".into()));
    bench.handle(Input::FlowClosed { flow });
    assert_eq!(bench.events(), [DialogEvent::Refused { status: 503 }]);
    assert_eq!(told(&mut bench), [("anna".to_owned(), 1), ("anna".to_owned(), 0)]);
}

#[test]
fn a_connection_that_a_telephone_is_reached_by_is_kept() {
    let (mut bench, mut anna) = (bench(), Handset::new("anna", "geheim"));
    bench.flow = at("198.51.100.7:50123", Transport::Tcp);
    let flow = bench.flow;
    bench.handle(Input::FlowOpened { flow, opener: Opener::Peer });
    anna.ask(&mut bench, "REGISTER", "Expires: 3000\n");
    told(&mut bench);
    bench.run(2_999.0);
    assert!(!bench.rest.iter().any(|output| matches!(output, Output::Close { .. })));
    bench.run(700.0);
    assert!(bench.rest.iter().any(|output| matches!(output, Output::Close { .. })));
}

#[test]
fn a_telephone_calls_as_itself_and_takes_nobodys_call() {
    let (mut bench, mut anna) = (bench(), Handset::new("anna", "geheim"));
    let answer = anna.ask(&mut bench, "INVITE", "P-Asserted-Identity: <tel:+85212345678>\n");
    assert_eq!(answer.status.as_u16(), 100);
    let call = &bench.incoming[0];
    assert_eq!((call.from.reveal().as_str(), call.trunk.as_deref(), call.trusted), ("anna", Some("phone"), false));
    let mut bert = Handset::new("bert", "geheim");
    let replaces = "Replaces: anna;to-tag=x;from-tag=f\n";
    assert_eq!(bert.ask(&mut bench, "INVITE", replaces).status.as_u16(), 403);
    assert_eq!(bert.ask(&mut bench, "REFER", "Refer-To: <sip:0900@carrier>\n").status.as_u16(), 403);
}

/// RFC 4475's registrations, with a proof put in: what a registrar keeps and gives back of their Contacts.
#[test]
fn contacts_of_rfc_4475_come_back_as_they_were() {
    for (name, user, contacts) in [
        // 3.1.1.4: NUL is a character of a user name like another; the two are not the same.
        ("escnull", "null-\0-null", vec!["<sip:%00@host5.example.com>", "<sip:%00%00@host5.example.com>"]),
        // 3.3.12: without brackets it is a parameter of the header.
        ("cparam01", "watson", vec!["<sip:+19725552222@gw1.example.net>;unknownparam"]),
        // 3.3.13: within them, of the URI.
        ("cparam02", "watson", vec!["<sip:+19725552222@gw1.example.net;unknownparam>"]),
        // 3.3.14: header fields of a Contact stay as they are.
        ("regescrt", "user", vec!["<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"]),
    ] {
        let mut bench = Bench::with(EndpointConfig { phones: vec![phone(user)], ..with_phones() });
        bench.flow = at("198.51.100.7:40000", Transport::Udp);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sip-torture");
        let text = std::fs::read(format!("{folder}/{name}.sip")).unwrap();
        bench.receive(&text);
        let challenge = bench.response();
        let Ok(Message::Request(mut request)) = parse_datagram(&text) else { panic!("{name}") };
        let credentials = Credentials { username: user.into(), password: Redacted::from("geheim") };
        let mut prover = Prover::new(credentials);
        assert!(prover.challenged(&challenge), "{name}");
        prover.sign(&mut request, &mut Author::new(1, vec![], "t"));
        bench.receive(request.to_bytes());
        let ok = bench.response();
        assert_eq!(ok.status.as_u16(), 200, "{name}");
        let given: Vec<_> =
            ok.headers.lines(&HeaderName::Contact).map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        let expected: Vec<_> = contacts.iter().map(|contact| format!("{contact};expires=3600")).collect();
        assert_eq!(given, expected, "{name}");
    }
}
