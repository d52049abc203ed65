//! Early dialogs of our INVITE (RFC 3261 12.1, 13.2.2.1): one a branch of a fork, each with its own numbers, its PRACKs
//! (RFC 3262 4) and its session description. A branch that a proxy tells to be over (199, RFC 6228) is forgotten.

use super::core::Core;
use super::established::sdp_of;
use super::uac::Invitation;
use super::{Desk, DialogOutput, Purpose};
use crate::sip::event::SdpBody;
use crate::wire::sip::header::{CSeq, HeaderName, RAck};
use crate::wire::sip::message::{Method, Response, StatusCode};

/// Branches of one INVITE that are kept. Of more it is only told that they ring; a 2xx of theirs counts like any other.
const MAX_FORKS: usize = 8;

/// One branch.
#[derive(Debug)]
pub(super) struct Fork {
    /// Its early dialog.
    pub(super) core: Core,
    /// Of its last reliable answer.
    rseq: Option<u32>,
    described: Option<Described>,
}

#[derive(Debug)]
struct Described {
    sdp: SdpBody,
    /// True where it was acknowledged: then it is the answer, and no later one counts.
    reliable: bool,
}

impl Fork {
    /// The answer to our offer when this branch has picked up: of its 2xx, unless there is one already.
    pub(super) fn answer(&self, response: &Response) -> Option<SdpBody> {
        let early = || self.described.as_ref().map(|described| described.sdp.clone());
        if self.has_agreed() {
            return early();
        }
        // Some leave it out of the 2xx after a 183 that was not reliable.
        sdp_of(response).or_else(early)
    }

    /// A later offer of theirs has taken the place of their answer.
    pub(super) fn agree(&mut self, sdp: SdpBody) {
        self.described = Some(Described { sdp, reliable: true });
    }

    /// True where offer and answer are exchanged already.
    pub(super) fn has_agreed(&self) -> bool {
        self.described.as_ref().is_some_and(|described| described.reliable)
    }
}

/// What a provisional answer says to the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing new.
    Nothing,
    /// Something, perhaps a session description.
    News(Option<SdpBody>),
}

/// All branches.
#[derive(Debug, Default)]
pub(super) struct Forks(Vec<Fork>);

impl Forks {
    /// True where a message belongs to one of them.
    pub(super) fn matches(&self, call_id: &[u8], remote_tag: &str) -> bool {
        self.0.iter().any(|fork| fork.core.matches(call_id, remote_tag))
    }

    /// The branch with this tag.
    pub(super) fn get(&mut self, remote_tag: &str) -> Option<&mut Fork> {
        self.0.iter_mut().find(|fork| fork.core.remote_tag() == remote_tag)
    }

    /// Takes the branch with this tag out.
    pub(super) fn take(&mut self, remote_tag: &str) -> Option<Fork> {
        let place = self.0.iter().position(|fork| fork.core.remote_tag() == remote_tag)?;
        let fork = self.0.swap_remove(place);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(fork)
    }

    /// Notes a provisional answer; acknowledges a reliable one.
    pub(super) fn provisional(&mut self, invitation: &Invitation, response: &Response, desk: &mut Desk<'_>) -> Heard {
        let to = response.headers.to().ok();
        let Some(tag) = to.as_ref().and_then(|to| to.tag()) else { return Heard::News(sdp_of(response)) };
        if response.status == StatusCode::EARLY_DIALOG_TERMINATED {
            self.take(tag);
            return Heard::Nothing;
        }
        if self.get(tag).is_none()
            && self.0.len() < MAX_FORKS
            && let Some(core) = invitation.dialog(response)
        {
            self.0.push(Fork { core, rseq: None, described: None });
        }
        let Some(fork) = self.get(tag) else { return Heard::News(None) };
        let reliable = response.headers.require().iter().any(|tag| tag.eq_ignore_case("100rel"));
        let rseq = response.headers.rseq().ok().flatten().filter(|_| reliable);
        if let Some(rseq) = rseq {
            // RFC 3262 4: repeats and gaps get no PRACK.
            if fork.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return Heard::Nothing;
            }
            fork.rseq = Some(rseq);
            acknowledge(fork, invitation, rseq, desk);
        }
        if fork.has_agreed() {
            return Heard::News(None);
        }
        let sdp = sdp_of(response);
        if let Some(sdp) = sdp.clone() {
            fork.described = Some(Described { sdp, reliable: rseq.is_some() });
        }
        Heard::News(sdp)
    }

    /// A PRACK was challenged (22.2).
    pub(super) fn challenged(&mut self, invitation: &Invitation, response: &Response, desk: &mut Desk<'_>) {
        let to = response.headers.to().ok();
        let Some(fork) = to.as_ref().and_then(|to| to.tag()).and_then(|tag| self.get(tag)) else { return };
        let Some(rseq) = fork.rseq else { return };
        if fork.core.prover.as_mut().is_some_and(|prover| prover.challenged(response)) {
            acknowledge(fork, invitation, rseq, desk);
        }
    }
}

fn acknowledge(fork: &mut Fork, invitation: &Invitation, rseq: u32, desk: &mut Desk<'_>) {
    let number = invitation.request.headers.cseq().map_or(0, |cseq| cseq.number);
    let mut request = Box::new(fork.core.request(Method::Prack, desk.author));
    let rack = RAck { rseq, cseq: CSeq { number, method: Method::Invite } };
    request.headers.push_text(HeaderName::RAck, rack);
    desk.out.push(DialogOutput::Ask { request, purpose: Purpose::Prack });
}
