//! The side that calls: one INVITE, its answers, and the one dialog that comes of it. Further 2xx of a fork are
//! acknowledged and ended at once (RFC 3261 13.2.2.4); a repeated 2xx gets its ACK again.

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::core::Core;
use super::early::{self, EarlyOffer};
use super::established::{Established, Next, reply, sdp_of};
use super::forks::{Forks, Heard};
use super::uas::after_bye;
use super::{Desk, DialogInput, DialogOutput, Purpose, Standing, is_secure, session};
use crate::deadline::is_due;
use crate::sip::author::Author;
use crate::sip::digest::client::Prover;
use crate::sip::event::{DialogEvent, DialogOrder, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::timers::GIVE_UP;
use crate::wire::sip::header::{CSeq, HeaderName};
use crate::wire::sip::message::{Method, Request, Response, StatusCode};

/// See the module.
#[derive(Debug)]
pub struct Uac {
    invitation: Invitation,
    forks: Forks,
    offer: Option<EarlyOffer>,
    state: Stage,
}

/// Our INVITE and what is known of it.
#[derive(Debug)]
pub struct Invitation {
    /// Where it goes.
    pub flow: Flow,
    /// The INVITE without Via.
    pub request: Request,
    /// Our tag in it.
    pub local_tag: String,
    /// User part of our Contact.
    pub user: Option<String>,
    /// Answers challenges.
    pub prover: Option<Prover>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing heard yet.
    Calling,
    /// Nothing heard yet, and the call has hung up: CANCEL waits for a provisional answer (9.1).
    CallingHungUp,
    /// A provisional answer came.
    Proceeding,
    /// CANCEL was sent.
    Cancelling {
        give_up: Instant,
    },
    /// Answered.
    Up {
        established: Box<Established>,
        ack: Ack,
    },
    /// Our BYE is under way; `untold` where the call does not know of the end yet.
    Leaving {
        core: Box<Core>,
        ack: Ack,
        untold: bool,
    },
    /// The dialog is gone; its INVITE may still be answered by a branch of a fork.
    Lingering {
        ack: Ack,
    },
    Over,
}

/// The ACK of the branch that answered first, and the state of the INVITE's transaction.
#[derive(Debug)]
struct Ack {
    remote_tag: String,
    bytes: Bytes,
    /// True while more 2xx may come.
    open: bool,
}

impl Invitation {
    pub(super) fn contact(&self, author: &Author) -> Bytes {
        author.contact(self.flow, self.user.as_deref(), is_secure(&self.request.uri))
    }

    /// The dialog that an answer with a tag makes.
    pub(super) fn dialog(&self, response: &Response) -> Option<Core> {
        let mut core = Core::of_answer(self.flow, &self.request, response, self.user.clone())?;
        core.prover.clone_from(&self.prover);
        Some(core)
    }
}

impl Uac {
    /// Sends the INVITE.
    pub fn new(invitation: Invitation, desk: &mut Desk<'_>) -> Self {
        desk.out.push(DialogOutput::Ask { request: Box::new(invitation.request.clone()), purpose: Purpose::Invite });
        Self { invitation, forks: Forks::default(), offer: None, state: Stage::Calling }
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.invitation.local_tag
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) {
        self.state = match mem::replace(&mut self.state, Stage::Over) {
            Stage::Calling => self.calling(now, input, desk),
            Stage::CallingHungUp => self.calling_hung_up(now, input, desk),
            Stage::Proceeding => self.proceeding(now, input, desk),
            Stage::Cancelling { give_up } => self.cancelling(now, input, give_up, desk),
            Stage::Up { established, ack } => self.up(now, input, established, ack, desk),
            Stage::Leaving { core, ack, untold } => self.leaving(input, core, ack, untold, desk),
            Stage::Lingering { ack } => self.lingering(input, ack, desk),
            Stage::Over => Stage::Over,
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            Stage::Cancelling { give_up } => Some(*give_up),
            Stage::Up { established, .. } => established.deadline(),
            Stage::Calling
            | Stage::CallingHungUp
            | Stage::Proceeding
            | Stage::Leaving { .. }
            | Stage::Lingering { .. }
            | Stage::Over => None,
        }
    }

    /// True where nothing more can come of it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, Stage::Over)
    }

    /// Where its messages go.
    pub fn flow(&self) -> Flow {
        self.invitation.flow
    }

    /// True where this is the Call-ID of our INVITE.
    pub fn has_called(&self, call_id: &[u8]) -> bool {
        self.invitation.request.headers.get(&HeaderName::CallId).is_some_and(|own| own == call_id)
    }

    /// How far it has come.
    pub fn standing(&self) -> Standing {
        match &self.state {
            Stage::Calling | Stage::Proceeding => Standing::Ringing,
            Stage::Up { .. } => Standing::Up,
            Stage::CallingHungUp
            | Stage::Cancelling { .. }
            | Stage::Leaving { .. }
            | Stage::Lingering { .. }
            | Stage::Over => Standing::Over,
        }
    }

    /// Its core, once answered.
    pub fn core(&self) -> Option<&Core> {
        match &self.state {
            Stage::Up { established, .. } => Some(&established.core),
            Stage::Calling
            | Stage::CallingHungUp
            | Stage::Proceeding
            | Stage::Cancelling { .. }
            | Stage::Leaving { .. }
            | Stage::Lingering { .. }
            | Stage::Over => None,
        }
    }

    /// True where a message belongs here.
    pub fn matches(&self, call_id: &[u8], remote_tag: &str) -> bool {
        match &self.state {
            Stage::Up { established, .. } => established.core.matches(call_id, remote_tag),
            Stage::Leaving { core, .. } => core.matches(call_id, remote_tag),
            Stage::Proceeding => self.forks.matches(call_id, remote_tag),
            Stage::Calling
            | Stage::CallingHungUp
            | Stage::Cancelling { .. }
            | Stage::Lingering { .. }
            | Stage::Over => false,
        }
    }

    fn calling(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) -> Stage {
        match input {
            DialogInput::Order(DialogOrder::HangUp) => Stage::CallingHungUp,
            DialogInput::Response { purpose: Purpose::Invite, response } => self.answered(now, response, desk),
            DialogInput::NoAnswer { purpose: Purpose::Invite, status } => refused(status, desk),
            other => stray(other, Stage::Calling, desk),
        }
    }

    fn calling_hung_up(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) -> Stage {
        match input {
            DialogInput::Response { purpose: Purpose::Invite, response } if response.status.is_provisional() => {
                cancel(now, desk)
            }
            DialogInput::Response { purpose: Purpose::Invite, response } => self.answered_too_late(response, desk),
            DialogInput::NoAnswer { purpose: Purpose::Invite, status } => refused(status, desk),
            other => stray(other, Stage::CallingHungUp, desk),
        }
    }

    fn proceeding(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) -> Stage {
        match input {
            DialogInput::Order(DialogOrder::HangUp) => {
                self.overtaken(desk);
                cancel(now, desk)
            }
            DialogInput::Response { purpose: Purpose::Invite, response } => self.answered(now, response, desk),
            DialogInput::Response { purpose: Purpose::Prack, response } => {
                if matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
                    self.forks.challenged(&self.invitation, response, desk);
                }
                Stage::Proceeding
            }
            DialogInput::NoAnswer { purpose: Purpose::Invite, status } => {
                self.overtaken(desk);
                refused(status, desk)
            }
            DialogInput::Request { transaction, request } => {
                let Self { invitation, forks, offer, .. } = self;
                early::request(offer, forks, invitation, (transaction, request), desk);
                Stage::Proceeding
            }
            DialogInput::Order(DialogOrder::AnswerOffer { sdp }) => {
                if let Some(offer) = self.offer.take() {
                    offer.answered(&mut self.forks, &self.invitation, &sdp, desk);
                }
                Stage::Proceeding
            }
            DialogInput::Order(DialogOrder::RefuseOffer { status }) => {
                if let Some(offer) = self.offer.take() {
                    offer.refused(status, desk);
                }
                Stage::Proceeding
            }
            other => stray(other, Stage::Proceeding, desk),
        }
    }

    fn cancelling(&mut self, now: Instant, input: DialogInput<'_>, give_up: Instant, desk: &mut Desk<'_>) -> Stage {
        match input {
            DialogInput::Response { purpose: Purpose::Invite, response } if response.status.is_final() => {
                self.answered_too_late(response, desk)
            }
            DialogInput::NoAnswer { purpose: Purpose::Invite, status } => refused(status, desk),
            DialogInput::Timeout if is_due(Some(give_up), now) => {
                desk.out.push(DialogOutput::Abandon(Purpose::Invite));
                refused(StatusCode::REQUEST_TERMINATED.as_u16(), desk)
            }
            other => stray(other, Stage::Cancelling { give_up }, desk),
        }
    }

    /// An early offer that waits for the call will not be answered.
    fn overtaken(&mut self, desk: &mut Desk<'_>) {
        if let Some(offer) = self.offer.take() {
            offer.overtaken(desk);
        }
    }

    /// An answer to the INVITE while the call wants it.
    fn answered(&mut self, now: Instant, response: &Response, desk: &mut Desk<'_>) -> Stage {
        if response.status.is_final() {
            self.overtaken(desk);
        }
        match response.status.as_u16() {
            status @ ..200 => {
                let heard = self.forks.provisional(&self.invitation, response, desk);
                if let (180 | 183, Heard::News(sdp)) = (status, heard) {
                    desk.tell(DialogEvent::Ringing { sdp });
                }
                Stage::Proceeding
            }
            200..300 => match self.acknowledge(response, desk) {
                Some((core, sdp, ack)) => {
                    let established = Box::new(Established::reached(now, core, response));
                    desk.tell(DialogEvent::Answered { sdp });
                    Stage::Up { established, ack }
                }
                None => refused(StatusCode::BAD_GATEWAY.as_u16(), desk),
            },
            401 | 407 => match self.signed_again(response, desk) {
                Some(request) => {
                    let request = Box::new(request);
                    desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Invite });
                    self.forks = Forks::default();
                    Stage::Calling
                }
                None => refused(response.status.as_u16(), desk),
            },
            422 => match self.longer(response, desk) {
                Some(request) => {
                    desk.out.push(DialogOutput::Ask { request: Box::new(request), purpose: Purpose::Invite });
                    self.forks = Forks::default();
                    Stage::Calling
                }
                None => refused(response.status.as_u16(), desk),
            },
            status => refused(status, desk),
        }
    }

    /// A final answer after the call has hung up.
    fn answered_too_late(&mut self, response: &Response, desk: &mut Desk<'_>) -> Stage {
        if !response.status.is_success() {
            return refused(response.status.as_u16(), desk);
        }
        match self.acknowledge(response, desk) {
            Some((mut core, _, ack)) => {
                let request = Box::new(core.request(Method::Bye, desk.author));
                desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Bye });
                Stage::Leaving { core: Box::new(core), ack, untold: true }
            }
            None => refused(StatusCode::BAD_GATEWAY.as_u16(), desk),
        }
    }

    /// The dialog that a 2xx makes, and the answer to our offer; its ACK is sent.
    fn acknowledge(&mut self, response: &Response, desk: &mut Desk<'_>) -> Option<(Core, Option<SdpBody>, Ack)> {
        let mut core = self.invitation.dialog(response)?;
        let fork = self.forks.take(core.remote_tag());
        if let Some(fork) = &fork {
            core.continues(&fork.core);
        }
        let sdp = fork.map_or_else(|| sdp_of(response), |fork| fork.answer(response));
        let bytes = core.ack(&self.invitation.request, desk.author);
        desk.out.push(DialogOutput::Transmit(bytes.clone()));
        let remote_tag = core.remote_tag().to_owned();
        Some((core, sdp, Ack { remote_tag, bytes, open: true }))
    }

    /// The INVITE again with credentials and the next number (22.2).
    fn signed_again(&mut self, response: &Response, desk: &mut Desk<'_>) -> Option<Request> {
        let Invitation { request, prover, .. } = &mut self.invitation;
        let prover = prover.as_mut().filter(|_| response.status.as_u16() > 400)?;
        if !prover.challenged(response) {
            return None;
        }
        let number = request.headers.cseq().ok()?.number + 1;
        request.headers.set_text(HeaderName::CSeq, CSeq { number, method: Method::Invite });
        prover.sign(request, desk.author);
        Some(request.clone())
    }

    /// The INVITE again with the interval that a 422 asks for (RFC 4028 7.4). It grows each time, so that this ends.
    fn longer(&mut self, response: &Response, desk: &mut Desk<'_>) -> Option<Request> {
        let Invitation { request, prover, .. } = &mut self.invitation;
        session::ask_again(request, response)?;
        let number = request.headers.cseq().ok()?.number + 1;
        request.headers.set_text(HeaderName::CSeq, CSeq { number, method: Method::Invite });
        if let Some(prover) = prover {
            prover.sign(request, desk.author);
        }
        Some(request.clone())
    }

    /// A 2xx after the first: repeated, or of another branch.
    fn again(&mut self, response: &Response, ack: &Ack, desk: &mut Desk<'_>) {
        if !response.status.is_success() {
            return;
        }
        let same = response.headers.to().is_ok_and(|to| to.tag().unwrap_or_default() == ack.remote_tag);
        if same {
            desk.out.push(DialogOutput::Transmit(ack.bytes.clone()));
        } else if let Some((mut core, ..)) = self.acknowledge(response, desk) {
            let request = Box::new(core.request(Method::Bye, desk.author));
            desk.out.push(DialogOutput::Ask { request, purpose: Purpose::ExtraBye });
        }
    }

    fn up(
        &mut self,
        now: Instant,
        input: DialogInput<'_>,
        mut established: Box<Established>,
        mut ack: Ack,
        desk: &mut Desk<'_>,
    ) -> Stage {
        let next = match input {
            DialogInput::Response { purpose: Purpose::Invite, response } => {
                self.again(response, &ack, desk);
                Next::Stay
            }
            DialogInput::InviteClosed => {
                ack.open = false;
                Next::Stay
            }
            other => established.handle(now, other, desk),
        };
        match next {
            Next::Stay => Stage::Up { established, ack },
            Next::Leaving => Stage::Leaving { core: Box::new(established.core), ack, untold: true },
            Next::LeavingTold => Stage::Leaving { core: Box::new(established.core), ack, untold: false },
            Next::Gone => linger(ack),
        }
    }

    fn leaving(
        &mut self,
        input: DialogInput<'_>,
        mut core: Box<Core>,
        mut ack: Ack,
        untold: bool,
        desk: &mut Desk<'_>,
    ) -> Stage {
        match input {
            DialogInput::Response { purpose: Purpose::Invite, response } => self.again(response, &ack, desk),
            DialogInput::InviteClosed => ack.open = false,
            other => {
                if let Some(lost) = after_bye(other, &mut core, desk) {
                    if untold {
                        desk.tell(DialogEvent::Ended { lost });
                    }
                    return linger(ack);
                }
            }
        }
        Stage::Leaving { core, ack, untold }
    }

    fn lingering(&mut self, input: DialogInput<'_>, ack: Ack, desk: &mut Desk<'_>) -> Stage {
        match input {
            DialogInput::InviteClosed => Stage::Over,
            DialogInput::Response { purpose: Purpose::Invite, response } => {
                self.again(response, &ack, desk);
                Stage::Lingering { ack }
            }
            other => stray(other, Stage::Lingering { ack }, desk),
        }
    }
}

fn linger(ack: Ack) -> Stage {
    if ack.open { Stage::Lingering { ack } } else { Stage::Over }
}

fn cancel(now: Instant, desk: &mut Desk<'_>) -> Stage {
    desk.out.push(DialogOutput::Cancel(Purpose::Invite));
    Stage::Cancelling { give_up: now + GIVE_UP }
}

fn refused(status: u16, desk: &mut Desk<'_>) -> Stage {
    desk.tell(DialogEvent::Refused { status });
    Stage::Over
}

/// What changes nothing; a request is told that there is no dialog for it.
fn stray(input: DialogInput<'_>, state: Stage, desk: &mut Desk<'_>) -> Stage {
    match input {
        DialogInput::Request { transaction, request } => {
            reply(transaction, request, StatusCode::NO_SUCH_TRANSACTION, desk);
        }
        DialogInput::Order(_)
        | DialogInput::Ack(_)
        | DialogInput::Cancel { .. }
        | DialogInput::Response { .. }
        | DialogInput::NoAnswer { .. }
        | DialogInput::InviteClosed
        | DialogInput::Unreachable
        | DialogInput::Refer(_)
        | DialogInput::Timeout => {}
    }
    state
}
