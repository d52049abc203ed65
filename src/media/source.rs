//! Where a stream comes from and where ours goes: symmetric RTP (RFC 4961) with a lock (latching, RFC 7362), so that a phone
//! behind a router is reached, and nobody takes a stream over by sending to its port.
//!
//! Believed, from the most to the least:
//! 1. What is proved by its key (SRTP), from anywhere and at once.
//! 2. The address of the session description.
//! 3. Its host at another port, and the host that the signalling came from: a router gave out the port (RFC 7362 5).
//! 4. A stranger, where nothing of the above has come for the first second, and three packets running come from it.
//!
//! A source gives way to one further up at once, to another of its own kind after half a second of silence with the same SSRC
//! from the same host or after two seconds, and to one further down after a new description only: of another address at
//! once, of the same one where two seconds of silence follow.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::wire::rtp::Ssrc;

/// Silence after which the same SSRC may come from another port of its host.
const RELEARN_SAME: Duration = Duration::from_millis(500);
/// Silence after which another source of the same kind may come.
const RELEARN_ANY: Duration = Duration::from_secs(2);
/// How long those who are expected have to send before a stranger is believed.
const EXPECTED_FIRST: Duration = Duration::from_secs(1);
/// Packets running that a stranger must send.
const STRANGER_PACKETS: u8 = 3;

/// How much a source is to be believed; the greatest most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    Stranger,
    Host,
    Signalled,
    Proved,
}

#[derive(Clone, Copy, Debug)]
struct Locked {
    from: SocketAddr,
    ssrc: Ssrc,
    heard: Instant,
    trust: Trust,
}

/// The lock of one stream.
#[derive(Clone, Copy, Debug)]
pub struct SourceLock {
    signalled: SocketAddr,
    /// Host that the signalling comes from, where it is known.
    peer: Option<IpAddr>,
    /// When the last description came.
    since: Instant,
    locked: Option<Locked>,
    /// A description has come since the locked source was heard: it may have moved to where we do not expect it.
    reopened: bool,
    /// The stranger that sent last, and how many packets running.
    knocked: Option<(SocketAddr, Ssrc, u8)>,
}

impl SourceLock {
    /// Nothing has come; ours goes where the session description says.
    pub fn new(now: Instant, signalled: SocketAddr, peer: Option<IpAddr>) -> Self {
        Self { signalled, peer, since: now, locked: None, reopened: false, knocked: None }
    }

    /// A new session description. Another address in it unlocks; with the same one the source may move, once it is silent.
    pub fn signal(&mut self, now: Instant, signalled: SocketAddr) {
        if signalled == self.signalled {
            (self.since, self.reopened) = (now, true);
        } else {
            *self = Self::new(now, signalled, self.peer);
        }
    }

    fn trust(&self, from: SocketAddr, proved: bool) -> Trust {
        if proved {
            Trust::Proved
        } else if from == self.signalled {
            Trust::Signalled
        } else if from.ip() == self.signalled.ip() || Some(from.ip()) == self.peer {
            Trust::Host
        } else {
            Trust::Stranger
        }
    }

    /// Whether a sound packet is to be taken. `proved`: it was authenticated.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc, proved: bool) -> bool {
        let trust = self.trust(from, proved);
        let silent = self.locked.map_or(Duration::ZERO, |locked| now.saturating_duration_since(locked.heard));
        let admitted = match self.locked {
            Some(locked) if locked.from == from => true,
            None => trust > Trust::Stranger || self.is_patient_stranger(now, from, ssrc),
            Some(locked) if trust > locked.trust || trust == Trust::Proved => true,
            Some(locked) if trust == locked.trust => {
                let moved = ssrc == locked.ssrc && from.ip() == locked.from.ip();
                silent >= RELEARN_ANY || (moved && silent >= RELEARN_SAME)
            }
            // One further down.
            Some(_) => {
                let may_move = self.reopened && silent >= RELEARN_ANY;
                may_move && (trust > Trust::Stranger || self.is_patient_stranger(now, from, ssrc))
            }
        };
        if admitted {
            self.locked = Some(Locked { from, ssrc, heard: now, trust });
            self.reopened = false;
        }
        admitted
    }

    /// One that was not expected, after those who were have had their time, for the third time running.
    fn is_patient_stranger(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc) -> bool {
        let running = match self.knocked {
            Some((address, source, running)) if (address, source) == (from, ssrc) => running.saturating_add(1),
            Some(_) | None => 1,
        };
        self.knocked = Some((from, ssrc, running));
        running >= STRANGER_PACKETS && now.saturating_duration_since(self.since) >= EXPECTED_FIRST
    }

    /// Whether RTCP from there is to be read: same machine as the stream's, or as was signalled.
    pub fn admits_control(&self, from: SocketAddr) -> bool {
        from.ip() == self.signalled.ip()
            || Some(from.ip()) == self.peer
            || self.locked.is_some_and(|locked| locked.from.ip() == from.ip())
    }

    /// Where to send; `None` while the other side gave no address (RFC 3264 8.4, hold of old).
    pub fn destination(&self) -> Option<SocketAddr> {
        let to = self.locked.map_or(self.signalled, |locked| locked.from);
        (!self.signalled.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    /// True when packets come from elsewhere than was signalled.
    pub fn is_translated(&self) -> bool {
        self.locked.is_some_and(|locked| locked.from != self.signalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const SIGNALLED: &str = "10.0.0.5:4000";
    const ROUTER: &str = "192.0.2.1:5000";
    const OTHER_PORT: &str = "192.0.2.1:6000";
    const STRANGER: &str = "203.0.113.9:7000";

    /// When, ms; from where; SSRC; proved; admitted; where ours goes after it.
    type Row = (u64, &'static str, u32, bool, bool, &'static str);

    fn check(name: &str, peer: Option<&str>, table: &[Row]) {
        let start = Instant::now();
        let mut lock = SourceLock::new(start, address(SIGNALLED), peer.map(|peer| peer.parse().unwrap()));
        assert_eq!(lock.destination(), Some(address(SIGNALLED)));
        for &(ms, from, ssrc, proved, admitted, to) in table {
            let at = start + Duration::from_millis(ms);
            assert_eq!(lock.admit(at, address(from), Ssrc(ssrc), proved), admitted, "{name}, at {ms}");
            assert_eq!(lock.destination(), Some(address(to)), "{name}, at {ms}");
        }
    }

    #[test]
    fn who_is_admitted() {
        let here = "10.0.0.5:4002";
        check(
            "the host of the signalling, whose router gave out a port",
            Some("192.0.2.1"),
            &[
                (0, STRANGER, 9, false, false, SIGNALLED),
                (20, ROUTER, 1, false, true, ROUTER),
                (40, STRANGER, 1, false, false, ROUTER),
                (60, OTHER_PORT, 2, false, false, ROUTER),
                (300, OTHER_PORT, 1, false, false, ROUTER),
                (560, OTHER_PORT, 1, false, true, OTHER_PORT),
                (1_700, ROUTER, 3, false, false, OTHER_PORT),
                (2_600, ROUTER, 3, false, true, ROUTER),
                (9_000, STRANGER, 3, false, false, ROUTER),
                (9_020, STRANGER, 3, false, false, ROUTER),
                (9_040, SIGNALLED, 5, false, true, SIGNALLED),
                (19_000, ROUTER, 3, false, false, SIGNALLED),
            ],
        );
        check(
            "a stranger, as nobody else has come",
            None,
            &[
                (0, ROUTER, 1, false, false, SIGNALLED),
                (500, ROUTER, 1, false, false, SIGNALLED),
                (1_000, STRANGER, 9, false, false, SIGNALLED),
                (1_010, ROUTER, 1, false, false, SIGNALLED),
                (1_020, ROUTER, 1, false, false, SIGNALLED),
                (1_025, ROUTER, 1, false, true, ROUTER),
                (1_030, STRANGER, 9, false, false, ROUTER),
                (1_040, here, 7, false, true, here),
                (8_000, ROUTER, 1, false, false, here),
                (8_020, SIGNALLED, 7, false, true, SIGNALLED),
            ],
        );
        check(
            "who has the key, from anywhere",
            None,
            &[
                (0, STRANGER, 1, true, true, STRANGER),
                (20, ROUTER, 1, true, true, ROUTER),
                (40, SIGNALLED, 1, true, true, SIGNALLED),
            ],
        );
    }

    #[test]
    fn a_new_description_unlocks() {
        let now = Instant::now();
        let mut lock = SourceLock::new(now, address(SIGNALLED), Some(address(ROUTER).ip()));
        lock.admit(now, address(ROUTER), Ssrc(1), false);
        lock.signal(now, address(SIGNALLED));
        assert!(lock.is_translated() && !lock.admit(now, address(OTHER_PORT), Ssrc(2), false));
        lock.signal(now, address("10.0.0.6:4002"));
        assert_eq!(lock.destination(), Some(address("10.0.0.6:4002")));
        assert!(!lock.admit(now, address(SIGNALLED), Ssrc(2), false), "the old address is a stranger's");
        assert!(lock.admit(now, address(OTHER_PORT), Ssrc(2), false));
    }

    #[test]
    fn the_same_description_again_lets_a_silent_source_move() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let knocks = |lock: &mut SourceLock, ms: u64| {
            (0..4).map(|n| lock.admit(at(ms + 20 * n), address(STRANGER), Ssrc(9), false)).collect::<Vec<_>>()
        };
        let mut lock = SourceLock::new(start, address(SIGNALLED), None);
        assert!(lock.admit(start, address(SIGNALLED), Ssrc(1), false));
        assert_eq!(knocks(&mut lock, 5_000), [false; 4], "silent for long, but nobody has said anything");
        lock.signal(at(6_000), address(SIGNALLED));
        assert!(lock.admit(at(6_010), address(SIGNALLED), Ssrc(1), false));
        assert_eq!(knocks(&mut lock, 9_000), [false; 4], "it was heard after the description");
        lock.signal(at(10_000), address(SIGNALLED));
        assert_eq!(knocks(&mut lock, 10_020), [false; 4], "those who are expected first");
        assert_eq!(knocks(&mut lock, 11_020), [true; 4], "it knocked before");
        assert!(lock.admit(at(11_200), address(SIGNALLED), Ssrc(1), false), "who is signalled comes back at once");
    }

    #[test]
    fn no_address_nothing_sent() {
        let now = Instant::now();
        let mut lock = SourceLock::new(now, address("0.0.0.0:4000"), Some(address(ROUTER).ip()));
        assert_eq!(lock.destination(), None);
        assert!(lock.admit(now, address(ROUTER), Ssrc(1), false));
        assert_eq!(lock.destination(), None, "held, though packets come");
        assert_eq!(SourceLock::new(now, address("10.0.0.5:0"), None).destination(), None);
    }

    #[test]
    fn control_comes_from_the_same_machine() {
        let now = Instant::now();
        let mut lock = SourceLock::new(now, address(SIGNALLED), None);
        assert!(lock.admits_control(address("10.0.0.5:4001")));
        assert!(!lock.admits_control(address(STRANGER)));
        lock.admit(now, address(STRANGER), Ssrc(1), true);
        assert!(lock.admits_control(address(STRANGER)));
    }
}
