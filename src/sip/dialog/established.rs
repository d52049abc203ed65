//! A dialog after its 2xx: what the other side may ask within it (RFC 3261 12.2, 14, 15; RFC 3311 UPDATE; RFC 6086 INFO as far
//! as application/dtmf-relay). Our 2xx to an INVITE is repeated until its ACK comes, over any transport (13.3.1.4). What we
//! ask is in [`super::asking`].

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::asking::{Acked, Asking, Wish};
use super::core::Core;
use super::info::{Keys, info};
use super::provisional::Expected;
use super::refer::{Ours, Theirs};
use super::session::{MIN_SE, SessionTimer};
use super::{Desk, DialogInput, DialogOutput, Purpose};
use crate::deadline::{earliest, is_due};
use crate::sip::author::{ACCEPT, SUPPORTED};
use crate::sip::event::{DialogEvent, DialogOrder, SdpBody};
use crate::sip::timers::{GIVE_UP, Reliability, Repeat, Timer};
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Headers, Method, Request, Response, StatusCode};

/// See the module.
#[derive(Debug)]
pub struct Established {
    /// Identity and sequence numbers.
    pub core: Core,
    pub(super) exchange: Exchange,
    /// An offer of ours that waits.
    pub(super) wish: Wish,
    /// How often it was put off.
    pub(super) tries: u8,
    /// True where we made the Call-ID.
    pub(super) owner: bool,
    pub(super) acked: Option<Acked>,
    pub(super) theirs: Theirs,
    pub(super) ours: Ours,
    /// Keys of ours by INFO.
    pub(super) keys: Keys,
    /// A PRACK that the 2xx has overtaken.
    late: Option<Expected>,
    pub(super) session: Option<SessionTimer>,
    /// True where the other side takes UPDATE.
    pub(super) updates: bool,
}

/// Where an exchange of offer and answer stands.
#[derive(Debug)]
pub(super) enum Exchange {
    /// Nothing under way.
    Idle,
    /// The call has an offer to answer, or one to make where the re-INVITE had none.
    Asked { transaction: ServerId, request: Arc<Request>, session: Option<SessionTimer> },
    /// Our 2xx to an INVITE was not acknowledged yet.
    Unacknowledged(Unacknowledged),
    /// A re-INVITE or UPDATE of ours was not answered yet.
    Asking(Asking),
}

#[derive(Debug)]
pub(super) struct Unacknowledged {
    transaction: ServerId,
    answer: Bytes,
    /// CSeq number that the ACK has.
    number: u32,
    repeat: Repeat,
    give_up: Instant,
    /// True where it holds an offer of ours, which the ACK answers.
    offers: bool,
    after: AfterAck,
}

/// What an ACK leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterAck {
    /// The first one: the call is told.
    Tell,
    /// One of a re-INVITE: the call is told where its offer is answered.
    TellAnswer,
    /// The call has hung up meanwhile; BYE has to wait for the ACK (15).
    HangUp,
}

/// Whether the dialog goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// As it is.
    Stay,
    /// BYE is under way; the call has not been told.
    Leaving,
    /// BYE is under way and the call knows.
    LeavingTold,
    /// The other side said BYE; the call knows.
    Gone,
}

impl Established {
    /// A dialog of a call that we answered with this 2xx.
    pub(super) fn answered(
        now: Instant,
        core: Core,
        invite: &Request,
        transaction: ServerId,
        answer: Bytes,
        offers: bool,
        late: Option<Expected>,
    ) -> Self {
        let session = SessionTimer::of_request(now, &invite.headers);
        let mut this = Self::new(core, session, false, &invite.headers);
        this.late = late;
        this.await_ack(now, invite, transaction, answer, offers, AfterAck::Tell);
        this
    }

    /// A dialog of a call that the other side answered.
    pub fn reached(now: Instant, core: Core, answer: &Response) -> Self {
        let session = SessionTimer::of_response(now, &answer.headers);
        Self::new(core, session, true, &answer.headers)
    }

    fn new(core: Core, session: Option<SessionTimer>, owner: bool, theirs: &Headers) -> Self {
        let updates = theirs.allow().contains(&Method::Update);
        Self {
            core,
            exchange: Exchange::Idle,
            wish: Wish::None,
            tries: 0,
            owner,
            acked: None,
            theirs: Theirs::None,
            ours: Ours::None,
            keys: Keys::default(),
            late: None,
            session,
            updates,
        }
    }

    /// One step; what concerns the first INVITE is its sender's business.
    pub fn handle(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) -> Next {
        let next = match input {
            DialogInput::Order(order) => self.order(now, order, desk),
            DialogInput::Request { transaction, request } => self.request(now, transaction, request, desk),
            DialogInput::Ack(request) => self.acknowledged(request, desk),
            DialogInput::Cancel { transaction } => {
                self.cancelled(transaction, desk);
                Next::Stay
            }
            DialogInput::Response { purpose: Purpose::Change, response } => self.response(now, response, desk),
            DialogInput::NoAnswer { purpose: Purpose::Change, status } => self.unanswered(now, status, desk),
            DialogInput::Timeout => self.timeout(now, desk),
            DialogInput::Refer(to) => {
                self.refer(now, to, desk);
                Next::Stay
            }
            DialogInput::Response { purpose: Purpose::Refer, response } => {
                self.refer_answered(now, response, desk);
                Next::Stay
            }
            DialogInput::NoAnswer { purpose: Purpose::Refer, status } => {
                self.refer_unanswered(status, desk);
                Next::Stay
            }
            DialogInput::Response { purpose: Purpose::Key, response } => {
                self.key_answered(response, desk);
                Next::Stay
            }
            DialogInput::NoAnswer { purpose: Purpose::Key, .. } => {
                self.next_key(desk);
                Next::Stay
            }
            DialogInput::Response { .. }
            | DialogInput::NoAnswer { .. }
            | DialogInput::InviteClosed
            | DialogInput::Unreachable => Next::Stay,
        };
        if next == Next::Stay {
            self.grant(now, desk);
        }
        next
    }

    fn order(&mut self, now: Instant, order: DialogOrder, desk: &mut Desk<'_>) -> Next {
        match order {
            DialogOrder::HangUp => return self.hang_up(desk),
            DialogOrder::AnswerOffer { sdp } => self.answer_offer(now, sdp, desk),
            DialogOrder::RefuseOffer { status } => self.refuse_offer(status, desk),
            DialogOrder::Offer { sdp } => self.offer(now, &sdp, desk),
            DialogOrder::TakeRefer => self.take_refer(desk),
            DialogOrder::RefuseRefer { status } => self.refuse_refer(status, desk),
            DialogOrder::TellRefer { status } => self.tell_refer(status, desk),
            DialogOrder::Press { digit, ms } => self.press(digit, ms, desk),
            DialogOrder::Ring
            | DialogOrder::Progress { .. }
            | DialogOrder::Answer { .. }
            | DialogOrder::Refuse { .. }
            | DialogOrder::Refer { .. }
            | DialogOrder::Invite { .. } => {}
        }
        Next::Stay
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = match (&self.exchange, self.wish) {
            (Exchange::Unacknowledged(pending), _) => Some((pending.repeat.at.min(pending.give_up), ())),
            (Exchange::Asking(asking), _) => Some((asking.give_up, ())),
            (Exchange::Idle, Wish::At(at)) => Some((at, ())),
            (Exchange::Idle, Wish::None | Wish::WhenFree) | (Exchange::Asked { .. }, _) => None,
        };
        let refresh =
            self.session.and_then(SessionTimer::refresh_at).filter(|_| matches!(self.exchange, Exchange::Idle));
        let ends = self.session.map(|session| session.ends);
        let ours = self.ours.deadline();
        earliest([waiting, ours.map(|at| (at, ())), refresh.map(|at| (at, ())), ends.map(|at| (at, ()))])
            .map(|(at, ())| at)
    }

    fn await_ack(
        &mut self,
        now: Instant,
        invite: &Request,
        transaction: ServerId,
        answer: Bytes,
        offers: bool,
        after: AfterAck,
    ) {
        // Over any transport: the hop that loses it need not be ours.
        let Some(repeat) = Timer::G.repeat(now, Reliability::Unreliable) else { return };
        let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let give_up = now + GIVE_UP;
        let pending = Unacknowledged { transaction, answer, number, repeat, give_up, offers, after };
        self.exchange = Exchange::Unacknowledged(pending);
    }

    /// A request of the other side.
    fn request(&mut self, now: Instant, transaction: ServerId, request: &Arc<Request>, desk: &mut Desk<'_>) -> Next {
        if let Some(refusal) = refusal(&mut self.core, request, desk) {
            desk.answer(transaction, &refusal);
            return Next::Stay;
        }
        match request.method {
            Method::Bye => self.bye(transaction, request, desk),
            Method::Invite => self.invite(now, transaction, request, desk),
            Method::Update => self.update(now, transaction, request, desk),
            Method::Info => info(transaction, request, desk),
            Method::Prack => self.prack(transaction, request, desk),
            Method::Refer => self.referred(transaction, request, desk),
            Method::Notify => self.notified(transaction, request, desk),
            Method::Options => reply(transaction, request, StatusCode::OK, desk),
            Method::Other(_) => reply(transaction, request, StatusCode::NOT_IMPLEMENTED, desk),
            Method::Register | Method::Subscribe | Method::Message | Method::Publish | Method::Ack | Method::Cancel => {
                reply(transaction, request, StatusCode::METHOD_NOT_ALLOWED, desk)
            }
        }
    }

    /// Of a provisional answer that our 2xx has overtaken (RFC 3262 3).
    fn prack(&mut self, transaction: ServerId, request: &Request, desk: &mut Desk<'_>) -> Next {
        let rack = request.headers.rack().ok().flatten();
        let fits = self.late.take_if(|late| rack.is_some_and(|rack| late.fits(&rack))).is_some();
        let status = if fits { StatusCode::OK } else { StatusCode::NO_SUCH_TRANSACTION };
        reply(transaction, request, status, desk)
    }

    fn bye(&mut self, transaction: ServerId, request: &Request, desk: &mut Desk<'_>) -> Next {
        self.abandon_offer(desk);
        self.refuse_refer(StatusCode::REQUEST_TERMINATED.as_u16(), desk);
        reply(transaction, request, StatusCode::OK, desk);
        desk.tell(DialogEvent::Ended { lost: false });
        Next::Gone
    }

    /// Answers an offer that the call never came to answer.
    fn abandon_offer(&mut self, desk: &mut Desk<'_>) {
        if let Exchange::Asked { transaction, request, .. } = std::mem::replace(&mut self.exchange, Exchange::Idle) {
            reply(transaction, &request, StatusCode::REQUEST_TERMINATED, desk);
        }
    }

    fn invite(&mut self, now: Instant, transaction: ServerId, request: &Arc<Request>, desk: &mut Desk<'_>) -> Next {
        match &self.exchange {
            // 14.2: an earlier one is not answered yet.
            Exchange::Asked { .. } => later(transaction, request, desk),
            // RFC 6337 4.3, RFC 5407 3.1.4: our 2xx is not acknowledged yet.
            Exchange::Unacknowledged(_) => reply(transaction, request, StatusCode::REQUEST_PENDING, desk),
            // 14.2: ours is under way.
            Exchange::Asking(_) => reply(transaction, request, StatusCode::REQUEST_PENDING, desk),
            Exchange::Idle => self.take_offer(now, transaction, request, desk),
        }
    }

    fn update(&mut self, now: Instant, transaction: ServerId, request: &Arc<Request>, desk: &mut Desk<'_>) -> Next {
        let offers = !request.body.is_empty();
        match &self.exchange {
            // RFC 3311 5.2.
            Exchange::Asked { .. } if offers => later(transaction, request, desk),
            // Also after the first 2xx: its repeats must go on until the ACK comes.
            Exchange::Unacknowledged(_) if offers => reply(transaction, request, StatusCode::REQUEST_PENDING, desk),
            // RFC 3311 5.2: ours is under way.
            Exchange::Asking(_) if offers => reply(transaction, request, StatusCode::REQUEST_PENDING, desk),
            Exchange::Idle | Exchange::Asked { .. } | Exchange::Unacknowledged(_) | Exchange::Asking(_) => {
                self.take_offer(now, transaction, request, desk)
            }
        }
    }

    /// A re-INVITE or an UPDATE, in good order.
    fn take_offer(&mut self, now: Instant, transaction: ServerId, request: &Arc<Request>, desk: &mut Desk<'_>) -> Next {
        if SessionTimer::is_too_small(&request.headers) {
            let mut refusal = desk.author.answer(request, StatusCode::SESSION_INTERVAL_TOO_SMALL, None);
            refusal.headers.push_text(HeaderName::MinSe, MIN_SE);
            desk.answer(transaction, &refusal);
            return Next::Stay;
        }
        let session = SessionTimer::of_request(now, &request.headers);
        if !request.body.is_empty() {
            if !is_sdp(request) {
                return unsupported_body(transaction, request, desk);
            }
            if request.method == Method::Invite {
                let trying = desk.author.answer(request, StatusCode::TRYING, None);
                desk.answer(transaction, &trying);
            }
            desk.tell(DialogEvent::Offered { sdp: SdpBody::from(&request.body[..]) });
            self.exchange = Exchange::Asked { transaction, request: Arc::clone(request), session };
            return Next::Stay;
        }
        if request.method == Method::Invite {
            let trying = desk.author.answer(request, StatusCode::TRYING, None);
            desk.answer(transaction, &trying);
            desk.tell(DialogEvent::OfferWanted);
            self.exchange = Exchange::Asked { transaction, request: Arc::clone(request), session };
        } else {
            // UPDATE without a body refreshes only.
            self.accept(now, transaction, request, session, None, desk);
        }
        Next::Stay
    }

    /// Answers a re-INVITE or an UPDATE with 200.
    fn accept(
        &mut self,
        now: Instant,
        transaction: ServerId,
        request: &Request,
        session: Option<SessionTimer>,
        sdp: Option<SdpBody>,
        desk: &mut Desk<'_>,
    ) {
        self.core.refresh_target(&request.headers);
        self.session = session.or(self.session.filter(|_| !request.headers.contains(&HeaderName::SessionExpires)));
        let mut answer = desk.author.answer(request, StatusCode::OK, None);
        answer.headers.push(HeaderName::Contact, self.core.contact(desk.author));
        if let Some(session) = session {
            session.describe(&mut answer);
        }
        if let Some(sdp) = sdp {
            answer.set_body("application/sdp", Bytes::copy_from_slice(&sdp));
        }
        desk.answer(transaction, &answer);
        if request.method == Method::Invite {
            let offers = !is_sdp(request);
            self.await_ack(now, request, transaction, answer.to_bytes(), offers, AfterAck::TellAnswer);
        }
    }

    /// ACK to a 2xx of ours.
    fn acknowledged(&mut self, request: &Request, desk: &mut Desk<'_>) -> Next {
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let (after, offers) = match &self.exchange {
            Exchange::Unacknowledged(pending) if pending.number == number => (pending.after, pending.offers),
            Exchange::Unacknowledged(_) | Exchange::Idle | Exchange::Asked { .. } | Exchange::Asking(_) => {
                return Next::Stay;
            }
        };
        self.exchange = Exchange::Idle;
        // An answer in our 200 leaves the ACK nothing to say.
        let sdp = (offers && is_sdp(request)).then(|| SdpBody::from(&request.body[..]));
        match after {
            AfterAck::Tell => desk.tell(DialogEvent::Acknowledged { sdp }),
            AfterAck::TellAnswer if offers => desk.tell(DialogEvent::Acknowledged { sdp }),
            AfterAck::TellAnswer => {}
            AfterAck::HangUp => return self.leave(Next::Leaving, desk),
        }
        Next::Stay
    }

    /// The call answers the offer that it was told of.
    fn answer_offer(&mut self, now: Instant, sdp: SdpBody, desk: &mut Desk<'_>) {
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Asked { transaction, request, session } => {
                self.accept(now, transaction, &request, session, Some(sdp), desk);
            }
            other @ (Exchange::Idle | Exchange::Unacknowledged(_) | Exchange::Asking(_)) => self.exchange = other,
        }
    }

    /// The call refuses the offer that it was told of.
    fn refuse_offer(&mut self, status: u16, desk: &mut Desk<'_>) {
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Asked { transaction, request, .. } => {
                let status = StatusCode::new(status).filter(|status| status.as_u16() >= 300);
                reply(transaction, &request, status.unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE), desk);
            }
            other @ (Exchange::Idle | Exchange::Unacknowledged(_) | Exchange::Asking(_)) => self.exchange = other,
        }
    }

    /// CANCEL of a re-INVITE; the session goes on as it was.
    fn cancelled(&mut self, cancelled: ServerId, desk: &mut Desk<'_>) {
        match &self.exchange {
            Exchange::Asked { transaction, .. } if *transaction == cancelled => self.abandon_offer(desk),
            Exchange::Asked { .. } | Exchange::Idle | Exchange::Unacknowledged(_) | Exchange::Asking(_) => {}
        }
    }

    /// The call hangs up.
    fn hang_up(&mut self, desk: &mut Desk<'_>) -> Next {
        match &mut self.exchange {
            Exchange::Unacknowledged(pending) if pending.after != AfterAck::TellAnswer => {
                pending.after = AfterAck::HangUp;
                Next::Stay
            }
            Exchange::Unacknowledged(_) | Exchange::Idle | Exchange::Asked { .. } | Exchange::Asking(_) => {
                self.leave(Next::Leaving, desk)
            }
        }
    }

    /// Time has passed.
    fn timeout(&mut self, now: Instant, desk: &mut Desk<'_>) -> Next {
        if let Exchange::Unacknowledged(pending) = &mut self.exchange {
            if now >= pending.give_up {
                desk.tell(DialogEvent::Ended { lost: true });
                return self.leave(Next::LeavingTold, desk);
            }
            if now >= pending.repeat.at {
                pending.repeat = pending.repeat.next(now);
                let (transaction, bytes) = (pending.transaction, pending.answer.clone());
                desk.out.push(DialogOutput::Answer { transaction, status: 200, bytes });
            }
        }
        if is_due(self.session.map(|session| session.ends), now) {
            desk.tell(DialogEvent::Ended { lost: true });
            return self.leave(Next::LeavingTold, desk);
        }
        if is_due(self.ours.deadline(), now) {
            self.refer_unanswered(StatusCode::REQUEST_TIMEOUT.as_u16(), desk);
        }
        self.asking_timeout(now, desk)
    }

    pub(super) fn leave(&mut self, next: Next, desk: &mut Desk<'_>) -> Next {
        self.abandon_offer(desk);
        self.refuse_refer(StatusCode::REQUEST_TERMINATED.as_u16(), desk);
        let request = Box::new(self.core.request(Method::Bye, desk.author));
        desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Bye });
        next
    }
}

/// Answers without further ado.
pub(super) fn reply(transaction: ServerId, request: &Request, status: StatusCode, desk: &mut Desk<'_>) -> Next {
    let response = desk.author.answer(request, status, None);
    desk.answer(transaction, &response);
    Next::Stay
}

/// Checks of every request within a dialog that do not depend on the method: order (12.2.2) and extensions (8.2.2.3).
pub(super) fn refusal(core: &mut Core, request: &Request, desk: &mut Desk<'_>) -> Option<Response> {
    let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
    if !core.accept_seq(number) {
        let seconds = desk.author.below(10);
        return Some(desk.author.answer_later(request, StatusCode::SERVER_INTERNAL_ERROR, None, seconds));
    }
    let unsupported = unsupported(request)?;
    let mut refusal = desk.author.answer(request, StatusCode::BAD_EXTENSION, None);
    refusal.headers.push(HeaderName::Unsupported, unsupported);
    Some(refusal)
}

/// Answers 415 to an offer that is no session description.
pub(super) fn unsupported_body(transaction: ServerId, request: &Request, desk: &mut Desk<'_>) -> Next {
    let refusal = desk.author.answer_unsupported(request, ACCEPT);
    desk.answer(transaction, &refusal);
    Next::Stay
}

/// Answers 500 with a Retry-After of 0 to 10 s: something before it is not answered yet (14.2).
pub(super) fn later(transaction: ServerId, request: &Request, desk: &mut Desk<'_>) -> Next {
    let seconds = desk.author.below(10);
    let response = desk.author.answer_later(request, StatusCode::SERVER_INTERNAL_ERROR, None, seconds);
    desk.answer(transaction, &response);
    Next::Stay
}

/// Option tags that a request insists on and that we do not have, as the value of Unsupported.
pub(crate) fn unsupported(request: &Request) -> Option<String> {
    let unknown: Vec<String> = request
        .headers
        .require()
        .iter()
        .filter(|tag| !SUPPORTED.iter().any(|known| tag.eq_ignore_case(known)))
        .map(|tag| tag.as_str().to_owned())
        .collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

/// True for a body that is a session description; one that does not say what it is is taken for one.
pub(crate) fn is_sdp(request: &Request) -> bool {
    let kind = request.headers.content_type().ok().flatten();
    !request.body.is_empty() && kind.is_none_or(|kind| kind.is("application", "sdp"))
}

/// The session description in an answer; a body that does not say what it is is taken for one.
pub(super) fn sdp_of(response: &Response) -> Option<SdpBody> {
    let kind = response.headers.content_type().ok().flatten();
    let is_sdp = !response.body.is_empty() && kind.is_none_or(|kind| kind.is("application", "sdp"));
    is_sdp.then(|| SdpBody::from(&response.body[..]))
}
