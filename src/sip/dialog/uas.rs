//! The side that was called.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::core::Core;
use super::established::{Established, Next, reply};
use super::session::SessionTimer;
use super::{Desk, DialogInput, DialogOutput, Purpose};
use crate::sip::digest::client::Credentials;
use crate::sip::event::{DialogEvent, DialogOrder, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::{HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, Response, StatusCode};

/// See the module.
#[derive(Debug)]
pub struct Uas {
    local_tag: String,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The call has not decided.
    Offered(Offered),
    /// Answered with 2xx.
    Up(Established),
    /// Our BYE is under way; true where the call does not know of the end yet.
    Leaving(Core, bool),
    Over(Flow),
}

#[derive(Debug)]
struct Offered {
    core: Core,
    invite: Arc<Request>,
    transaction: ServerId,
}

impl Uas {
    /// For an INVITE that was checked; `None` where it lacks what makes a dialog.
    pub fn new(
        flow: Flow,
        invite: Arc<Request>,
        transaction: ServerId,
        local_tag: String,
        credentials: Option<Credentials>,
    ) -> Option<Self> {
        let to = NameAddr::parse(invite.headers.get(&HeaderName::To)?)?;
        let mut core = Core::of_invite(flow, &invite, to.with_tag(&local_tag).to_bytes())?;
        core.prover = credentials.map(crate::sip::digest::client::Prover::new);
        Some(Self { local_tag, state: Stage::Offered(Offered { core, invite, transaction }) })
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) {
        let over = Stage::Over(self.flow());
        self.state = match mem::replace(&mut self.state, over) {
            Stage::Offered(offered) => self.offered(now, input, offered, desk),
            Stage::Up(established) => up(now, input, established, desk),
            Stage::Leaving(core, untold) => leaving(input, core, untold, desk),
            Stage::Over(flow) => Stage::Over(flow),
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            Stage::Up(established) => established.deadline(),
            Stage::Offered(_) | Stage::Leaving(..) | Stage::Over(_) => None,
        }
    }

    /// True where nothing more can come of it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, Stage::Over(_))
    }

    /// Where its messages go.
    pub fn flow(&self) -> Flow {
        match &self.state {
            Stage::Offered(offered) => offered.core.flow,
            Stage::Up(established) => established.core.flow,
            Stage::Leaving(core, _) => core.flow,
            Stage::Over(flow) => *flow,
        }
    }

    /// True where a message belongs here.
    pub fn matches(&self, call_id: &[u8], remote_tag: &str) -> bool {
        match &self.state {
            Stage::Offered(offered) => offered.core.matches(call_id, remote_tag),
            Stage::Up(established) => established.core.matches(call_id, remote_tag),
            Stage::Leaving(core, _) => core.matches(call_id, remote_tag),
            Stage::Over(_) => false,
        }
    }

    fn offered(&self, now: Instant, input: DialogInput<'_>, mut offered: Offered, desk: &mut Desk<'_>) -> Stage {
        match input {
            DialogInput::Order(order) => self.offered_order(now, order, offered, desk),
            DialogInput::Request { transaction, request } => match request.method {
                // A caller may end an early dialog with BYE (15).
                Method::Bye => {
                    reply(transaction, request, StatusCode::OK, desk);
                    self.cancel(offered, desk)
                }
                Method::Update | Method::Invite => {
                    // RFC 3311 5.2, RFC 3261 14.2: the first offer is not answered yet.
                    let seconds = desk.author.below(10);
                    let status = StatusCode::SERVER_INTERNAL_ERROR;
                    let answer = desk.author.answer_later(request, status, None, seconds);
                    desk.answer(transaction, &answer);
                    Stage::Offered(offered)
                }
                _ => {
                    offered.core.accept_seq(request.headers.cseq().map_or(0, |cseq| cseq.number));
                    let known = matches!(request.method, Method::Info | Method::Options);
                    let status = if known { StatusCode::OK } else { StatusCode::METHOD_NOT_ALLOWED };
                    reply(transaction, request, status, desk);
                    Stage::Offered(offered)
                }
            },
            DialogInput::Cancel { transaction } if transaction == offered.transaction => self.cancel(offered, desk),
            DialogInput::Unreachable => {
                desk.tell(DialogEvent::Cancelled);
                Stage::Over(offered.core.flow)
            }
            DialogInput::Cancel { .. }
            | DialogInput::Ack(_)
            | DialogInput::Response { .. }
            | DialogInput::NoAnswer { .. }
            | DialogInput::InviteClosed
            | DialogInput::Timeout => Stage::Offered(offered),
        }
    }

    fn cancel(&self, offered: Offered, desk: &mut Desk<'_>) -> Stage {
        self.refuse(&offered, StatusCode::REQUEST_TERMINATED, desk);
        desk.tell(DialogEvent::Cancelled);
        Stage::Over(offered.core.flow)
    }

    fn offered_order(&self, now: Instant, order: DialogOrder, offered: Offered, desk: &mut Desk<'_>) -> Stage {
        match order {
            DialogOrder::Ring => {
                let answer = self.compose(&offered, StatusCode::RINGING, None, desk);
                desk.answer(offered.transaction, &answer);
                Stage::Offered(offered)
            }
            DialogOrder::Progress { sdp } => {
                let answer = self.compose(&offered, StatusCode::SESSION_PROGRESS, Some(&sdp), desk);
                desk.answer(offered.transaction, &answer);
                Stage::Offered(offered)
            }
            DialogOrder::Answer { sdp } => {
                let mut answer = self.compose(&offered, StatusCode::OK, Some(&sdp), desk);
                if let Some(session) = SessionTimer::of_request(now, &offered.invite.headers) {
                    session.describe(&mut answer);
                }
                desk.answer(offered.transaction, &answer);
                let Offered { core, invite, transaction } = offered;
                Stage::Up(Established::answered(now, core, &invite, transaction, answer.to_bytes()))
            }
            DialogOrder::Refuse { status } => {
                let status = StatusCode::new(status).filter(|status| status.as_u16() >= 300);
                self.end_early(offered, status.unwrap_or(StatusCode::DECLINE), desk)
            }
            DialogOrder::HangUp => self.end_early(offered, StatusCode::DECLINE, desk),
            DialogOrder::Invite { .. }
            | DialogOrder::AnswerOffer { .. }
            | DialogOrder::RefuseOffer { .. }
            | DialogOrder::Offer { .. } => Stage::Offered(offered),
        }
    }

    fn end_early(&self, offered: Offered, status: StatusCode, desk: &mut Desk<'_>) -> Stage {
        self.refuse(&offered, status, desk);
        desk.tell(DialogEvent::Ended { lost: false });
        Stage::Over(offered.core.flow)
    }

    fn refuse(&self, offered: &Offered, status: StatusCode, desk: &mut Desk<'_>) {
        let answer = desk.author.answer(&offered.invite, status, Some(&self.local_tag));
        desk.answer(offered.transaction, &answer);
    }

    /// An answer that makes or keeps the dialog (12.1.1): with Contact.
    fn compose(&self, offered: &Offered, status: StatusCode, sdp: Option<&SdpBody>, desk: &Desk<'_>) -> Response {
        let mut answer = desk.author.answer(&offered.invite, status, Some(&self.local_tag));
        let contact = desk.author.contact(offered.core.flow, offered.core.user.as_deref());
        answer.headers.push(HeaderName::Contact, contact);
        if let Some(sdp) = sdp {
            answer.set_body("application/sdp", Bytes::copy_from_slice(sdp));
        }
        answer
    }
}

fn up(now: Instant, input: DialogInput<'_>, mut established: Established, desk: &mut Desk<'_>) -> Stage {
    let next = established.handle(now, input, desk);
    match next {
        Next::Stay => Stage::Up(established),
        Next::Leaving => Stage::Leaving(established.core, true),
        Next::LeavingTold => Stage::Leaving(established.core, false),
        Next::Gone => Stage::Over(established.core.flow),
    }
}

fn leaving(input: DialogInput<'_>, mut core: Core, untold: bool, desk: &mut Desk<'_>) -> Stage {
    match after_bye(input, &mut core, desk) {
        None => Stage::Leaving(core, untold),
        Some(lost) => {
            if untold {
                desk.tell(DialogEvent::Ended { lost });
            }
            Stage::Over(core.flow)
        }
    }
}

/// One step of a dialog whose BYE is under way; `Some` when that has ended, true where nobody answered.
pub(super) fn after_bye(input: DialogInput<'_>, core: &mut Core, desk: &mut Desk<'_>) -> Option<bool> {
    match input {
        DialogInput::Response { purpose: Purpose::Bye, response } if response.status.is_final() => {
            let challenge =
                matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
            if challenge && core.prover.as_mut().is_some_and(|prover| prover.challenged(response)) {
                let request = Box::new(core.request(Method::Bye, desk.author));
                desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Bye });
                return None;
            }
            Some(false)
        }
        DialogInput::NoAnswer { purpose: Purpose::Bye, .. } => Some(true),
        DialogInput::Request { transaction, request } => {
            // Both hung up at once: theirs is as good as ours.
            let bye = request.method == Method::Bye;
            let status = if bye { StatusCode::OK } else { StatusCode::NO_SUCH_TRANSACTION };
            reply(transaction, request, status, desk);
            None
        }
        DialogInput::Order(_)
        | DialogInput::Ack(_)
        | DialogInput::Cancel { .. }
        | DialogInput::Response { .. }
        | DialogInput::NoAnswer { .. }
        | DialogInput::InviteClosed
        | DialogInput::Unreachable
        | DialogInput::Timeout => None,
    }
}
