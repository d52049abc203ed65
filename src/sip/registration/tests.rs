//! A registration's life on a simulated clock.

use super::*;
use crate::redact::Redacted;
use crate::sip::digest::server::{DigestServer, Verdict};
use crate::sip::flow::Transport;
use crate::wire::sip::message::StatusCode;

struct World {
    now: Instant,
    author: Author,
    machine: Registration,
    asked: Vec<Request>,
    told: Vec<RegistrationState>,
}

impl World {
    fn new(expires: u32) -> Self {
        let now = Instant::now();
        let mut author = Author::new(1, Vec::new(), "tingwa");
        let config = RegistrationConfig {
            flow: Flow {
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                remote: "192.0.2.2:5060".parse().unwrap(),
            },
            address: "sip:6000@pbx.example".parse().unwrap(),
            expires,
            credentials: Credentials { username: "6000".into(), password: Redacted::from("geheim") },
            proxy: None,
        };
        let machine = Registration::new(now, config, &mut author);
        Self { now, author, machine, asked: Vec::new(), told: Vec::new() }
    }

    fn feed(&mut self, input: RegistrationInput<'_>) {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut self.author, &mut out);
        for output in out {
            match output {
                RegistrationOutput::Ask(request) => self.asked.push(*request),
                RegistrationOutput::Tell(state) => self.told.push(state),
            }
        }
    }

    /// Moves the clock to the next deadline and returns how far that was.
    fn wait(&mut self) -> Duration {
        let at = self.machine.deadline().unwrap();
        let waited = at - self.now;
        self.now = at;
        self.feed(RegistrationInput::Timeout);
        waited
    }

    fn answer(&mut self, status: u16, headers: &[(HeaderName, &str)]) {
        let request = self.asked.last().unwrap();
        let mut response = Response::to_request(request, StatusCode::new(status).unwrap(), Some("t"));
        for (name, value) in headers {
            response.headers.push_text(name.clone(), value);
        }
        self.feed(RegistrationInput::Response(&response));
    }

    fn last(&self, name: HeaderName) -> String {
        let value = self.asked.last().unwrap().headers.get(&name).unwrap();
        String::from_utf8(value.to_vec()).unwrap()
    }
}

const CHALLENGE: (HeaderName, &str) =
    (HeaderName::WwwAuthenticate, "Digest realm=\"pbx\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"");

#[test]
fn registers_refreshes_and_is_taken_back() {
    let mut world = World::new(300);
    assert_eq!(world.wait(), Duration::ZERO);
    assert_eq!(world.asked[0].uri.to_string(), "sip:pbx.example");
    assert_eq!(world.last(HeaderName::Contact), "<sip:6000@192.0.2.1:5060>");
    assert_eq!((world.last(HeaderName::Expires), world.last(HeaderName::CSeq)), ("300".into(), "1 REGISTER".into()));
    world.answer(401, &[CHALLENGE]);
    assert_eq!(world.last(HeaderName::CSeq), "2 REGISTER");
    assert!(world.last(HeaderName::Authorization).contains("nc=00000001"));
    let contact = "<sip:6000@192.0.2.9:5060>;expires=9, <sip:6000@192.0.2.1:5060>;expires=200";
    world.answer(200, &[(HeaderName::Contact, contact), (HeaderName::Expires, "300")]);
    let expires = Duration::from_secs(200);
    assert_eq!(world.told, [RegistrationState::Registering, RegistrationState::Registered { expires }]);
    let waited = world.wait().as_secs();
    assert!((160..=175).contains(&waited), "{waited}");
    assert!(world.last(HeaderName::Authorization).contains("nc=00000002"), "signed before it is asked");
    world.answer(200, &[]);
    assert_eq!(world.told[2], RegistrationState::Registered { expires: Duration::from_secs(300) });
    world.feed(RegistrationInput::Remove);
    assert_eq!(world.last(HeaderName::Expires), "0");
    world.answer(200, &[]);
    assert_eq!(world.told.last(), Some(&RegistrationState::Removed));
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn a_lost_connection_is_made_anew() {
    let mut world = World::new(300);
    world.wait();
    world.answer(200, &[]);
    world.feed(RegistrationInput::Disconnected);
    assert_eq!(world.wait(), BACK_OFF);
    assert_eq!(world.asked.len(), 2);
}

#[test]
fn a_registrar_that_wants_longer_gets_it() {
    let mut world = World::new(60);
    world.wait();
    world.answer(423, &[(HeaderName::MinExpires, "900")]);
    assert_eq!(world.last(HeaderName::Expires), "900");
    world.answer(200, &[]);
    assert_eq!(world.told.last(), Some(&RegistrationState::Registered { expires: Duration::from_secs(900) }));
}

#[test]
fn a_wrong_password_fails_and_is_tried_again_later() {
    let mut world = World::new(300);
    world.wait();
    world.answer(401, &[CHALLENGE]);
    world.answer(401, &[CHALLENGE]);
    assert_eq!(world.asked.len(), 2);
    let Some(RegistrationState::Failed { status: 401, retry_in, .. }) = world.told.last().cloned() else {
        panic!("{:?}", world.told)
    };
    assert_eq!(world.wait(), retry_in);
    assert_eq!(world.asked.len(), 3);
}

#[test]
fn a_stale_nonce_is_replaced_at_once() {
    let mut world = World::new(300);
    world.wait();
    world.answer(401, &[CHALLENGE]);
    world.answer(401, &[(HeaderName::WwwAuthenticate, "Digest realm=\"pbx\", nonce=\"n2\", qop=\"auth\", stale=true")]);
    assert!(world.last(HeaderName::Authorization).contains("nonce=\"n2\""));
    assert_eq!(world.asked.len(), 3);
}

#[test]
fn back_off_doubles_with_jitter_and_ends_at_a_limit() {
    let mut world = World::new(300);
    let mut waits = Vec::new();
    for _ in 0..9 {
        waits.push(world.wait().as_millis());
        world.feed(RegistrationInput::NoAnswer(408));
    }
    for (turn, waited) in waits.iter().enumerate().skip(1) {
        let full = (2_000u128 << (turn - 1)).min(120_000);
        assert!((full / 2..=full).contains(waited), "{turn}: {waited}");
    }
    world.wait();
    world.answer(503, &[(HeaderName::RetryAfter, "600")]);
    assert_eq!(world.wait(), Duration::from_secs(600));
}

#[test]
fn passes_our_own_digest_server() {
    let mut world = World::new(300);
    let mut server = DigestServer::new("pbx", [3; 32], world.now);
    world.wait();
    let here = std::net::IpAddr::from([192, 0, 2, 1]);
    let [sha, md5] = server.challenges(world.now, here, false).map(|challenge| challenge.to_string());
    world.answer(401, &[(HeaderName::WwwAuthenticate, &sha), (HeaderName::WwwAuthenticate, &md5)]);
    let credentials = world.asked.last().unwrap().headers.credentials(&HeaderName::Authorization);
    assert_eq!(credentials[0].text("algorithm"), Some("SHA-256"));
    let password = Redacted::from("geheim");
    let asked = crate::sip::digest::client::Asked { method: "REGISTER", uri: "", body: b"" };
    let verdict = server.judge(world.now, here, credentials.first(), &asked, |_| Some(&password));
    assert_eq!(verdict, Verdict::Passed { username: "6000".into() });
}
