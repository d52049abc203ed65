//! The side that was called.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::core::Core;
use super::established::{Established, Next, reply};
use super::offered::{After, Offered};
use super::{Desk, DialogInput, DialogOutput, Purpose, Standing};
use crate::sip::digest::client::Credentials;
use crate::sip::event::DialogEvent;
use crate::sip::flow::Flow;
use crate::sip::transaction::ServerId;
use crate::wire::sip::header::{HeaderName, NameAddr};
use crate::wire::sip::message::{Method, Request, StatusCode};

/// See the module.
#[derive(Debug)]
pub struct Uas {
    local_tag: String,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The call has not decided.
    Offered(Box<Offered>),
    /// Answered with 2xx.
    Up(Box<Established>),
    /// Our BYE is under way; true where the call does not know of the end yet.
    Leaving(Box<Core>, bool),
    Over(Flow),
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
        let offered = Box::new(Offered::new(core, invite, transaction, local_tag.clone()));
        Some(Self { local_tag, state: Stage::Offered(offered) })
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: DialogInput<'_>, desk: &mut Desk<'_>) {
        let over = Stage::Over(self.flow());
        self.state = match mem::replace(&mut self.state, over) {
            Stage::Offered(offered) => match offered.handle(now, input, desk) {
                After::Stay(offered) => Stage::Offered(offered),
                After::Up(established) => Stage::Up(established),
                After::Over(flow) => Stage::Over(flow),
            },
            Stage::Up(established) => up(now, input, established, desk),
            Stage::Leaving(core, untold) => leaving(input, core, untold, desk),
            Stage::Over(flow) => Stage::Over(flow),
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            Stage::Up(established) => established.deadline(),
            Stage::Offered(offered) => offered.deadline(),
            Stage::Leaving(..) | Stage::Over(_) => None,
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

    /// How far it has come.
    pub fn standing(&self) -> Standing {
        match &self.state {
            Stage::Offered(_) => Standing::Offered,
            Stage::Up(_) => Standing::Up,
            Stage::Leaving(..) | Stage::Over(_) => Standing::Over,
        }
    }

    /// Its core, once answered.
    pub fn core(&self) -> Option<&Core> {
        match &self.state {
            Stage::Up(established) => Some(&established.core),
            Stage::Offered(_) | Stage::Leaving(..) | Stage::Over(_) => None,
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
}

fn up(now: Instant, input: DialogInput<'_>, mut established: Box<Established>, desk: &mut Desk<'_>) -> Stage {
    let next = established.handle(now, input, desk);
    match next {
        Next::Stay => Stage::Up(established),
        Next::Leaving => Stage::Leaving(Box::new(established.core), true),
        Next::LeavingTold => Stage::Leaving(Box::new(established.core), false),
        Next::Gone => Stage::Over(established.core.flow),
    }
}

fn leaving(input: DialogInput<'_>, mut core: Box<Core>, untold: bool, desk: &mut Desk<'_>) -> Stage {
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
        | DialogInput::Refer(_)
        | DialogInput::Timeout => None,
    }
}
