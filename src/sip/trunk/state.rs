//! How one trunk fares: its addresses and whether they answer, how many calls it has, how many began this second. Knows no
//! message; it is told what happened and asked where to go.
//!
//! | what happened | what follows for the address |
//! |---|---|
//! | a final answer, or a provisional one, to anything | up |
//! | an INVITE or REGISTER without any answer, a connection that cannot be had | trunk with probes: down until one is answered; else it rests for 30 s: asked only where nothing else is left |
//! | 503 with Retry-After | not asked for that time (RFC 3261 21.5.4) |
//! | `misses` OPTIONS in a row without an answer | down until one is answered |
//!
//! A trunk is down where none of its addresses is up; that it is down, and up again, is told once ([`TrunkState::news`]).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::locate::{Located, Target, weighted};
use super::policy::TrunkPolicy;
use crate::deadline::is_due;

/// An address that did not answer and that no probe watches is left alone for so long.
pub const REST: Duration = Duration::from_secs(30);
/// The longest Retry-After that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Names are looked up again no sooner and no later than this, whatever their TTL.
const TTL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));
/// First wait after a look-up that failed; doubles up to a minute.
const LOOKUP_BACK_OFF: Duration = Duration::from_secs(2);
/// A failure seen by a call is checked by a probe after this.
const SOON: Duration = Duration::from_secs(1);

/// How an address fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Up,
    /// Not before this; `asked`: because it said so itself.
    Resting {
        until: Instant,
        asked: bool,
    },
    /// Probes say so.
    Down,
}

/// An address and how it fares.
#[derive(Clone, Copy, Debug)]
struct Way {
    target: Target,
    health: Health,
    /// Probes in a row without an answer.
    missed: u8,
    /// A probe is under way.
    asked: bool,
}

/// What people are told of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkHealth {
    /// It can be used, again.
    Up,
    /// None of its addresses can.
    Down {
        /// For people.
        why: &'static str,
        /// When it is used again without further ado; `None`: when it answers a probe, or is found.
        again: Option<Duration>,
    },
}

/// Why it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// To look its name up.
    Lookup,
    /// To send OPTIONS there.
    Probe(Target),
}

/// See the module.
#[derive(Debug, Default)]
pub struct TrunkState {
    ways: Vec<Way>,
    /// When its name is looked up; `None`: it has none, or that is under way.
    lookup: Option<Instant>,
    lookup_failures: u32,
    probe: Option<Instant>,
    calls: u32,
    rates: [Rate; 2],
    told_down: bool,
    why: &'static str,
}

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Theirs.
    In,
    /// Ours.
    Out,
}

/// Why a trunk takes no call more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many calls as it may have.
    #[error("it has as many calls as it may have")]
    Calls,
    /// As many calls this second as it may have.
    #[error("it has had as many calls this second as it may have")]
    Rate,
}

/// So many events a second, a second's worth at once (the generic cell rate algorithm: one instant, no counters).
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// When all that was let through would have come evenly.
    paced: Option<Instant>,
}

impl Rate {
    fn take(&mut self, now: Instant, per_second: u16) -> bool {
        let step = Duration::from_secs(1) / u32::from(per_second.max(1));
        let next = self.paced.map_or(now, |paced| paced.max(now)) + step;
        let fits = next <= now + Duration::from_secs(1);
        if fits {
            self.paced = Some(next);
        }
        fits
    }
}

impl TrunkState {
    /// At one address, or at none yet: then its name is due to be looked up.
    pub fn new(now: Instant, fixed: Option<Target>, policy: &TrunkPolicy) -> Self {
        let ways = fixed.into_iter().map(Way::new).collect();
        let lookup = policy.lookup.is_some().then_some(now);
        let probe = policy.probe.map(|_| now + SOON);
        Self { ways, lookup, probe, ..Self::default() }
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        let rest = self.ways.iter().filter_map(|way| match way.health {
            Health::Resting { until, .. } => Some(until),
            Health::Up | Health::Down => None,
        });
        [self.lookup, self.probe].into_iter().flatten().chain(rest).min()
    }

    /// What is due now.
    pub fn timeout(&mut self, now: Instant, policy: &TrunkPolicy) -> Vec<Due> {
        let mut due = Vec::new();
        if is_due(self.lookup, now) {
            self.lookup = None;
            due.push(Due::Lookup);
        }
        for way in &mut self.ways {
            if matches!(way.health, Health::Resting { until, .. } if until <= now) {
                way.health = Health::Up;
            }
        }
        if let Some(probe) = policy.probe.filter(|_| is_due(self.probe, now)) {
            self.probe = Some(now + probe.every);
            for way in &mut self.ways {
                if way.asked {
                    way.missed(probe.misses, &mut self.why);
                }
                // One that asked for peace gets it.
                if !matches!(way.health, Health::Resting { asked: true, .. }) {
                    way.asked = true;
                    due.push(Due::Probe(way.target));
                }
            }
        }
        due
    }

    /// Its name was looked up; `None`: in vain, what was known stays.
    pub fn located(&mut self, now: Instant, found: Option<Located>) {
        let Some(Located { targets, ttl }) = found else {
            let wait = LOOKUP_BACK_OFF.saturating_mul(1 << self.lookup_failures.min(5)).min(Duration::from_secs(60));
            self.lookup_failures += 1;
            self.lookup = Some(now + wait);
            if self.ways.is_empty() {
                self.why = "its name cannot be looked up";
            }
            return;
        };
        self.lookup_failures = 0;
        self.lookup = Some(now + ttl.clamp(TTL.0, TTL.1));
        let before = std::mem::take(&mut self.ways);
        let same = |target: &Target| {
            before.iter().find(|way| (way.target.transport, way.target.address) == (target.transport, target.address))
        };
        let way = |target: Target| same(&target).map_or_else(|| Way::new(target), |old| Way { target, ..*old });
        self.ways = targets.into_iter().take(super::locate::MAX_TARGETS).map(way).collect();
    }

    /// Addresses to be tried, in an order drawn anew: those that are up. Where `desperate`, those that rest of our own accord.
    pub fn targets(&self, now: Instant, desperate: bool, mut draw: impl FnMut(u32) -> u32) -> Vec<Target> {
        let fits = |way: &&Way| match way.health {
            Health::Up => !desperate,
            Health::Resting { until, .. } if until <= now => !desperate,
            Health::Resting { asked, .. } => desperate && !asked,
            Health::Down => false,
        };
        let mut all: Vec<Target> = self.ways.iter().filter(fits).map(|way| way.target).collect();
        all.sort_by_key(|target| target.rank);
        let same_rank = all.chunk_by(|one, other| one.rank == other.rank);
        same_rank.flat_map(|rank| weighted(rank.iter().map(|t| (t.weight, *t)).collect(), &mut draw)).collect()
    }

    /// True where this address is one of it, and up.
    pub fn is_up(&self, now: Instant, address: SocketAddr) -> bool {
        self.targets(now, false, |_| 0).iter().any(|target| target.address == address)
    }

    /// True where this address is one of it, whether it is up or not.
    pub fn is_at(&self, address: std::net::IpAddr) -> bool {
        self.ways.iter().any(|way| way.target.address.ip().to_canonical() == address.to_canonical())
    }

    /// True where another address than this one is up.
    pub fn has_another(&self, now: Instant, address: SocketAddr) -> bool {
        self.targets(now, false, |_| 0).iter().any(|target| target.address != address)
    }

    fn way(&mut self, address: SocketAddr) -> impl Iterator<Item = &mut Way> {
        self.ways.iter_mut().filter(move |way| way.target.address == address)
    }

    /// Something was answered there, be it a refusal.
    pub fn answered(&mut self, address: SocketAddr) {
        for way in self.way(address) {
            (way.missed, way.asked) = (0, false);
            if !matches!(way.health, Health::Resting { asked: true, .. }) {
                way.health = Health::Up;
            }
        }
    }

    /// Nothing was answered there, or there was no way to send it.
    pub fn failed(&mut self, now: Instant, address: SocketAddr, policy: &TrunkPolicy) {
        for way in self.way(address) {
            match way.health {
                Health::Resting { asked: true, .. } => continue,
                Health::Up | Health::Resting { .. } | Health::Down => {}
            }
            way.health = match policy.probe {
                Some(_) => Health::Down,
                None => Health::Resting { until: now + REST, asked: false },
            };
        }
        self.why = "it does not answer";
        self.probe = self.probe.map(|at| at.min(now + SOON));
    }

    /// A probe found no answer in its own time, or no way.
    pub fn probe_failed(&mut self, address: SocketAddr, policy: &TrunkPolicy) {
        let (misses, mut why) = (policy.probe.map_or(1, |probe| probe.misses), self.why);
        for way in self.way(address).filter(|way| way.asked) {
            way.missed(misses, &mut why);
        }
        self.why = why;
    }

    /// It asked to be left alone for so long.
    pub fn asked_for_rest(&mut self, now: Instant, address: SocketAddr, seconds: u32) {
        let until = now + Duration::from_secs(u64::from(seconds)).min(MAX_RETRY_AFTER);
        for way in self.way(address) {
            way.asked = false;
            way.health = Health::Resting { until, asked: true };
        }
        self.why = "it asked for a rest (503)";
    }

    /// What people must be told since the last time.
    pub fn news(&mut self, now: Instant) -> Option<TrunkHealth> {
        // Before its name has been looked up once nothing is known.
        let unknown = self.ways.is_empty() && self.lookup_failures == 0 && !self.told_down;
        let down = !unknown && self.targets(now, false, |_| 0).is_empty();
        if down == self.told_down {
            return None;
        }
        self.told_down = down;
        let again = self.ways.iter().filter_map(|way| match way.health {
            Health::Resting { until, .. } => Some(until.saturating_duration_since(now)),
            Health::Up | Health::Down => None,
        });
        Some(if down { TrunkHealth::Down { why: self.why, again: again.min() } } else { TrunkHealth::Up })
    }

    /// One call more, if it may be; [`TrunkState::leave`] takes it back.
    pub fn enter(&mut self, now: Instant, policy: &TrunkPolicy, direction: Direction) -> Result<(), Full> {
        if policy.max_calls.is_some_and(|most| self.calls >= most) {
            return Err(Full::Calls);
        }
        let rate = &mut self.rates[direction as usize];
        if policy.max_rate.is_some_and(|most| !rate.take(now, most)) {
            return Err(Full::Rate);
        }
        self.calls += 1;
        Ok(())
    }

    /// One call less.
    pub fn leave(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }

    /// Calls that it has.
    pub fn calls(&self) -> u32 {
        self.calls
    }
}

impl Way {
    fn new(target: Target) -> Self {
        Self { target, health: Health::Up, missed: 0, asked: false }
    }

    fn missed(&mut self, misses: u8, why: &mut &'static str) {
        self.asked = false;
        self.missed = self.missed.saturating_add(1);
        if self.missed >= misses && !matches!(self.health, Health::Resting { asked: true, .. }) {
            self.health = Health::Down;
            *why = "it answers no OPTIONS";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Probe;
    use super::*;
    use crate::sip::flow::Transport;

    fn target(last: u8, rank: u32, weight: u16) -> Target {
        Target { transport: Transport::Udp, address: SocketAddr::from(([192, 0, 2, last], 5060)), rank, weight }
    }

    fn found(targets: &[Target]) -> Option<Located> {
        Some(Located { targets: targets.to_vec(), ttl: Duration::from_secs(60) })
    }

    fn order(state: &TrunkState, now: Instant) -> Vec<u8> {
        let last =
            |target: &Target| if let std::net::IpAddr::V4(v4) = target.address.ip() { v4.octets()[3] } else { 0 };
        state.targets(now, false, |_| 0).iter().map(last).collect()
    }

    #[test]
    fn the_rank_decides_and_what_fails_rests() {
        let (now, policy) = (Instant::now(), TrunkPolicy::default());
        let mut state = TrunkState::default();
        state.located(now, found(&[target(3, 2, 0), target(1, 1, 0), target(2, 1, 0)]));
        assert_eq!(order(&state, now).last(), Some(&3));
        assert_eq!(state.news(now), None);
        for last in [1, 2, 3] {
            state.failed(now, target(last, 0, 0).address, &policy);
        }
        let down = TrunkHealth::Down { why: "it does not answer", again: Some(REST) };
        assert_eq!((state.news(now), state.news(now)), (Some(down), None));
        assert_eq!((order(&state, now), state.targets(now, true, |_| 0).len()), (vec![], 3), "better than nothing");
        state.answered(target(2, 0, 0).address);
        assert_eq!((order(&state, now), state.news(now)), (vec![2], Some(TrunkHealth::Up)));
        let later = state.deadline().unwrap();
        assert_eq!(later, now + REST);
        state.timeout(later, &policy);
        assert_eq!(order(&state, later).len(), 3);
    }

    #[test]
    fn a_rest_that_was_asked_for_is_kept() {
        let (now, policy) = (Instant::now(), TrunkPolicy::default());
        let mut state = TrunkState::new(now, Some(target(1, 0, 0)), &policy);
        let address = target(1, 0, 0).address;
        state.asked_for_rest(now, address, 100);
        state.answered(address);
        state.failed(now, address, &policy);
        assert_eq!((state.targets(now, false, |_| 0), state.targets(now, true, |_| 0)), (vec![], vec![]));
        assert_eq!(state.deadline(), Some(now + Duration::from_secs(100)));
        assert_eq!(order(&state, now + Duration::from_secs(100)), [1]);
        state.asked_for_rest(now, address, u32::MAX);
        assert_eq!(state.deadline(), Some(now + MAX_RETRY_AFTER), "nobody is shut out for ever");
    }

    #[test]
    fn probes_take_it_down_and_bring_it_back() {
        let now = Instant::now();
        let policy =
            TrunkPolicy { probe: Some(Probe { every: Duration::from_secs(10), misses: 2 }), ..TrunkPolicy::default() };
        let mut state = TrunkState::new(now, Some(target(1, 0, 0)), &policy);
        let mut at = now;
        let mut course = Vec::new();
        for answered in [true, false, false, false, true] {
            at = state.deadline().unwrap();
            assert_eq!(state.timeout(at, &policy), [Due::Probe(target(1, 0, 0))]);
            if answered {
                state.answered(target(1, 0, 0).address);
            }
            course.push((at.duration_since(now).as_secs(), state.news(at).is_some(), order(&state, at).len()));
        }
        assert_eq!(course, [(1, false, 1), (11, false, 1), (21, false, 1), (31, true, 0), (41, true, 1)]);
        state.failed(at, target(1, 0, 0).address, &policy);
        assert_eq!((order(&state, at).len(), state.targets(at, true, |_| 0).len()), (0, 0), "down until it answers");
        assert_eq!(state.deadline(), Some(at + SOON), "and asked soon");
    }

    #[test]
    fn look_ups_are_repeated() {
        let now = Instant::now();
        let mut state = TrunkState { lookup: Some(now), ..TrunkState::default() };
        let policy = TrunkPolicy::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            assert_eq!(state.timeout(now, &policy), [Due::Lookup]);
            assert_eq!(state.deadline(), None, "under way");
            state.located(now, None);
            let wait = state.lookup.unwrap() - now;
            waits.push(wait.as_secs());
            state.lookup = Some(now);
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        assert!(matches!(state.news(now), Some(TrunkHealth::Down { again: None, .. })));
        state.located(now, found(&[target(1, 0, 0)]));
        assert_eq!((state.deadline(), state.news(now)), (Some(now + Duration::from_secs(60)), Some(TrunkHealth::Up)));
        state.failed(now, target(1, 0, 0).address, &policy);
        state.located(now, found(&[target(2, 0, 0), target(1, 1, 0)]));
        assert_eq!(order(&state, now), [2], "what is known of an address stays");
        state.located(now, None);
        assert_eq!(order(&state, now), [2], "an old answer is better than none");
    }

    #[test]
    fn limits() {
        let now = Instant::now();
        let policy = TrunkPolicy { max_calls: Some(5), max_rate: Some(3), ..TrunkPolicy::default() };
        let mut state = TrunkState::default();
        let mut enter = |ms: u64, direction| state.enter(now + Duration::from_millis(ms), &policy, direction);
        let rows = [
            (0, Direction::Out, Ok(())),
            (0, Direction::Out, Ok(())),
            (0, Direction::Out, Ok(())),
            (10, Direction::Out, Err(Full::Rate)),
            (300, Direction::Out, Err(Full::Rate)),
            (300, Direction::In, Ok(())),
            (340, Direction::Out, Ok(())),
            (2_000, Direction::Out, Err(Full::Calls)),
        ];
        for (at, direction, expected) in rows {
            assert_eq!(enter(at, direction), expected, "{at} {direction:?}");
        }
        state.leave();
        assert_eq!((state.enter(now + REST, &policy, Direction::In), state.calls()), (Ok(()), 5));
    }
}
