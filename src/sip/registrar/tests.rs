//! RFC 3261 10.3, case by case.

use super::*;
use crate::sip::flow::Transport;
use crate::wire::sip::message::Message;
use crate::wire::sip::parse::parse_datagram;

struct Bench {
    registrar: Registrar,
    start: Instant,
    seconds: u64,
    flow: Flow,
}

impl Bench {
    fn new() -> Self {
        let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:40000".parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote };
        Self { registrar: Registrar::new(2, RegistrarLimits::default()), start: Instant::now(), seconds: 0, flow }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.seconds)
    }

    /// A REGISTER of telephone 0, its Call-ID and number as `call/number`.
    fn register(&mut self, id: &str, lines: &str) -> Result<Vec<String>, Refused> {
        let (call, number) = id.split_once('/').unwrap();
        let text = format!(
            "REGISTER sip:gw SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\nMax-Forwards: 70\nFrom: <sip:anna@gw>;tag=1\n\
             To: <sip:anna@gw>\nCall-ID: {call}\nCSeq: {number} REGISTER\n{lines}Content-Length: 0\n\n"
        );
        let Ok(Message::Request(request)) = parse_datagram(text.as_bytes()) else { panic!("{text}") };
        let (now, flow) = (self.now(), self.flow);
        let contacts = self.registrar.register(now, 0, flow, &request)?;
        Ok(contacts.iter().map(|contact| String::from_utf8_lossy(contact).into_owned()).collect())
    }

    fn best(&self) -> Option<String> {
        self.registrar.best(self.now(), 0).map(|binding| binding.uri.to_string())
    }
}

fn with(status: StatusCode) -> Result<Vec<String>, Refused> {
    Err(Refused::With(status))
}

#[test]
fn bindings_come_and_go() {
    let mut bench = Bench::new();
    assert_eq!(bench.register("a/1", ""), Ok(vec![]), "asks only");
    let one = "Contact: <sip:anna@10.0.0.9:5060>\n";
    assert_eq!(bench.register("a/2", one).unwrap(), ["<sip:anna@10.0.0.9:5060>;expires=3600"]);
    bench.seconds = 100;
    assert_eq!(bench.register("a/3", "").unwrap(), ["<sip:anna@10.0.0.9:5060>;expires=3500"]);
    let short = "Contact: \"Anna\" <sip:anna@10.0.0.9:5060>;q=0.7\nExpires: 120\n";
    assert_eq!(bench.register("a/4", short).unwrap(), ["\"Anna\" <sip:anna@10.0.0.9:5060>;q=0.7;expires=120"]);
    let over = "Contact: <sip:anna@10.0.0.9:5060>;expires=7200\nExpires: 60\n";
    assert_eq!(bench.register("a/5", over).unwrap(), ["<sip:anna@10.0.0.9:5060>;expires=3600"], "its own counts; cut");
    let odd = "Contact: <sip:anna@10.0.0.9:5060>;expires=soon\nExpires: 60\n";
    assert_eq!(bench.register("a/6", odd).unwrap(), ["<sip:anna@10.0.0.9:5060>;expires=3600"], "10.3, 7");
    assert_eq!(bench.register("a/7", "Contact: <sip:anna@10.0.0.9:5060>;expires=0\n"), Ok(vec![]));
    assert_eq!((bench.registrar.contacts(0), bench.best()), (0, None));
    bench.register("a/8", one).unwrap();
    bench.seconds += 3_599;
    assert!(bench.registrar.expire(bench.now()).is_empty() && bench.best().is_some());
    assert_eq!(bench.registrar.deadline(), Some(bench.now() + Duration::from_secs(1)));
    bench.seconds += 1;
    assert_eq!((bench.best(), bench.registrar.expire(bench.now())), (None, vec![0]));
    assert_eq!(bench.registrar.deadline(), None);
}

#[test]
fn a_refused_request_changes_nothing() {
    let mut bench = Bench::new();
    bench.register("a/5", "Contact: <sip:anna@10.0.0.9>\n").unwrap();
    let brief = "Contact: <sip:b@10.0.0.9>, <sip:c@10.0.0.9>;expires=59\n";
    assert_eq!(bench.register("a/6", brief), Err(Refused::TooBrief { least: 60 }));
    let five = "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>, <sip:4@h>, <sip:5@h>\n";
    assert_eq!(bench.register("a/6", five), with(StatusCode::FORBIDDEN));
    assert_eq!(bench.register("a/6", "Contact: <mailto:anna@h>\n"), with(StatusCode::BAD_REQUEST));
    assert_eq!(bench.register("a/6", "Contact: *\n"), with(StatusCode::BAD_REQUEST), "Expires must be 0");
    assert_eq!(bench.register("a/6", "Contact: *\nExpires: 60\n"), with(StatusCode::BAD_REQUEST));
    let late = "Contact: <sip:b@h>, <sip:anna@10.0.0.9>;expires=0\n";
    assert_eq!(bench.register("a/5", late), with(StatusCode::SERVER_INTERNAL_ERROR), "not higher than the one before");
    assert_eq!(bench.register("a/4", "Contact: *\nExpires: 0\n"), with(StatusCode::SERVER_INTERNAL_ERROR));
    assert_eq!(bench.register("a/6", "").unwrap().len(), 1);
    assert_eq!(bench.register("other/1", "Contact: *\nExpires: 0\n"), Ok(vec![]), "another Call-ID: it has come again");
}

#[test]
fn of_several_the_preferred_then_the_latest_is_rung() {
    let mut bench = Bench::new();
    bench.register("a/1", "Contact: <sip:desk@10.0.0.9>;q=0.5, <sip:soft@10.0.0.9>;q=0.5\n").unwrap();
    bench.seconds = 1;
    bench.register("b/1", "Contact: <sip:mobile@10.0.0.9>;q=0.1\n").unwrap();
    assert!(matches!(bench.best().as_deref(), Some("sip:desk@10.0.0.9" | "sip:soft@10.0.0.9")));
    bench.register("a/2", "Contact: <sip:soft@10.0.0.9>;q=0.5\n").unwrap();
    assert_eq!(bench.best().as_deref(), Some("sip:soft@10.0.0.9"));
    bench.register("a/3", "Contact: <sip:desk@10.0.0.9>\n").unwrap();
    assert_eq!(bench.best().as_deref(), Some("sip:desk@10.0.0.9"), "none given means 1");
    for number in 0..20 {
        bench.seconds += 1;
        bench
            .register(&format!("r{number}/1"), &format!("Contact: <sip:reboot@10.0.0.9:{}>\n", 2_000 + number))
            .unwrap();
    }
    assert_eq!(bench.registrar.contacts(0), 4, "the oldest go");
    assert_eq!(bench.best().as_deref(), Some("sip:reboot@10.0.0.9:2019"));
}

#[test]
fn a_telephone_that_comes_again_elsewhere_is_the_same_one() {
    let mut bench = Bench::new();
    let at = |port: u16, id: &str| {
        format!("Contact: <sip:anna@10.0.0.9:{port}>;+sip.instance=\"<urn:uuid:{id}>\";reg-id=1\n")
    };
    bench.register("a/1", &at(1, "x")).unwrap();
    bench.register("b/1", &at(2, "x")).unwrap();
    assert_eq!(bench.register("c/1", &at(3, "y")).unwrap().len(), 2);
}

#[test]
fn it_is_reached_the_way_it_came() {
    let mut bench = Bench::new();
    let flow = |bench: &Bench| bench.registrar.best(bench.now(), 0).unwrap().flow;
    bench.register("a/1", "Contact: <sip:anna@10.0.0.9:5060>\n").unwrap();
    assert_eq!(flow(&bench), bench.flow, "behind NAT");
    bench.register("a/2", "Contact: *\nExpires: 0\n").unwrap();
    bench.register("a/3", "Contact: <sip:anna@198.51.100.7:5062>\n").unwrap();
    assert_eq!(flow(&bench).remote, "198.51.100.7:5062".parse().unwrap(), "it is where it says");
    bench.flow.transport = Transport::Wss;
    bench.register("b/1", "Contact: <sip:anna@df7jal23ls0d.invalid;transport=ws>\n").unwrap();
    let connection = bench.flow;
    assert!(bench.registrar.uses(connection) && bench.registrar.is_at(connection.remote.ip()));
    assert_eq!(bench.registrar.disconnected(connection), [0]);
    assert!(!bench.registrar.uses(connection));
    assert_eq!(bench.registrar.contacts(0), 1);
}
