//! Our own requests that change a session within its dialog: re-INVITE and UPDATE, what their answers lead to, and what
//! follows where both sides ask at once (RFC 3261 14.1; RFC 6337 for who may offer when).
//!
//! An offer that has to wait is not kept: by then it would be an old one, with an old version. The call is told when the
//! way is free ([`DialogEvent::OfferAgain`]) and makes it anew.

use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::established::{Established, Exchange, Next, sdp_of};
use super::session::{self, SessionTimer};
use super::{Desk, DialogOutput, Purpose};
use crate::deadline::is_due;
use crate::sip::event::{DialogEvent, SdpBody};
use crate::sip::timers::GIVE_UP;
use crate::wire::sip::header::{CSeq, HeaderName};
use crate::wire::sip::message::{Method, Request, Response, StatusCode};

/// How often an offer that meets the other side's is made again.
const MAX_TRIES: u8 = 5;
/// The longest Retry-After of a 500 that is waited for (RFC 3261 14.2 asks for 0 to 10 s).
const MAX_RETRY_AFTER: u32 = 10;

/// A request of ours under way.
#[derive(Debug)]
pub(super) struct Asking {
    /// As it was sent, without Via: its ACK and its repeat are made from it.
    request: Box<Request>,
    number: u32,
    /// When an INVITE is given up that got no more than a provisional answer: its transaction has no timer for that.
    pub give_up: Instant,
    cancelled: bool,
}

/// An offer that the call wants to make and that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// None does.
    None,
    /// As soon as nothing else is under way.
    WhenFree,
    /// Not before this.
    At(Instant),
}

/// The last ACK to a 2xx of a re-INVITE, for repeats of that 2xx.
#[derive(Debug)]
pub(super) struct Acked {
    number: u32,
    bytes: Bytes,
}

impl Asking {
    fn is_invite(&self) -> bool {
        self.request.method == Method::Invite
    }

    fn offers(&self) -> bool {
        !self.request.body.is_empty()
    }
}

impl Established {
    /// The call wants to change the session.
    pub(super) fn offer(&mut self, now: Instant, sdp: &SdpBody, desk: &mut Desk<'_>) {
        match (&self.exchange, self.wish) {
            (Exchange::Idle, Wish::None) => self.ask(now, Method::Invite, Some(sdp), desk),
            (Exchange::Asked { .. } | Exchange::Asking(_) | Exchange::Unacknowledged(_), Wish::None) => {
                self.wish = Wish::WhenFree;
            }
            (_, Wish::WhenFree | Wish::At(_)) => {}
        }
    }

    fn ask(&mut self, now: Instant, method: Method, sdp: Option<&SdpBody>, desk: &mut Desk<'_>) {
        let mut request = self.core.request(method, desk.author);
        request.headers.push(HeaderName::Contact, self.core.contact(desk.author));
        if let Some(sdp) = sdp {
            request.set_body("application/sdp", Bytes::copy_from_slice(sdp));
        }
        if let Some(session) = &mut self.session {
            session.ask(&mut request);
            session.refreshing();
        }
        self.send(now, request, desk);
    }

    fn send(&mut self, now: Instant, request: Request, desk: &mut Desk<'_>) {
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let request = Box::new(request);
        desk.out.push(DialogOutput::Ask { request: request.clone(), purpose: Purpose::Change });
        self.exchange = Exchange::Asking(Asking { request, number, give_up: now + 2 * GIVE_UP, cancelled: false });
    }

    /// An answer to a re-INVITE or UPDATE of ours.
    pub(super) fn response(&mut self, now: Instant, response: &Response, desk: &mut Desk<'_>) -> Next {
        let number = response.headers.cseq().map_or(0, |cseq| cseq.number);
        let asking = match mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Asking(asking) if asking.number == number => asking,
            other => {
                self.exchange = other;
                self.acknowledge_again(number, response, desk);
                return Next::Stay;
            }
        };
        let retry_after = response.headers.retry_after().ok().flatten().map(|after| after.seconds);
        match response.status.as_u16() {
            ..200 => self.exchange = Exchange::Asking(asking),
            200..300 => self.changed(now, &asking, response, desk),
            401 | 407 if self.signed_again(now, &asking, response, desk) => {}
            408 | 481 => return self.lost(desk),
            491 if !asking.cancelled && self.tries < MAX_TRIES => {
                self.come_again(asking.offers(), now + self.back_off(desk))
            }
            500 if !asking.cancelled && self.tries < MAX_TRIES && retry_after.is_some_and(|s| s <= MAX_RETRY_AFTER) => {
                self.come_again(asking.offers(), now + Duration::from_secs(u64::from(retry_after.unwrap_or(0))));
            }
            422 if self.longer(now, &asking, response, desk) => {}
            status => self.refused(now, &asking, status, desk),
        }
        Next::Stay
    }

    /// Our re-INVITE or UPDATE was not answered (408) or not sent (503).
    pub(super) fn unanswered(&mut self, now: Instant, status: u16, desk: &mut Desk<'_>) -> Next {
        match mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Asking(_) if status == StatusCode::REQUEST_TIMEOUT.as_u16() => return self.lost(desk),
            Exchange::Asking(asking) => self.refused(now, &asking, status, desk),
            other @ (Exchange::Idle | Exchange::Asked { .. } | Exchange::Unacknowledged(_)) => self.exchange = other,
        }
        Next::Stay
    }

    /// Time has passed while a request of ours is under way.
    pub(super) fn asking_timeout(&mut self, now: Instant, desk: &mut Desk<'_>) -> Next {
        let Exchange::Asking(asking) = &mut self.exchange else { return Next::Stay };
        if now < asking.give_up {
            return Next::Stay;
        }
        if asking.cancelled {
            desk.out.push(DialogOutput::Abandon(Purpose::Change));
            return self.lost(desk);
        }
        asking.cancelled = true;
        asking.give_up = now + GIVE_UP;
        desk.out.push(DialogOutput::Cancel(Purpose::Change));
        Next::Stay
    }

    /// What waited for the way to be free: an offer of the call, a refresh. To be called after every step that lets the
    /// dialog live.
    pub(super) fn grant(&mut self, now: Instant, desk: &mut Desk<'_>) {
        if matches!(self.exchange, Exchange::Idle) && is_due(self.session.and_then(SessionTimer::refresh_at), now) {
            if self.updates {
                return self.ask(now, Method::Update, None, desk);
            }
            if let Some(session) = &mut self.session {
                session.refreshing();
            }
            if self.wish == Wish::None {
                self.wish = Wish::WhenFree;
            }
        }
        let due = match self.wish {
            Wish::None => false,
            Wish::WhenFree => true,
            Wish::At(at) => now >= at,
        };
        if due && matches!(self.exchange, Exchange::Idle) {
            self.wish = Wish::None;
            desk.tell(DialogEvent::OfferAgain);
        }
    }

    fn changed(&mut self, now: Instant, asking: &Asking, response: &Response, desk: &mut Desk<'_>) {
        self.core.refresh_target(&response.headers);
        if asking.is_invite() {
            let bytes = self.core.ack(&asking.request, desk.author);
            desk.out.push(DialogOutput::Transmit(bytes.clone()));
            self.acked = Some(Acked { number: asking.number, bytes });
        }
        self.tries = 0;
        // A 2xx that is silent about it ends the timer (RFC 4028 7.2).
        self.session = SessionTimer::of_response(now, &response.headers);
        if !asking.offers() {
            return;
        }
        match sdp_of(response) {
            Some(sdp) => desk.tell(DialogEvent::OfferAnswered { sdp }),
            // Against RFC 3264; what was agreed before stands.
            None => desk.tell(DialogEvent::OfferRefused { status: StatusCode::BAD_GATEWAY.as_u16() }),
        }
    }

    fn acknowledge_again(&self, number: u32, response: &Response, desk: &mut Desk<'_>) {
        if let Some(acked) = self.acked.as_ref().filter(|acked| acked.number == number && response.status.is_success())
        {
            desk.out.push(DialogOutput::Transmit(acked.bytes.clone()));
        }
    }

    /// The same request with credentials and the next number (22.2).
    fn signed_again(&mut self, now: Instant, asking: &Asking, response: &Response, desk: &mut Desk<'_>) -> bool {
        let Some(prover) = &mut self.core.prover else { return false };
        if asking.cancelled || !prover.challenged(response) {
            return false;
        }
        self.repeat(now, (*asking.request).clone(), desk);
        true
    }

    /// The same request with a longer interval (RFC 4028 7.4).
    fn longer(&mut self, now: Instant, asking: &Asking, response: &Response, desk: &mut Desk<'_>) -> bool {
        let mut request = (*asking.request).clone();
        let Some(seconds) = session::ask_again(&mut request, response).filter(|_| !asking.cancelled) else {
            return false;
        };
        if let Some(session) = &mut self.session {
            session.raise(seconds);
        }
        self.repeat(now, request, desk);
        true
    }

    fn repeat(&mut self, now: Instant, mut request: Request, desk: &mut Desk<'_>) {
        let method = request.method.clone();
        request.headers.set_text(HeaderName::CSeq, CSeq { number: self.core.next_number(), method });
        self.core.sign(&mut request, desk.author);
        self.send(now, request, desk);
    }

    /// RFC 3261 14.1: who made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of 10 ms.
    fn back_off(&self, desk: &mut Desk<'_>) -> Duration {
        let ms = if self.owner { 2_100 + 10 * desk.author.below(191) } else { 10 * desk.author.below(201) };
        Duration::from_millis(u64::from(ms))
    }

    fn come_again(&mut self, offers: bool, at: Instant) {
        self.tries += 1;
        // A refresh by UPDATE is made anew by itself.
        if offers {
            self.wish = Wish::At(at)
        } else if let Some(session) = &mut self.session {
            session.not_refreshed(at)
        }
    }

    fn refused(&mut self, now: Instant, asking: &Asking, status: u16, desk: &mut Desk<'_>) {
        self.tries = 0;
        // An UPDATE that is not taken: the next refresh is a re-INVITE.
        self.updates &= asking.is_invite();
        if let Some(session) = &mut self.session {
            session.not_refreshed(now);
        }
        if asking.offers() {
            desk.tell(DialogEvent::OfferRefused { status });
        }
    }

    /// 12.2.1.2: the other side does not answer, or has no such dialog.
    fn lost(&mut self, desk: &mut Desk<'_>) -> Next {
        desk.tell(DialogEvent::Ended { lost: true });
        self.leave(Next::LeavingTold, desk)
    }
}
