//! How many connections there may be, of everybody and of one address, counted from the moment that one is accepted: a stranger
//! holds neither the descriptors that calls need nor the places of others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sip::shield::subscriber;

/// Most connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// At a time, both ways.
    pub all: usize,
    /// At a time from one IPv4 address, or from one /64 of IPv6: what one subscriber has.
    pub per_address: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { all: 1_024, per_address: 64 }
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Address,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats {
    limits: ConnectionLimits,
    taken: Arc<Mutex<Taken>>,
}

impl Seats {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a connection that a peer opened.
    pub(super) fn take(&self, peer: IpAddr) -> Result<Seat, Full> {
        let taken = self.taken();
        if taken.all >= self.limits.all {
            return Err(Full::All);
        }
        if taken.by_address.get(&subscriber(peer)).is_some_and(|count| *count >= self.limits.per_address) {
            return Err(Full::Address);
        }
        drop(taken);
        Ok(self.take_own(peer))
    }

    /// For a connection that we open: it is needed, and counts.
    pub(super) fn take_own(&self, peer: IpAddr) -> Seat {
        let (mut taken, who) = (self.taken(), subscriber(peer));
        *taken.by_address.entry(who).or_default() += 1;
        taken.all += 1;
        drop(taken);
        Seat { seats: self.clone(), who }
    }
}

/// One connection's place; given back when it is dropped, however its task ends.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    who: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_address.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_address.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_and_all_have_so_many() {
        let seats = Seats::new(ConnectionLimits { all: 5, per_address: 2 });
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut held = Vec::new();
        for (peer, full) in [
            ("192.0.2.1", None),
            ("192.0.2.1", None),
            ("192.0.2.1", Some(Full::Address)),
            ("::ffff:192.0.2.1", Some(Full::Address)),
            ("2001:db8::1", None),
            ("2001:db8::ffff:2", None),
            ("2001:db8::3", Some(Full::Address)),
            ("2001:db8:0:1::3", None),
            ("192.0.2.9", Some(Full::All)),
        ] {
            let seat = seats.take(at(peer));
            assert_eq!(seat.as_ref().err().copied(), full, "{peer}");
            held.extend(seat);
        }
        held.remove(0);
        held.push(seats.take(at("192.0.2.1")).unwrap());
        held.push(seats.take_own(at("192.0.2.7")));
        assert_eq!(seats.taken().all, 6, "ours are not refused");
        held.clear();
        let left = seats.taken();
        assert_eq!((left.all, left.by_address.len()), (0, 0));
    }
}
