//! Handshakes of browsers in the simulated world: one side's keys to be, and what a page does to find its path.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tingwa::call::{DtlsTerms, Fingerprint, SrtpKeys};
use tingwa::wire::stun::{Class, Writer};

/// A page asks for consent so often.
const CHECK: Duration = Duration::from_millis(500);

/// What came of a piece of a handshake: datagrams to send, and keys (`Some(None)`: it has failed).
pub type Shaken = (Vec<Vec<u8>>, Option<Option<SrtpKeys>>);

/// One side of handshakes, of the real library. `browser` has one.
pub trait Hands {
    /// Of its certificate.
    fn fingerprint(&self) -> Fingerprint;
    /// For another leg, with the same certificate.
    fn another(&self) -> Box<dyn Hands>;
    /// A piece, or (without terms) that time has passed.
    fn shake(&mut self, now: Instant, terms: Option<DtlsTerms>, bytes: &[u8]) -> Shaken;
}

/// A telephone that is a page: it checks and nominates, shakes hands, and then speaks.
pub struct Page {
    pub hands: Box<dyn Hands>,
    /// The gateway's user name fragment and password.
    to: Option<(String, String)>,
    next_check: Option<Instant>,
    pub sent: Vec<Vec<u8>>,
}

impl Page {
    pub fn new(hands: Box<dyn Hands>) -> Self {
        Self { hands, to: None, next_check: None, sent: Vec::new() }
    }

    /// The gateway's description: the page knows where to check.
    pub fn learn(&mut self, now: Instant, sdp: &[u8]) {
        let text = String::from_utf8_lossy(sdp);
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        self.to = value("a=ice-ufrag:").zip(value("a=ice-pwd:"));
        self.next_check = Some(now);
    }

    /// A check, where one is due.
    pub fn check(&mut self, now: Instant) -> bool {
        let Some((ufrag, password)) = self.to.as_ref().filter(|_| self.next_check.is_some_and(|at| now >= at)) else {
            return false;
        };
        self.sent.push(check(ufrag, password));
        self.next_check = Some(now + CHECK);
        true
    }
}

/// A check that nominates.
pub fn check(ufrag: &str, password: &str) -> Vec<u8> {
    let mut room = [0; 256];
    let writer = Writer::new(&mut room, Class::Request, [9; 12]).check(&format!("{ufrag}:page"), 1, 2, true);
    let length = writer.finish(Some(password.as_bytes())).expect("room for a check");
    room[..length].to_vec()
}

/// Where the gateway's description says that it is.
pub fn gateway(sdp: &[u8]) -> SocketAddr {
    let text = String::from_utf8_lossy(sdp);
    let port = text.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok());
    SocketAddr::from(([10, 0, 0, 9], port.expect("a port")))
}
