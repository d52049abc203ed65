//! An incoming INVITE before its final answer: provisional answers, reliable ones among them (RFC 3262), and offers that are
//! made meanwhile in PRACK or UPDATE (RFC 3311 5.2, RFC 6337 2 and 3). We make none of our own by UPDATE here.
//!
//! A provisional answer is reliable where the caller insists on it, or where it holds a session description and the caller
//! is able. Our answer in a reliable one is the answer: the 2xx holds none again.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::core::Core;
use super::established::{Established, later, refusal, reply, unsupported_body};
use super::provisional::{Patience, Provisional};
use super::session::SessionTimer;
use super::{Desk, DialogInput, is_sdp};
use crate::sip::event::{DialogEvent, DialogOrder, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Method, Request, Response, StatusCode};

/// See the module.
#[derive(Debug)]
pub(super) struct Offered {
    /// Identity and sequence numbers.
    pub(super) core: Core,
    invite: Arc<Request>,
    transaction: ServerId,
    local_tag: String,
    provisional: Provisional,
    exchange: Exchange,
    /// The call has answered; the 2xx waits for a PRACK.
    answer: Option<SdpBody>,
}

/// Where the exchange of offer and answer stands.
#[derive(Debug)]
enum Exchange {
    /// The INVITE's offer is not answered for good.
    Theirs,
    /// The INVITE had no offer, and none was made.
    Nothing,
    /// Our offer is in a reliable answer; the PRACK brings theirs.
    Ours,
    /// Agreed, by PRACK at the latest.
    Agreed,
    /// A new offer, in a PRACK or an UPDATE, waits for the call.
    Asked { transaction: ServerId, request: Arc<Request> },
}

/// What has become of it.
pub(super) enum After {
    /// Not decided yet.
    Stay(Box<Offered>),
    /// Answered with 2xx.
    Up(Box<Established>),
    /// Refused or given up; the call knows.
    Over(Flow),
}

impl Offered {
    pub(super) fn new(core: Core, invite: Arc<Request>, transaction: ServerId, local_tag: String) -> Self {
        let exchange = if is_sdp(&invite) { Exchange::Theirs } else { Exchange::Nothing };
        let provisional = Provisional::default();
        Self { core, invite, transaction, local_tag, provisional, exchange, answer: None }
    }

    /// When to come back.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.provisional.deadline()
    }

    /// One step.
    pub(super) fn handle(self: Box<Self>, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) -> After {
        match input {
            DialogInput::Order(order) => self.order(now, order, desk),
            DialogInput::Request { transaction, request } => self.request(now, transaction, request, desk),
            DialogInput::Cancel { transaction } if transaction == self.transaction => self.cancel(desk),
            DialogInput::Unreachable => {
                desk.tell(DialogEvent::Cancelled);
                After::Over(self.core.flow)
            }
            DialogInput::Timeout => self.timeout(now, desk),
            DialogInput::Cancel { .. }
            | DialogInput::Ack(_)
            | DialogInput::Response { .. }
            | DialogInput::NoAnswer { .. }
            | DialogInput::Refer(_)
            | DialogInput::InviteClosed => After::Stay(self),
        }
    }

    fn order(mut self: Box<Self>, now: Instant, order: DialogOrder, desk: &mut Desk<'_>) -> After {
        match order {
            DialogOrder::Ring => self.proceed(now, StatusCode::RINGING, None, desk),
            DialogOrder::Progress { sdp } => self.proceed(now, StatusCode::SESSION_PROGRESS, Some(sdp), desk),
            DialogOrder::Answer { sdp } => {
                self.answer = Some(sdp);
                return self.go_on(now, desk);
            }
            DialogOrder::AnswerOffer { sdp } => {
                if let Exchange::Asked { transaction, request } = mem::replace(&mut self.exchange, Exchange::Agreed) {
                    let mut answer = self.compose(&request, StatusCode::OK, None, desk);
                    answer.set_body("application/sdp", Bytes::copy_from_slice(&sdp));
                    desk.answer(transaction, &answer);
                }
                return self.go_on(now, desk);
            }
            DialogOrder::RefuseOffer { status } => {
                if let Exchange::Asked { transaction, request } = mem::replace(&mut self.exchange, Exchange::Agreed) {
                    let status = StatusCode::new(status).filter(|status| status.as_u16() >= 300);
                    reply(transaction, &request, status.unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE), desk);
                }
                return self.go_on(now, desk);
            }
            DialogOrder::Refuse { status } => {
                let status = StatusCode::new(status).filter(|status| status.as_u16() >= 300);
                return self.end(status.unwrap_or(StatusCode::DECLINE), false, desk);
            }
            DialogOrder::HangUp => return self.end(StatusCode::DECLINE, false, desk),
            DialogOrder::Invite { .. }
            | DialogOrder::Offer { .. }
            | DialogOrder::TakeRefer
            | DialogOrder::RefuseRefer { .. }
            | DialogOrder::TellRefer { .. }
            | DialogOrder::Press { .. }
            | DialogOrder::Refer { .. } => {}
        }
        After::Stay(self)
    }

    /// 180 or 183.
    fn proceed(&mut self, now: Instant, status: StatusCode, sdp: Option<SdpBody>, desk: &mut Desk<'_>) {
        let headers = &self.invite.headers;
        let required = headers.require().iter().any(|tag| tag.eq_ignore_case("100rel"));
        // Session descriptions that are no answer to anything any more are left out.
        let sdp = sdp.filter(|_| matches!(self.exchange, Exchange::Theirs | Exchange::Nothing));
        if !required && (sdp.is_none() || !headers.supports("100rel")) {
            let answer = self.compose(&self.invite, status, sdp.as_ref(), desk);
            desk.answer(self.transaction, &answer);
            return;
        }
        if self.provisional.is_pending() {
            return self.provisional.put_off(status, sdp);
        }
        let answer = self.compose(&self.invite, status, sdp.as_ref(), desk);
        if sdp.is_some() {
            self.exchange = match self.exchange {
                Exchange::Nothing => Exchange::Ours,
                _ => Exchange::Agreed,
            };
        }
        self.provisional.send(now, self.transaction, answer, desk);
    }

    /// Does what has waited: the next provisional answer, then the 2xx.
    fn go_on(mut self: Box<Self>, now: Instant, desk: &mut Desk<'_>) -> After {
        let open = matches!(self.exchange, Exchange::Ours | Exchange::Asked { .. });
        let Some(sdp) = self.answer.take_if(|_| !open && !self.provisional.blocks_answer()) else {
            if self.answer.is_none()
                && !self.provisional.is_pending()
                && let Some((status, sdp)) = self.provisional.take()
            {
                self.proceed(now, status, sdp, desk);
            }
            return After::Stay(self);
        };
        let (body, offers) = match self.exchange {
            Exchange::Theirs => (Some(sdp), false),
            Exchange::Nothing => (Some(sdp), true),
            Exchange::Agreed | Exchange::Ours | Exchange::Asked { .. } => (None, false),
        };
        let mut answer = self.compose(&self.invite, StatusCode::OK, body.as_ref(), desk);
        if let Some(session) = SessionTimer::of_request(now, &self.invite.headers) {
            session.describe(&mut answer);
        }
        desk.answer(self.transaction, &answer);
        let Self { core, invite, transaction, provisional, .. } = *self;
        let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let late = provisional.expected(number);
        let established = Established::answered(now, core, &invite, transaction, answer.to_bytes(), offers, late);
        After::Up(Box::new(established))
    }

    fn request(
        mut self: Box<Self>,
        now: Instant,
        transaction: ServerId,
        request: &Arc<Request>,
        desk: &mut Desk<'_>,
    ) -> After {
        if let Some(refusal) = refusal(&mut self.core, request, desk) {
            desk.answer(transaction, &refusal);
            return After::Stay(self);
        }
        match request.method {
            // A caller may end an early dialog with BYE (15).
            Method::Bye => {
                reply(transaction, request, StatusCode::OK, desk);
                return self.cancel(desk);
            }
            Method::Prack => return self.prack(now, transaction, request, desk),
            Method::Update => self.update(transaction, request, desk),
            // RFC 3261 14.2: the first is not answered yet.
            Method::Invite => {
                later(transaction, request, desk);
            }
            Method::Info | Method::Options => {
                reply(transaction, request, StatusCode::OK, desk);
            }
            _ => {
                reply(transaction, request, StatusCode::METHOD_NOT_ALLOWED, desk);
            }
        }
        After::Stay(self)
    }

    /// RFC 3262 3 and 5.
    fn prack(
        mut self: Box<Self>,
        now: Instant,
        transaction: ServerId,
        request: &Arc<Request>,
        desk: &mut Desk<'_>,
    ) -> After {
        let number = self.invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let Ok(Some(rack)) = request.headers.rack() else {
            reply(transaction, request, StatusCode::BAD_REQUEST, desk);
            return After::Stay(self);
        };
        if !self.provisional.expected(number).is_some_and(|expected| expected.fits(&rack)) {
            reply(transaction, request, StatusCode::NO_SUCH_TRANSACTION, desk);
            return After::Stay(self);
        }
        let sdp = is_sdp(request).then(|| SdpBody::from(&request.body[..]));
        match (&self.exchange, sdp) {
            (Exchange::Ours, Some(sdp)) => {
                reply(transaction, request, StatusCode::OK, desk);
                desk.tell(DialogEvent::OfferAnswered { sdp });
                self.exchange = Exchange::Agreed;
            }
            // Our offer must be answered here; it goes on being repeated.
            (Exchange::Ours, None) => {
                reply(transaction, request, StatusCode::BAD_REQUEST, desk);
                return After::Stay(self);
            }
            (Exchange::Agreed, Some(sdp)) => {
                desk.tell(DialogEvent::Offered { sdp });
                self.exchange = Exchange::Asked { transaction, request: Arc::clone(request) };
            }
            (Exchange::Theirs | Exchange::Nothing | Exchange::Asked { .. }, Some(_)) => {
                later(transaction, request, desk);
            }
            (_, None) => {
                reply(transaction, request, StatusCode::OK, desk);
            }
        }
        self.provisional.acknowledged();
        self.go_on(now, desk)
    }

    /// RFC 3311 5.2.
    fn update(&mut self, transaction: ServerId, request: &Arc<Request>, desk: &mut Desk<'_>) {
        if request.body.is_empty() {
            self.core.refresh_target(&request.headers);
            let answer = self.compose(request, StatusCode::OK, None, desk);
            return desk.answer(transaction, &answer);
        }
        match &self.exchange {
            Exchange::Ours => {
                reply(transaction, request, StatusCode::REQUEST_PENDING, desk);
            }
            Exchange::Agreed if is_sdp(request) => {
                self.core.refresh_target(&request.headers);
                desk.tell(DialogEvent::Offered { sdp: SdpBody::from(&request.body[..]) });
                self.exchange = Exchange::Asked { transaction, request: Arc::clone(request) };
            }
            Exchange::Agreed => {
                unsupported_body(transaction, request, desk);
            }
            Exchange::Theirs | Exchange::Nothing | Exchange::Asked { .. } => {
                later(transaction, request, desk);
            }
        }
    }

    fn timeout(mut self: Box<Self>, now: Instant, desk: &mut Desk<'_>) -> After {
        match self.provisional.timeout(now, self.transaction, desk) {
            Patience::Left => After::Stay(self),
            Patience::Gone => self.end(StatusCode::SERVER_TIMEOUT, true, desk),
        }
    }

    fn cancel(mut self: Box<Self>, desk: &mut Desk<'_>) -> After {
        self.refuse(StatusCode::REQUEST_TERMINATED, desk);
        desk.tell(DialogEvent::Cancelled);
        After::Over(self.core.flow)
    }

    fn end(mut self: Box<Self>, status: StatusCode, lost: bool, desk: &mut Desk<'_>) -> After {
        self.refuse(status, desk);
        desk.tell(DialogEvent::Ended { lost });
        After::Over(self.core.flow)
    }

    /// Answers all that is open.
    fn refuse(&mut self, status: StatusCode, desk: &mut Desk<'_>) {
        if let Exchange::Asked { transaction, request } = mem::replace(&mut self.exchange, Exchange::Agreed) {
            reply(transaction, &request, StatusCode::REQUEST_TERMINATED, desk);
        }
        let answer = desk.author.answer(&self.invite, status, Some(&self.local_tag));
        desk.answer(self.transaction, &answer);
    }

    /// An answer that makes or keeps the dialog (12.1.1): with Contact.
    fn compose(&self, request: &Request, status: StatusCode, sdp: Option<&SdpBody>, desk: &Desk<'_>) -> Response {
        let mut answer = desk.author.answer(request, status, Some(&self.local_tag));
        let contact = self.core.contact(desk.author);
        answer.headers.push(HeaderName::Contact, contact);
        if let Some(sdp) = sdp {
            answer.set_body("application/sdp", Bytes::copy_from_slice(sdp));
        }
        answer
    }
}
