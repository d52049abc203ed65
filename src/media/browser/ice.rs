//! An ICE-lite agent with one host candidate (RFC 8445): it answers checks that are signed with its password, and learns the
//! pair that the controlling side nominates. A later nomination takes the place of an earlier one: that is how a browser that
//! has moved to another network takes its call along.
//!
//! Followed: RFC 8445 5.3 (credentials), 7.3 (answering), 7.3.1.1 (a controlled side is told so: 487), 7.3.1.5 (nomination), 8.3.
//! Consent (RFC 7675) is the same check and the same answer. Not here: triggered checks, since a lite agent sends none.

use std::fmt;
use std::net::SocketAddr;

use crate::wire::stun::{Class, Message, Writer};

/// Type preference of a host, local preference, component 1 (RFC 8445 5.1.2).
const HOST_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;
/// Characters of a user name fragment and of a password: 48 and 144 random bits.
const UFRAG: usize = 8;
const PASSWORD: usize = 24;
/// `ice-char` (RFC 8839 5.4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Longest answer, bytes: an IPv6 address, signature, fingerprint.
pub const LONGEST_ANSWER: usize = 128;

/// A user name fragment and a password, as they stand in a session description. Says nothing of itself in a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IceCredentials {
    ufrag: [u8; UFRAG],
    password: [u8; PASSWORD],
}

impl IceCredentials {
    /// Made of random bytes.
    pub fn new(random: &[u8; UFRAG + PASSWORD]) -> Self {
        let mut made = Self { ufrag: [0; UFRAG], password: [0; PASSWORD] };
        for (character, byte) in made.ufrag.iter_mut().chain(&mut made.password).zip(random) {
            *character = ALPHABET[usize::from(byte % 64)];
        }
        made
    }

    /// The user name fragment.
    pub fn ufrag(&self) -> &str {
        std::str::from_utf8(&self.ufrag).unwrap_or_default()
    }

    /// The password.
    pub fn password(&self) -> &str {
        std::str::from_utf8(&self.password).unwrap_or_default()
    }

    /// Whether a check's USERNAME is for whoever has these: `ours:theirs` (RFC 8445 7.3).
    fn are_named(&self, username: &[u8]) -> bool {
        username.strip_prefix(&self.ufrag).is_some_and(|rest| rest.first() == Some(&b':'))
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({})", self.ufrag())
    }
}

/// The value of our one `a=candidate`.
pub fn candidate(address: SocketAddr) -> String {
    format!("1 1 udp {HOST_PRIORITY} {} {} typ host", address.ip(), address.port())
}

/// What a check is answered with.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    bytes: [u8; LONGEST_ANSWER],
    length: usize,
    /// Whether it was signed as it should be: the other side is there.
    pub sound: bool,
}

impl Answer {
    /// The datagram.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The agent.
#[derive(Clone, Copy, Debug)]
pub struct LiteAgent {
    ours: IceCredentials,
    /// Those before a restart: checks for them are under way until the other side has our answer.
    before: Option<IceCredentials>,
    /// Where the last sound check came from.
    checked: Option<SocketAddr>,
    nominated: Option<SocketAddr>,
}

impl LiteAgent {
    /// Nothing has come.
    pub fn new(ours: IceCredentials) -> Self {
        Self { ours, before: None, checked: None, nominated: None }
    }

    /// What was agreed anew. Other credentials are a restart: until its checks nominate anew, media goes where it went.
    pub fn agree(&mut self, ours: IceCredentials) {
        if ours != self.ours {
            self.before = Some(std::mem::replace(&mut self.ours, ours));
        }
    }

    /// Where media goes; `None` before a nomination.
    pub fn nominated(&self) -> Option<SocketAddr> {
        self.nominated
    }

    /// Whether somebody who has our password is there.
    pub fn knows(&self, from: SocketAddr) -> bool {
        [self.nominated, self.checked].contains(&Some(from))
    }

    /// A datagram that looks like STUN; what to answer to where it came from.
    pub fn check(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Answer> {
        let message = Message::parse(datagram).ok().filter(|message| message.class() == Class::Request)?;
        let refused = |code| {
            Answer::write(false, |room| {
                let answer = Writer::new(room, Class::Error, message.transaction()).error(code);
                if code == 420 { answer.unknown(message.unknown()).finish(None) } else { answer.finish(None) }
            })
        };
        let Some(username) = message.username().filter(|_| message.is_signed()) else { return refused(400) };
        let named = [Some(self.ours), self.before].into_iter().flatten().find(|known| known.are_named(username));
        let Some(known) = named.filter(|known| message.is_signed_by(known.password().as_bytes())) else {
            return refused(401);
        };
        if message.unknown().next().is_some() {
            return refused(420);
        }
        let password = known.password().as_bytes();
        if message.is_controlled() {
            let transaction = message.transaction();
            return Answer::write(true, |room| {
                Writer::new(room, Class::Error, transaction).error(487).finish(Some(password))
            });
        }
        self.checked = Some(from);
        // What is left of before a restart nominates nothing any more.
        if message.uses_candidate() && known == self.ours {
            self.nominated = Some(from);
        }
        Answer::write(true, |room| {
            Writer::new(room, Class::Success, message.transaction()).mapped_address(from).finish(Some(password))
        })
    }
}

impl Answer {
    fn write(sound: bool, with: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Self> {
        let mut bytes = [0; LONGEST_ANSWER];
        let length = with(&mut bytes)?;
        Some(Self { bytes, length, sound })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(seed: u8) -> IceCredentials {
        IceCredentials::new(&std::array::from_fn(|index| seed.wrapping_mul(17).wrapping_add(index as u8)))
    }

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    fn request(to: &IceCredentials, password: &str, nominates: bool) -> Vec<u8> {
        let mut room = [0; 256];
        let username = format!("{}:theirs", to.ufrag());
        let writer = Writer::new(&mut room, Class::Request, [5; 12]).check(&username, 7, 9, nominates);
        let length = writer.finish(Some(password.as_bytes())).unwrap();
        room[..length].to_vec()
    }

    fn read(answer: Option<Answer>) -> (Class, Option<SocketAddr>) {
        let answer = answer.unwrap();
        let read = Message::parse(answer.as_bytes()).unwrap();
        assert_eq!(read.transaction(), [5; 12]);
        (read.class(), read.mapped_address())
    }

    #[test]
    fn credentials_are_ice_chars_and_hide_the_password() {
        let made = credentials(3);
        assert!((made.ufrag().len(), made.password().len()) == (8, 24));
        assert!(made.password().bytes().all(|c| ALPHABET.contains(&c)));
        assert!(!format!("{made:?}").contains(made.password()));
        assert_eq!(candidate(from(4000)), "1 1 udp 2130706431 192.0.2.7 4000 typ host");
    }

    #[test]
    fn checks_are_answered_and_nominate() {
        let ours = credentials(1);
        let mut agent = LiteAgent::new(ours);
        let answer = agent.check(from(1), &request(&ours, ours.password(), false));
        assert!(answer.is_some_and(|answer| answer.sound
            && Message::parse(answer.as_bytes()).unwrap().is_signed_by(ours.password().as_bytes())));
        assert_eq!((read(answer), agent.nominated()), ((Class::Success, Some(from(1))), None));
        assert!(agent.knows(from(1)) && !agent.knows(from(2)));
        agent.check(from(1), &request(&ours, ours.password(), true));
        assert_eq!(agent.nominated(), Some(from(1)));
        // Consent without nomination leaves it; a later nomination moves it.
        agent.check(from(2), &request(&ours, ours.password(), false));
        assert_eq!(agent.nominated(), Some(from(1)));
        agent.check(from(2), &request(&ours, ours.password(), true));
        assert_eq!(agent.nominated(), Some(from(2)));
    }

    #[test]
    fn strangers_are_refused() {
        let (ours, others) = (credentials(1), credentials(2));
        let mut agent = LiteAgent::new(ours);
        for stranger in [request(&ours, others.password(), true), request(&others, ours.password(), true)] {
            let answer = agent.check(from(1), &stranger);
            assert!(answer.is_some_and(|answer| !answer.sound));
            assert_eq!((read(answer), agent.nominated()), ((Class::Error, None), None));
        }
        let mut room = [0; 64];
        let length = Writer::new(&mut room, Class::Request, [5; 12]).finish(None).unwrap();
        assert_eq!(read(agent.check(from(1), &room[..length])).0, Class::Error, "unsigned");
        let length = Writer::new(&mut room, Class::Success, [5; 12]).finish(None).unwrap();
        assert!(agent.check(from(1), &room[..length]).is_none(), "an answer to nothing");
        assert!(agent.check(from(1), b"\0\x01hello").is_none());
    }

    #[test]
    fn a_restart_takes_other_credentials() {
        let (first, second) = (credentials(1), credentials(2));
        let mut agent = LiteAgent::new(first);
        agent.check(from(1), &request(&first, first.password(), true));
        agent.agree(second);
        agent.agree(second);
        assert_eq!(agent.nominated(), Some(from(1)), "media goes on meanwhile");
        let late = agent.check(from(3), &request(&first, first.password(), true));
        assert_eq!(
            (read(late).0, agent.nominated()),
            (Class::Success, Some(from(1))),
            "answered, but it nominates no more"
        );
        agent.check(from(2), &request(&second, second.password(), true));
        assert_eq!(agent.nominated(), Some(from(2)));
    }
}
