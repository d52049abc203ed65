//! Who is not listened to any more. Addresses that ask what is not theirs to ask, or guess passwords, are shut out for a while;
//! a user whose password is guessed is not judged for a while, whoever asks.
//!
//! Counted as one: an IPv4 address, a /64 of IPv6 (what one subscriber has). Over UDP a source is what somebody wrote there.
//! That is why a peer of the configuration is never struck, why guesses count only with a nonce that was given to that address
//! ([`super::digest::server`]), and why being shut out closes the door to new requests only: what belongs to a dialog or a
//! transaction of ours always passes. Both are the endpoint's business; here is the arithmetic.
//!
//! Bounded: so many addresses and so many users; of more, the one that came first is forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Tries that are older count no more.
const MEMORY: Duration = Duration::from_secs(600);
/// A challenge that nobody answers weighs so much less than a try: telephones behind one address all begin with one.
const CHALLENGES_A_TRY: u32 = 20;
/// Addresses that are remembered.
const ADDRESSES: usize = 4_096;
/// Users that are remembered, those that do not exist included.
const USERS: usize = 1_024;
/// Longest user name that is told from others by more than its beginning, bytes.
const USER_BYTES: usize = 64;
/// Wrong passwords of a user before the first wait.
const FREE_GUESSES: u32 = 3;
/// First wait of a user; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Longest wait of a user.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// When somebody is shut out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShieldConfig {
    /// Tries within ten minutes; 0: nobody is shut out.
    pub tries: u32,
    /// For how long the first time; it doubles up to a day.
    pub shut_out: Duration,
}

impl Default for ShieldConfig {
    fn default() -> Self {
        Self { tries: 5, shut_out: Duration::from_secs(1_800) }
    }
}

/// Longest time that somebody is shut out.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What is held against an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// A request from nobody's address, or bytes that are none; a wrong password.
    Try,
    /// A challenge, until it is answered.
    Challenge,
}

/// Somebody has just been shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutOut {
    /// The address, or the /64.
    pub who: IpAddr,
    /// For how long.
    pub time: Duration,
}

#[derive(Debug)]
struct Record {
    weight: u32,
    /// When it was last added to.
    at: Instant,
    until: Option<Instant>,
    /// How often it was shut out before.
    times: u32,
}

#[derive(Debug)]
struct Guesses {
    wrong: u32,
    until: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Shield {
    config: ShieldConfig,
    addresses: BTreeMap<IpAddr, Record>,
    /// In the order in which they came.
    came: VecDeque<IpAddr>,
    users: BTreeMap<Box<str>, Guesses>,
    users_came: VecDeque<Box<str>>,
}

impl Shield {
    /// Knows nobody yet.
    pub fn new(config: ShieldConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// True while new requests from here are not listened to.
    pub fn is_shut_out(&self, now: Instant, source: IpAddr) -> bool {
        if self.addresses.is_empty() {
            return false;
        }
        self.addresses.get(&subscriber(source)).is_some_and(|record| record.until.is_some_and(|until| now < until))
    }

    /// Holds something against an address; `Some` exactly when that shuts it out.
    pub fn strike(&mut self, now: Instant, source: IpAddr, strike: Strike) -> Option<ShutOut> {
        if self.config.tries == 0 {
            return None;
        }
        let who = subscriber(source);
        if !self.addresses.contains_key(&who) {
            self.make_room();
            self.came.push_back(who);
        }
        let record = self.addresses.entry(who).or_insert(Record { weight: 0, at: now, until: None, times: 0 });
        if record.until.is_some_and(|until| now < until) {
            return None;
        }
        if now.saturating_duration_since(record.at) > MEMORY {
            record.weight = 0;
        }
        record.at = now;
        record.weight += match strike {
            Strike::Try => CHALLENGES_A_TRY,
            Strike::Challenge => 1,
        };
        if record.weight < self.config.tries.saturating_mul(CHALLENGES_A_TRY) {
            return None;
        }
        let time = self.config.shut_out.saturating_mul(1 << record.times.min(16)).min(LONGEST);
        (record.weight, record.until) = (0, Some(now + time));
        record.times += 1;
        Some(ShutOut { who, time })
    }

    /// Somebody there has proved who they are.
    pub fn forgive(&mut self, source: IpAddr) {
        if let Some(record) = self.addresses.get_mut(&subscriber(source)) {
            record.weight = 0;
        }
    }

    fn make_room(&mut self) {
        if self.addresses.len() >= ADDRESSES
            && let Some(first) = self.came.pop_front()
        {
            self.addresses.remove(&first);
        }
    }

    /// How long this user's password is not judged yet; `None` where it is.
    pub fn wait_of(&self, now: Instant, user: &str) -> Option<Duration> {
        let left = self.users.get(named(user))?.until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// A wrong password for this user, who need not exist.
    pub fn guessed(&mut self, now: Instant, user: &str) {
        let name = named(user);
        if !self.users.contains_key(name) {
            if self.users.len() >= USERS
                && let Some(first) = self.users_came.pop_front()
            {
                self.users.remove(&first);
            }
            self.users_came.push_back(name.into());
        }
        let guesses = self.users.entry(name.into()).or_insert(Guesses { wrong: 0, until: now });
        if now.saturating_duration_since(guesses.until) > MEMORY {
            guesses.wrong = 0;
        }
        guesses.wrong = guesses.wrong.saturating_add(1);
        let beyond = guesses.wrong.saturating_sub(FREE_GUESSES);
        let wait = if beyond == 0 { Duration::ZERO } else { FIRST_WAIT.saturating_mul(1 << (beyond - 1).min(16)) };
        guesses.until = now + wait.min(LONGEST_WAIT);
    }

    /// The right one.
    pub fn knew(&mut self, user: &str) {
        if let Some(guesses) = self.users.get_mut(named(user)) {
            guesses.wrong = 0;
        }
    }
}

/// The beginning of a name that is too long.
fn named(user: &str) -> &str {
    let mut end = user.len().min(USER_BYTES);
    while !user.is_char_boundary(end) {
        end -= 1;
    }
    user.get(..end).unwrap_or_default()
}

/// Who is counted as one.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Number of the strike that shuts out.
    fn strikes(shield: &mut Shield, now: Instant, source: &str, strike: Strike) -> u32 {
        (1..10_000).find(|_| shield.strike(now, at(source), strike).is_some()).unwrap()
    }

    #[test]
    fn a_few_tries_shut_out_once_and_for_longer_each_time() {
        let mut now = Instant::now();
        let mut shield = Shield::new(ShieldConfig { tries: 5, shut_out: Duration::from_secs(60) });
        for minutes in [1, 2, 4, 8] {
            for _ in 0..4 {
                assert_eq!(shield.strike(now, at("203.0.113.9"), Strike::Try), None);
                assert!(!shield.is_shut_out(now, at("203.0.113.9")));
            }
            let time = Duration::from_secs(60 * minutes);
            let told = shield.strike(now, at("203.0.113.9"), Strike::Try);
            assert_eq!(told, Some(ShutOut { who: at("203.0.113.9"), time }));
            assert_eq!(shield.strike(now, at("203.0.113.9"), Strike::Try), None, "it is told once");
            assert!(shield.is_shut_out(now, at("::ffff:203.0.113.9")));
            assert!(!shield.is_shut_out(now, at("203.0.113.8")));
            assert!(shield.is_shut_out(now + time - Duration::from_secs(1), at("203.0.113.9")));
            now += time;
            assert!(!shield.is_shut_out(now, at("203.0.113.9")));
        }
    }

    #[test]
    fn ipv6_is_counted_by_64() {
        let (now, mut shield) = (Instant::now(), Shield::default());
        for low in 1..=5 {
            shield.strike(now, at(&format!("2001:db8:0:1::{low}")), Strike::Try);
        }
        assert!(shield.is_shut_out(now, at("2001:db8:0:1:ffff::77")));
        assert!(!shield.is_shut_out(now, at("2001:db8:0:2::1")));
    }

    #[test]
    fn challenges_weigh_little_and_proofs_and_time_forgive() {
        let (now, mut shield) = (Instant::now(), Shield::default());
        assert_eq!(strikes(&mut shield, now, "203.0.113.1", Strike::Challenge), 100);
        for _ in 0..50 {
            shield.strike(now, at("203.0.113.2"), Strike::Challenge);
        }
        shield.forgive(at("203.0.113.2"));
        assert_eq!(strikes(&mut shield, now, "203.0.113.2", Strike::Challenge), 100);
        for minute in 0..50 {
            let later = now + Duration::from_secs(60 * 11 * minute);
            assert_eq!(shield.strike(later, at("203.0.113.3"), Strike::Try), None);
        }
        let mut off = Shield::new(ShieldConfig { tries: 0, ..ShieldConfig::default() });
        assert!((0..1_000).all(|_| off.strike(now, at("203.0.113.3"), Strike::Try).is_none()));
    }

    #[test]
    fn a_guessed_user_is_judged_ever_more_rarely() {
        let (start, mut shield) = (Instant::now(), Shield::default());
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..14 {
            shield.guessed(now, "anna");
            let wait = shield.wait_of(now, "anna").unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(shield.wait_of(now, "bert"), None);
        shield.knew("anna");
        shield.guessed(now, "anna");
        assert_eq!(shield.wait_of(now, "anna"), None);
    }

    #[test]
    fn tables_are_bounded() {
        let (now, mut shield) = (Instant::now(), Shield::default());
        for number in 0..3 * ADDRESSES as u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(number));
            shield.strike(now, address, Strike::Try);
            shield.guessed(now, &format!("{number}{}é", "x".repeat(100)));
        }
        assert_eq!((shield.addresses.len(), shield.came.len()), (ADDRESSES, ADDRESSES));
        assert_eq!((shield.users.len(), shield.users_came.len()), (USERS, USERS));
        assert!(shield.users.keys().all(|name| name.len() <= USER_BYTES));
    }
}
