//! Where a stream comes from and where ours goes: symmetric RTP (RFC 4961) with a lock, so that a phone behind a router is
//! reached, and nobody can take a running stream over by sending to its port.
//!
//! The first source is believed. Another one is believed when it is the address that was signalled, when the old one has
//! been silent for half a second and the new one has the same SSRC (a router gave out a new port), or after two seconds.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::wire::rtp::Ssrc;

/// Silence after which the same SSRC may come from elsewhere.
const RELEARN_SAME: Duration = Duration::from_millis(500);
/// Silence after which anyone may come.
const RELEARN_ANY: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
struct Locked {
    from: SocketAddr,
    ssrc: Ssrc,
    heard: Instant,
}

/// The lock of one stream.
#[derive(Clone, Copy, Debug)]
pub struct SourceLock {
    signalled: SocketAddr,
    locked: Option<Locked>,
}

impl SourceLock {
    /// Nothing has come; ours goes where the session description says.
    pub fn new(signalled: SocketAddr) -> Self {
        Self { signalled, locked: None }
    }

    /// A new session description. Another address in it unlocks.
    pub fn signal(&mut self, signalled: SocketAddr) {
        if signalled != self.signalled {
            *self = Self::new(signalled);
        }
    }

    /// Whether a sound packet is to be taken.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc) -> bool {
        let admitted = match self.locked {
            None => true,
            Some(locked) if locked.from == from => true,
            Some(locked) => {
                let silent = now.saturating_duration_since(locked.heard);
                from == self.signalled || silent >= RELEARN_ANY || (ssrc == locked.ssrc && silent >= RELEARN_SAME)
            }
        };
        if admitted {
            self.locked = Some(Locked { from, ssrc, heard: now });
        }
        admitted
    }

    /// Whether RTCP from there is to be read: same machine as the stream's, or as was signalled.
    pub fn admits_control(&self, from: SocketAddr) -> bool {
        from.ip() == self.signalled.ip() || self.locked.is_some_and(|locked| locked.from.ip() == from.ip())
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

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn who_is_admitted() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (signalled, router, other) = (address(4000), address(5000), address(6000));
        // When, from where, SSRC, admitted, where ours goes after it.
        let table = [
            (0, router, 1, true, router),
            (20, other, 2, false, router),
            (40, router, 1, true, router),
            (300, other, 1, false, router),
            (560, other, 1, true, other),
            (580, router, 1, false, other),
            (1600, router, 9, false, other),
            (2600, router, 9, true, router),
            (2620, signalled, 5, true, signalled),
            (2640, router, 9, false, signalled),
            (2660, signalled, 77, true, signalled),
        ];
        let mut lock = SourceLock::new(signalled);
        assert_eq!(lock.destination(), Some(signalled));
        for (ms, from, ssrc, admitted, to) in table {
            assert_eq!(lock.admit(at(ms), from, Ssrc(ssrc)), admitted, "at {ms}");
            assert_eq!(lock.destination(), Some(to), "at {ms}");
        }
    }

    #[test]
    fn a_new_description_unlocks() {
        let now = Instant::now();
        let mut lock = SourceLock::new(address(4000));
        lock.admit(now, address(5000), Ssrc(1));
        lock.signal(address(4000));
        assert!(lock.is_translated() && !lock.admit(now, address(7000), Ssrc(2)));
        lock.signal(address(4002));
        assert_eq!(lock.destination(), Some(address(4002)));
        assert!(lock.admit(now, address(7000), Ssrc(2)));
    }

    #[test]
    fn no_address_nothing_sent() {
        let mut lock = SourceLock::new(SocketAddr::from(([0, 0, 0, 0], 4000)));
        assert_eq!(lock.destination(), None);
        lock.admit(Instant::now(), address(5000), Ssrc(1));
        assert_eq!(lock.destination(), None, "held, though packets come");
        assert_eq!(SourceLock::new(address(0)).destination(), None);
    }

    #[test]
    fn control_comes_from_the_same_machine() {
        let mut lock = SourceLock::new(address(4000));
        assert!(lock.admits_control(address(4001)));
        let elsewhere = SocketAddr::from(([198, 51, 100, 7], 9));
        assert!(!lock.admits_control(elsewhere));
        lock.admit(Instant::now(), elsewhere, Ssrc(1));
        assert!(lock.admits_control(elsewhere));
    }
}
