//! The one table of RFC 3261 timers (17, table 4; L and M of RFC 6026 7), and the one place where a pending one is kept.
//! Not here: timer C (proxies only) and what a machine does when a timer fires.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Estimate of the round trip (RFC 3261 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between repeats of a request that is no INVITE, or of a final answer to an INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// Longest time that a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64*T1, 32 s: after it nobody answers any more.
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// Whether the transport repeats what is lost (TCP) or the transaction has to (UDP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// UDP.
    Unreliable,
    /// TCP and all that is built on it.
    Reliable,
}

/// Timers by their letter in the RFCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// Client INVITE: send it again.
    A,
    /// Client INVITE: no answer at all.
    B,
    /// Client INVITE: repeats of a refusal have ended.
    D,
    /// Other client transaction: send it again.
    E,
    /// Other client transaction: no final answer.
    F,
    /// Server INVITE: send the refusal again.
    G,
    /// Server INVITE: no ACK.
    H,
    /// Server INVITE: repeats of the ACK have ended.
    I,
    /// Other server transaction: repeats of the request have ended.
    J,
    /// Other client transaction: repeats of the answer have ended.
    K,
    /// Server INVITE accepted: repeats of the INVITE have ended.
    L,
    /// Client INVITE accepted: repeats and forks of the 2xx have ended.
    M,
}

/// How the interval of a repeating timer grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Fires once.
    Once,
    /// Doubles each time.
    Doubles,
    /// Doubles each time up to T2.
    DoublesToT2,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct TimerRow {
    /// Which.
    pub timer: Timer,
    /// First interval over UDP.
    pub unreliable: Duration,
    /// First interval over TCP; `None` where the timer is not started there.
    pub reliable: Option<Duration>,
    /// What follows the first interval.
    pub growth: Growth,
}

const fn row(timer: Timer, unreliable: Duration, reliable: Option<Duration>, growth: Growth) -> TimerRow {
    TimerRow { timer, unreliable, reliable, growth }
}

/// All timers, in the order of [`Timer`].
pub const TABLE: [TimerRow; 12] = [
    row(Timer::A, T1, None, Growth::Doubles),
    row(Timer::B, GIVE_UP, Some(GIVE_UP), Growth::Once),
    row(Timer::D, GIVE_UP, Some(Duration::ZERO), Growth::Once),
    row(Timer::E, T1, None, Growth::DoublesToT2),
    row(Timer::F, GIVE_UP, Some(GIVE_UP), Growth::Once),
    row(Timer::G, T1, None, Growth::DoublesToT2),
    row(Timer::H, GIVE_UP, Some(GIVE_UP), Growth::Once),
    row(Timer::I, T4, Some(Duration::ZERO), Growth::Once),
    row(Timer::J, GIVE_UP, Some(Duration::ZERO), Growth::Once),
    row(Timer::K, T4, Some(Duration::ZERO), Growth::Once),
    row(Timer::L, GIVE_UP, Some(GIVE_UP), Growth::Once),
    row(Timer::M, GIVE_UP, Some(GIVE_UP), Growth::Once),
];

impl Timer {
    fn row(self) -> &'static TimerRow {
        &TABLE[self as usize]
    }

    /// First interval; `None` where this timer is not started on such a transport.
    pub fn interval(self, reliability: Reliability) -> Option<Duration> {
        match reliability {
            Reliability::Unreliable => Some(self.row().unreliable),
            Reliability::Reliable => self.row().reliable,
        }
    }

    /// When a timer that fires once on every transport is due.
    pub fn due(self, now: Instant, reliability: Reliability) -> Instant {
        now + self.interval(reliability).unwrap_or(Duration::ZERO)
    }

    /// A repeating timer started now; `None` where the transport repeats by itself.
    pub fn repeat(self, now: Instant, reliability: Reliability) -> Option<Repeat> {
        self.interval(reliability).map(|interval| Repeat { timer: self, at: now + interval, interval })
    }
}

/// A repeating timer and its present interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    timer: Timer,
    /// When it fires next.
    pub at: Instant,
    interval: Duration,
}

impl Repeat {
    /// The next interval, counted from when this one was due, so that a late wake-up does not stretch the pattern.
    #[must_use]
    pub fn next(self, now: Instant) -> Self {
        let interval = match self.timer.row().growth {
            Growth::Once => GIVE_UP,
            Growth::Doubles => self.interval * 2,
            Growth::DoublesToT2 => T2.min(self.interval * 2),
        };
        let planned = self.at + interval;
        Self { timer: self.timer, at: if planned > now { planned } else { now + interval }, interval }
    }

    /// Goes on at T2 (RFC 3261 17.1.2.2: after a provisional answer).
    #[must_use]
    pub fn slowed(self) -> Self {
        Self { interval: T2, ..self }
    }
}

/// Every pending deadline of many machines, one each. The earliest is found without a search.
#[derive(Debug)]
pub struct TimerTable<Key> {
    by_time: BTreeSet<(Instant, Key)>,
    by_key: HashMap<Key, Instant>,
}

impl<Key> Default for TimerTable<Key> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }
}

impl<Key: Copy + Ord + Hash> TimerTable<Key> {
    /// Sets, moves or (with `None`) removes the deadline of a machine.
    pub fn set(&mut self, key: Key, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    /// The earliest deadline.
    pub fn first(&self) -> Option<(Instant, Key)> {
        self.by_time.first().copied()
    }

    /// Takes out the earliest deadline if it is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let (at, key) = self.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many machines wait.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// True where no machine waits.
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_their_letter_points() {
        for row in &TABLE {
            assert_eq!(row.timer.row().timer, row.timer);
        }
    }

    #[test]
    fn values_of_table_4() {
        let (udp, tcp) = (Reliability::Unreliable, Reliability::Reliable);
        let ms = |timer: Timer, on| timer.interval(on).map(|d| d.as_millis());
        for (timer, unreliable, reliable) in [
            (Timer::A, 500, None),
            (Timer::B, 32_000, Some(32_000)),
            (Timer::D, 32_000, Some(0)),
            (Timer::E, 500, None),
            (Timer::F, 32_000, Some(32_000)),
            (Timer::G, 500, None),
            (Timer::H, 32_000, Some(32_000)),
            (Timer::I, 5_000, Some(0)),
            (Timer::J, 32_000, Some(0)),
            (Timer::K, 5_000, Some(0)),
            (Timer::L, 32_000, Some(32_000)),
            (Timer::M, 32_000, Some(32_000)),
        ] {
            assert_eq!(ms(timer, udp), Some(unreliable), "{timer:?}");
            assert_eq!(ms(timer, tcp), reliable, "{timer:?}");
        }
    }

    #[test]
    fn repeats_grow_as_the_row_says() {
        let start = Instant::now();
        let times = |timer: Timer| {
            let mut repeat = timer.repeat(start, Reliability::Unreliable).unwrap();
            (0..7)
                .map(|_| {
                    let at = repeat.at;
                    repeat = repeat.next(at);
                    (at - start).as_millis()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(times(Timer::A), [500, 1500, 3500, 7500, 15500, 31500, 63500]);
        assert_eq!(times(Timer::E), [500, 1500, 3500, 7500, 11500, 15500, 19500]);
        assert_eq!(times(Timer::G), times(Timer::E));
    }

    #[test]
    fn table_keeps_one_deadline_a_machine() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut table = TimerTable::default();
        table.set(1, Some(at(30)));
        table.set(2, Some(at(20)));
        table.set(1, Some(at(10)));
        assert_eq!((table.len(), table.first()), (2, Some((at(10), 1))));
        table.set(1, None);
        assert_eq!(table.pop_due(at(19)), None);
        assert_eq!(table.pop_due(at(20)), Some(2));
        assert!(table.is_empty());
        table.set(2, None);
        assert!(table.is_empty());
    }
}
