//! REFER within a dialog, both ways (RFC 3515, RFC 4488, RFC 5589), and the NOTIFYs that tell what came of it
//! (message/sipfrag). One at a time each way; the subscription ends with its dialog (a transferor that says BYE at once
//! wants to know nothing). Whom to call, and whether, is the call's business.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::established::{Established, Next, reply};
use super::{Desk, DialogOutput, Purpose};
use crate::sip::event::{DialogEvent, ReferTarget};
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::{EventValue, HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, Response, StatusCode};
use crate::wire::sip::uri::{Uri, unescape_percent};

/// The other side has this long to tell what came of our REFER.
const PATIENCE: Duration = Duration::from_secs(180);
/// Content type of a NOTIFY's body.
const FRAGMENT: &str = "message/sipfrag;version=2.0";

/// A REFER of the other side.
#[derive(Debug)]
pub(super) enum Theirs {
    /// There is none.
    None,
    /// The call has not decided.
    Asked { transaction: ServerId, request: Arc<Request> },
    /// Accepted; its sender is told how it goes. CSeq number of the REFER.
    Told(u32),
}

/// A REFER of ours.
#[derive(Debug)]
pub(super) enum Ours {
    /// There is none.
    None,
    /// Not answered, or not told yet what came of it.
    Open { to: Box<NameAddr>, give_up: Instant },
}

impl Ours {
    /// When we stop waiting.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Open { give_up, .. } => Some(*give_up),
        }
    }
}

impl Established {
    /// A REFER came (RFC 3515 2.4.2).
    pub(super) fn referred(&mut self, transaction: ServerId, request: &Arc<Request>, desk: &mut Desk<'_>) -> Next {
        if !matches!(self.theirs, Theirs::None) {
            return reply(transaction, request, StatusCode::REQUEST_PENDING, desk);
        }
        match target(request) {
            Ok(target) => {
                self.theirs = Theirs::Asked { transaction, request: Arc::clone(request) };
                desk.tell(DialogEvent::Referred { target });
                Next::Stay
            }
            Err(status) => reply(transaction, request, status, desk),
        }
    }

    /// The call does what it was asked.
    pub(super) fn take_refer(&mut self, desk: &mut Desk<'_>) {
        match mem::replace(&mut self.theirs, Theirs::None) {
            Theirs::Asked { transaction, request } => {
                let quiet = request.headers.get(&HeaderName::ReferSub).is_some_and(|value| value.starts_with(b"false"));
                let status = if quiet { StatusCode::OK } else { StatusCode::ACCEPTED };
                let mut answer = desk.author.answer(&request, status, None);
                answer.headers.push(HeaderName::Contact, self.contact(desk));
                if quiet {
                    answer.headers.push(HeaderName::ReferSub, &b"false"[..]);
                    return desk.answer(transaction, &answer);
                }
                desk.answer(transaction, &answer);
                self.theirs = Theirs::Told(request.headers.cseq().map_or(0, |cseq| cseq.number));
                self.tell_refer(StatusCode::TRYING.as_u16(), desk);
            }
            other @ (Theirs::None | Theirs::Told(_)) => self.theirs = other,
        }
    }

    /// The call does not.
    pub(super) fn refuse_refer(&mut self, status: u16, desk: &mut Desk<'_>) {
        match mem::replace(&mut self.theirs, Theirs::None) {
            Theirs::Asked { transaction, request } => {
                let status = StatusCode::new(status).filter(|status| status.as_u16() >= 300);
                reply(transaction, &request, status.unwrap_or(StatusCode::DECLINE), desk);
            }
            other @ (Theirs::None | Theirs::Told(_)) => self.theirs = other,
        }
    }

    /// Tells the other side how its REFER goes; a final status ends that.
    pub(super) fn tell_refer(&mut self, status: u16, desk: &mut Desk<'_>) {
        let (Theirs::Told(id), Some(status)) = (&self.theirs, StatusCode::new(status)) else { return };
        let mut request = Box::new(self.core.request(Method::Notify, desk.author));
        let state = if status.is_final() { "terminated;reason=noresource" } else { "active;expires=180" };
        request.headers.push_text(HeaderName::Event, format_args!("refer;id={id}"));
        request.headers.push(HeaderName::SubscriptionState, state);
        request.headers.push(HeaderName::Contact, self.contact(desk));
        request.set_body(FRAGMENT, format!("SIP/2.0 {status} {}\r\n", status.reason_phrase()));
        desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Notify });
        if status.is_final() {
            self.theirs = Theirs::None;
        }
    }

    /// The call asks the other side to call somebody else.
    pub(super) fn refer(&mut self, now: Instant, to: NameAddr, desk: &mut Desk<'_>) {
        if matches!(self.ours, Ours::Open { .. }) {
            return desk.tell(DialogEvent::ReferNews { status: StatusCode::REQUEST_PENDING.as_u16() });
        }
        let mut request = Box::new(self.core.request(Method::Refer, desk.author));
        request.headers.push(HeaderName::Contact, self.contact(desk));
        request.headers.push(HeaderName::ReferTo, to.to_bytes());
        request.headers.push(HeaderName::ReferredBy, self.core.own_address());
        desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Refer });
        self.ours = Ours::Open { to: Box::new(to), give_up: now + PATIENCE };
    }

    /// An answer to our REFER.
    pub(super) fn refer_answered(&mut self, now: Instant, response: &Response, desk: &mut Desk<'_>) {
        let status = response.status.as_u16();
        let challenged =
            matches!(status, 401 | 407) && self.core.prover.as_mut().is_some_and(|prover| prover.challenged(response));
        if status < 300 {
            return;
        }
        match mem::replace(&mut self.ours, Ours::None) {
            Ours::Open { to, .. } if challenged => self.refer(now, *to, desk),
            Ours::Open { .. } => desk.tell(DialogEvent::ReferNews { status }),
            Ours::None => {}
        }
    }

    /// Our REFER came to nothing.
    pub(super) fn refer_unanswered(&mut self, status: u16, desk: &mut Desk<'_>) {
        if let Ours::Open { .. } = mem::replace(&mut self.ours, Ours::None) {
            desk.tell(DialogEvent::ReferNews { status });
        }
    }

    /// What came of our REFER (RFC 3515 2.4.4).
    pub(super) fn notified(&mut self, transaction: ServerId, request: &Request, desk: &mut Desk<'_>) -> Next {
        let event = request.headers.event().ok().flatten();
        if !event.is_some_and(|EventValue { package, .. }| package.eq_ignore_case("refer")) {
            return reply(transaction, request, StatusCode::BAD_EVENT, desk);
        }
        if matches!(self.ours, Ours::None) {
            return reply(transaction, request, StatusCode::NO_SUCH_TRANSACTION, desk);
        }
        reply(transaction, request, StatusCode::OK, desk);
        let told = fragment(&request.body);
        let over = request.headers.subscription_state().ok().flatten().is_some_and(|state| state.is_terminated());
        match told {
            Some(status) if status.is_final() => self.refer_unanswered(status.as_u16(), desk),
            // It will say no more.
            _ if over => self.refer_unanswered(StatusCode::REQUEST_TIMEOUT.as_u16(), desk),
            Some(status) => desk.tell(DialogEvent::ReferNews { status: status.as_u16() }),
            None => {}
        }
        Next::Stay
    }

    fn contact(&self, desk: &Desk<'_>) -> Bytes {
        self.core.contact(desk.author)
    }
}

/// Whom a REFER names; else the status that refuses it.
fn target(request: &Request) -> Result<ReferTarget, StatusCode> {
    let headers = &request.headers;
    let Ok(Some(refer_to)) = headers.refer_to() else { return Err(StatusCode::BAD_REQUEST) };
    let referred_by = headers.get(&HeaderName::ReferredBy).map(|value| String::from_utf8_lossy(value).into_owned());
    let user = refer_to.uri.user_decoded().unwrap_or_default();
    let mut uri = refer_to.uri;
    let mut replaces = None;
    match &mut uri {
        Uri::Sip(sip) => {
            if sip.params.text("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
                return Err(StatusCode::DECLINE);
            }
            let wanted = |(name, _): &&(Bytes, Bytes)| name.eq_ignore_ascii_case(b"Replaces");
            let value = sip.headers.iter().find(wanted).map(|(_, value)| unescape_percent(value).into_owned());
            replaces = value.map(|value| String::from_utf8(value).map_err(|_| StatusCode::BAD_REQUEST)).transpose()?;
            sip.params.remove("method");
            sip.headers.clear();
        }
        Uri::Tel(_) => {}
        Uri::Other { .. } => return Err(StatusCode::UNSUPPORTED_URI_SCHEME),
    }
    Ok(ReferTarget {
        uri: uri.to_string().into(),
        user: user.into(),
        replaces,
        referred_by: referred_by.map(Into::into),
    })
}

/// The status in a message/sipfrag.
fn fragment(body: &[u8]) -> Option<StatusCode> {
    let rest = body.strip_prefix(b"SIP/2.0 ")?;
    let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
    StatusCode::new(digits.parse().ok()?)
}
