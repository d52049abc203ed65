//! How long one connection lives: a stranger must say something whole soon, nobody may be silent for ever, and a connection of
//! ours is kept open by pings.
//!
//! Followed: RFC 5626 4.4.1 (CRLF pings by whoever opened the connection, every 96 to 120 s) for streams. A peer that has never
//! answered a ping is not taken for dead: RFC 3261 7.5 lets it ignore them. One that has is given 10 s each time.
//! WebSockets have pings of their own, which the shell sends. Not here: Flow-Timer (RFC 5626 4.4), STUN over UDP (3.5.2).

use std::time::{Duration, Instant};

use super::flow::{Framing, Transport};

/// A connection that somebody opened and that has brought no whole message after this is closed.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// A stream on which nothing came for so long is closed, unless a dialog needs it.
pub const IDLE: Duration = Duration::from_secs(600);

/// Longest interval of pings; the shortest is four fifths of it (RFC 5626 4.4.1).
pub const PING: Duration = Duration::from_secs(120);

/// An answer to a ping is due after this (RFC 5626 4.4.1).
pub const PONG: Duration = Duration::from_secs(10);

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// The peer.
    Peer,
    /// We.
    Gateway,
}

/// What a connection's time asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send a ping.
    Ping,
    /// Close it where no dialog needs it, else [`Lifetime::extend`].
    Idle,
    /// Close it: nobody is there, or a stranger who says nothing.
    Dead,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// Until when a stranger must have said something whole.
    first: Option<Instant>,
    /// `None` for WebSockets.
    idle: Option<Instant>,
    /// Next ping; `None` where the peer opened it.
    ping: Option<Instant>,
    pong: Option<Instant>,
    /// A ping was sent.
    pinged: bool,
    /// How many it has answered.
    answers: u32,
}

impl Lifetime {
    /// Of a connection that has just opened. `share` of 0 to 1 spreads the pings.
    pub fn new(now: Instant, transport: Transport, opener: Opener, share: f64) -> Self {
        let stream = transport.framing() == Framing::Stream;
        let ours = opener == Opener::Gateway;
        Self {
            first: (!ours).then(|| now + FIRST_MESSAGE),
            idle: stream.then(|| now + IDLE),
            ping: (ours && stream).then(|| now + ping_after(share)),
            pong: None,
            pinged: false,
            answers: 0,
        }
    }

    /// Something came, whatever it was: somebody is there.
    pub fn heard(&mut self, now: Instant) {
        self.pong = None;
        self.extend(now);
    }

    /// True where we send pings, so that line ends are answers unless two come at once.
    pub fn pings(&self) -> bool {
        self.ping.is_some()
    }

    /// A whole message came.
    pub fn spoken(&mut self) {
        self.first = None;
    }

    /// A line end came: an answer to a ping, or the first half of one.
    pub fn line_end(&mut self) {
        self.answers += u32::from(self.pinged);
    }

    /// A ping came, so that its first half was no answer.
    pub fn was_ping(&mut self) {
        self.answers = self.answers.saturating_sub(1);
    }

    /// It is needed for longer.
    pub fn extend(&mut self, now: Instant) {
        self.idle = self.idle.map(|_| now + IDLE);
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        [self.first, self.idle, self.ping, self.pong].into_iter().flatten().min()
    }

    /// What is due now.
    pub fn timeout(&mut self, now: Instant, share: f64) -> Due {
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if past(self.first) || past(self.pong) {
            return Due::Dead;
        }
        if past(self.idle) {
            return Due::Idle;
        }
        if past(self.ping) {
            self.ping = Some(now + ping_after(share));
            self.pinged = true;
            self.pong = (self.answers > 0).then(|| now + PONG);
            return Due::Ping;
        }
        Due::Nothing
    }
}

fn ping_after(share: f64) -> Duration {
    PING.mul_f64(0.8 + 0.2 * share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What falls due and after how many seconds, until it is dead or idle.
    fn course(mut life: Lifetime, start: Instant) -> Vec<(u64, Due)> {
        let mut all = Vec::new();
        while let Some(at) = life.deadline() {
            let due = life.timeout(at, 1.0);
            all.push(((at - start).as_secs(), due));
            if matches!(due, Due::Dead | Due::Idle) {
                break;
            }
        }
        all
    }

    #[test]
    fn how_connections_end_by_themselves() {
        let now = Instant::now();
        let new = |transport, opener| Lifetime::new(now, transport, opener, 0.0);
        assert_eq!(course(new(Transport::Tcp, Opener::Peer), now), [(10, Due::Dead)], "a stranger who says nothing");
        assert_eq!(course(new(Transport::Wss, Opener::Peer), now), [(10, Due::Dead)]);
        let mut spoken = new(Transport::Tls, Opener::Peer);
        spoken.spoken();
        assert_eq!(course(spoken, now), [(600, Due::Idle)]);
        let mut browser = new(Transport::Ws, Opener::Peer);
        browser.spoken();
        assert_eq!(course(browser, now), [], "the shell's pings say whether it is there");
    }

    #[test]
    fn a_connection_of_ours_is_kept_open() {
        let now = Instant::now();
        let life = Lifetime::new(now, Transport::Tcp, Opener::Gateway, 0.0);
        let pings = [96, 216, 336, 456, 576].map(|at| (at, Due::Ping));
        assert_eq!(course(life, now), [&pings[..], &[(600, Due::Idle)]].concat(), "a peer that knows no pings");
        let pinged = |answers: &dyn Fn(&mut Lifetime)| {
            let mut life = life;
            assert_eq!(life.timeout(now + Duration::from_secs(96), 1.0), Due::Ping);
            answers(&mut life);
            course(life, now)
        };
        let answered = pinged(&|life| life.line_end());
        assert_eq!(answered, [(216, Due::Ping), (226, Due::Dead)], "one that has answered before");
        let asked = pinged(&|life| {
            life.line_end();
            life.was_ping();
        });
        assert_eq!(asked, [&pings[1..], &[(600, Due::Idle)]].concat(), "one that only pings itself");
        let mut alive = life;
        for _ in 0..100 {
            let at = alive.deadline().unwrap();
            assert_eq!(alive.timeout(at, 1.0), Due::Ping);
            alive.heard(at + Duration::from_secs(1));
            alive.line_end();
        }
    }

    #[test]
    fn pings_are_spread() {
        let (least, most) = (ping_after(0.0), ping_after(1.0));
        assert_eq!((least, most), (Duration::from_secs(96), Duration::from_secs(120)));
    }
}
