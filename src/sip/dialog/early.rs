//! Requests of the other side while our INVITE is not answered (RFC 3261 12.2.2; RFC 3311 5.2). A PBX says by UPDATE whose
//! telephone rings, or changes the session that a reliable answer has agreed on: early media from somewhere else, another codec.
//!
//! One offer at a time, of whichever branch: the call has one leg. What the call answers is the branch's session from then on.

use std::sync::Arc;

use bytes::Bytes;

use super::Desk;
use super::established::{is_sdp, later, refusal, reply, unsupported_body};
use super::forks::Forks;
use super::uac::Invitation;
use crate::sip::event::{DialogEvent, SdpBody};
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::HeaderName;
use crate::wire::sip::message::{Method, Request, StatusCode};

/// An UPDATE whose offer the call has to answer.
#[derive(Debug)]
pub(super) struct EarlyOffer {
    transaction: ServerId,
    request: Arc<Request>,
}

/// A request within an early dialog.
pub(super) fn request(
    offer: &mut Option<EarlyOffer>,
    forks: &mut Forks,
    invitation: &Invitation,
    (transaction, request): (ServerId, &Arc<Request>),
    desk: &mut Desk<'_>,
) {
    let fork = forks.get(&remote_tag(request));
    let agreed = fork.as_ref().is_some_and(|fork| fork.has_agreed());
    let Some(fork) = fork else {
        reply(transaction, request, StatusCode::NO_SUCH_TRANSACTION, desk);
        return;
    };
    if let Some(refusal) = refusal(&mut fork.core, request, desk) {
        return desk.answer(transaction, &refusal);
    }
    match request.method {
        Method::Update if request.body.is_empty() => {
            fork.core.refresh_target(&request.headers);
            let answer = accepted(invitation, request, desk);
            desk.answer(transaction, &answer);
        }
        Method::Update if !is_sdp(request) => {
            unsupported_body(transaction, request, desk);
        }
        // Ours, in the INVITE, is not answered for good.
        Method::Update if !agreed => {
            reply(transaction, request, StatusCode::REQUEST_PENDING, desk);
        }
        // One of theirs is not answered yet.
        Method::Update if offer.is_some() => {
            later(transaction, request, desk);
        }
        Method::Update => {
            fork.core.refresh_target(&request.headers);
            desk.tell(DialogEvent::Offered { sdp: SdpBody::from(&request.body[..]) });
            *offer = Some(EarlyOffer { transaction, request: Arc::clone(request) });
        }
        Method::Options | Method::Info => {
            reply(transaction, request, StatusCode::OK, desk);
        }
        Method::Bye | Method::Prack => {
            reply(transaction, request, StatusCode::NO_SUCH_TRANSACTION, desk);
        }
        _ => {
            reply(transaction, request, StatusCode::METHOD_NOT_ALLOWED, desk);
        }
    }
}

impl EarlyOffer {
    /// The call's answer.
    pub(super) fn answered(self, forks: &mut Forks, invitation: &Invitation, sdp: &SdpBody, desk: &mut Desk<'_>) {
        if let Some(fork) = forks.get(&remote_tag(&self.request)) {
            fork.agree(SdpBody::from(&self.request.body[..]));
        }
        let mut answer = accepted(invitation, &self.request, desk);
        answer.set_body("application/sdp", Bytes::copy_from_slice(sdp));
        desk.answer(self.transaction, &answer);
    }

    /// The call does not take it; the session goes on as it was.
    pub(super) fn refused(self, status: u16, desk: &mut Desk<'_>) {
        let status = StatusCode::new(status).filter(|status| status.as_u16() >= 300);
        reply(self.transaction, &self.request, status.unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE), desk);
    }

    /// The INVITE has ended before the call answered: it may come again.
    pub(super) fn overtaken(self, desk: &mut Desk<'_>) {
        later(self.transaction, &self.request, desk);
    }
}

fn remote_tag(request: &Request) -> String {
    let from = request.headers.from().ok();
    from.as_ref().and_then(|from| from.tag()).unwrap_or_default().to_owned()
}

/// 200 that refreshes the target: with Contact (RFC 3311 5.2).
fn accepted(invitation: &Invitation, request: &Request, desk: &Desk<'_>) -> crate::wire::sip::message::Response {
    let mut answer = desk.author.answer(request, StatusCode::OK, None);
    let contact = invitation.contact(desk.author);
    answer.headers.push(HeaderName::Contact, contact);
    answer
}
