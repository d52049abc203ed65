//! Session timers as far as the other side refreshes (RFC 4028): an interval below ours is refused with 422, a session that
//! is not refreshed in time ends with BYE. We never refresh ourselves; a peer that leaves it to us gets no timer.

use std::time::{Duration, Instant};

use crate::wire::sip::header::{HeaderName, Refresher, SessionExpires};
use crate::wire::sip::message::{Headers, Response};

/// Smallest interval that we take, seconds (RFC 4028 5: not below 90).
pub const MIN_SE: u32 = 90;

/// A session that the other side keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    seconds: u32,
    /// When we give it up.
    pub ends: Instant,
}

impl SessionTimer {
    fn new(now: Instant, seconds: u32) -> Self {
        // RFC 4028 10: BYE at the earlier of 32 s and a third of the interval before the end.
        let margin = (seconds / 3).min(32);
        Self { seconds, ends: now + Duration::from_secs(u64::from(seconds - margin)) }
    }

    /// True where a request's interval is too small for us and its sender can do otherwise.
    pub fn is_too_small(headers: &Headers) -> bool {
        headers.supports("timer")
            && headers.session_expires().ok().flatten().is_some_and(|session| session.seconds < MIN_SE)
    }

    /// What a request asks for, if its sender will do the refreshing.
    pub fn of_request(now: Instant, headers: &Headers) -> Option<Self> {
        let asked = headers.session_expires().ok()??;
        let willing = asked.seconds >= MIN_SE && headers.supports("timer");
        let theirs = asked.refresher != Some(Refresher::Uas);
        (willing && theirs).then(|| Self::new(now, asked.seconds))
    }

    /// What an answer to our request says, if its sender will do the refreshing.
    pub fn of_response(now: Instant, headers: &Headers) -> Option<Self> {
        let said = headers.session_expires().ok()??;
        (said.refresher == Some(Refresher::Uas) && said.seconds >= MIN_SE).then(|| Self::new(now, said.seconds))
    }

    /// Says in our 2xx who refreshes.
    pub fn describe(self, response: &mut Response) {
        let value = SessionExpires { seconds: self.seconds, refresher: Some(Refresher::Uac) };
        response.headers.push_text(HeaderName::SessionExpires, value);
        response.headers.push(HeaderName::Require, &b"timer"[..]);
    }
}
