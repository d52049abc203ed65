//! Session timers (RFC 4028): an interval below ours is refused with 422, one below theirs is raised; whoever is to refresh
//! does; a session that is not refreshed in time ends with BYE.
//!
//! We ask for a timer in every INVITE, refresh by UPDATE where the other side takes it, else by a re-INVITE with an offer
//! of the call ([`super::asking`]). A peer that says nothing of timers gets none: silence on its stream ends that call.

use std::time::{Duration, Instant};

use crate::wire::sip::header::{HeaderName, Refresher, SessionExpires};
use crate::wire::sip::message::{Headers, Request, Response};

/// Smallest interval that we take, seconds (RFC 4028 5: not below 90).
pub const MIN_SE: u32 = 90;
/// Interval that we ask for, seconds (RFC 4028 4.2 recommends 1800).
pub const ASKED: u32 = 1_800;
/// The largest interval to which a 422 may raise ours, seconds: a day. Beyond it there is no timer worth the name.
const MAX_SE: u32 = 86_400;
/// A refresh that was refused is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// Who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The other side.
    Them,
    /// We, next then; `None` while one is under way.
    Us(Option<Instant>),
}

/// A session with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    seconds: u32,
    keeper: Keeper,
    /// When we give it up.
    pub ends: Instant,
}

impl SessionTimer {
    fn new(now: Instant, seconds: u32, ours: bool) -> Self {
        // RFC 4028 10: BYE at the earlier of 32 s and a third of the interval before the end.
        let margin = (seconds / 3).min(32);
        let keeper =
            if ours { Keeper::Us(Some(now + Duration::from_secs(u64::from(seconds / 2)))) } else { Keeper::Them };
        Self { seconds, keeper, ends: now + Duration::from_secs(u64::from(seconds - margin)) }
    }

    /// True where a request's interval is too small for us and its sender can do otherwise.
    pub fn is_too_small(headers: &Headers) -> bool {
        headers.supports("timer")
            && headers.session_expires().ok().flatten().is_some_and(|session| session.seconds < MIN_SE)
    }

    /// What a request asks for. Its sender refreshes unless it asks us to, or cannot (a proxy has asked for the timer then).
    pub fn of_request(now: Instant, headers: &Headers) -> Option<Self> {
        let asked = headers.session_expires().ok()??;
        let ours = asked.refresher == Some(Refresher::Uas) || !headers.supports("timer");
        (asked.seconds >= MIN_SE).then(|| Self::new(now, asked.seconds, ours))
    }

    /// What an answer to our request says.
    pub fn of_response(now: Instant, headers: &Headers) -> Option<Self> {
        let said = headers.session_expires().ok()??;
        (said.seconds >= MIN_SE).then(|| Self::new(now, said.seconds, said.refresher != Some(Refresher::Uas)))
    }

    /// Says in our 2xx who refreshes.
    pub fn describe(self, response: &mut Response) {
        let refresher = match self.keeper {
            Keeper::Them => Refresher::Uac,
            Keeper::Us(_) => Refresher::Uas,
        };
        let value = SessionExpires { seconds: self.seconds, refresher: Some(refresher) };
        response.headers.push_text(HeaderName::SessionExpires, value);
        // RFC 4028 9: where the other side refreshes it has to know.
        if refresher == Refresher::Uac {
            response.headers.push(HeaderName::Require, &b"timer"[..]);
        }
    }

    /// Says in a request of ours within the dialog that it refreshes; roles stay as they are (RFC 4028 7.4).
    pub fn ask(self, request: &mut Request) {
        let refresher = match self.keeper {
            Keeper::Them => Refresher::Uas,
            Keeper::Us(_) => Refresher::Uac,
        };
        let value = SessionExpires { seconds: self.seconds, refresher: Some(refresher) };
        request.headers.set_text(HeaderName::SessionExpires, value);
    }

    /// When we are to refresh.
    pub fn refresh_at(self) -> Option<Instant> {
        match self.keeper {
            Keeper::Them => None,
            Keeper::Us(at) => at,
        }
    }

    /// A refresh is under way, or asked for.
    pub fn refreshing(&mut self) {
        if let Keeper::Us(at) = &mut self.keeper {
            *at = None;
        }
    }

    /// It was refused; there is time for another.
    pub fn not_refreshed(&mut self, now: Instant) {
        if let Keeper::Us(at @ None) = &mut self.keeper {
            *at = Some(now + AGAIN);
        }
    }

    /// A longer interval is asked for (422).
    pub fn raise(&mut self, seconds: u32) {
        self.seconds = seconds;
    }
}

/// What a 422 asks for, where it can be met.
pub fn wanted(response: &Response, before: u32) -> Option<u32> {
    let wanted = response.headers.min_se().ok()??.0;
    (before < wanted && wanted <= MAX_SE).then_some(wanted)
}

/// Asks for the timer in an INVITE.
pub fn ask(request: &mut Request) {
    request.headers.push_text(HeaderName::SessionExpires, SessionExpires { seconds: ASKED, refresher: None });
}

/// Asks for a longer one after a 422; `None` where that cannot be met.
pub fn ask_again(request: &mut Request, response: &Response) -> Option<u32> {
    let asked = request.headers.session_expires().ok()??;
    let seconds = wanted(response, asked.seconds)?;
    request.headers.set_text(HeaderName::SessionExpires, SessionExpires { seconds, ..asked });
    request.headers.set_text(HeaderName::MinSe, seconds);
    Some(seconds)
}
