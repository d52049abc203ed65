//! Somebody else takes the place of a party: by REFER, where we call them first, or by an INVITE with Replaces. The leg stays,
//! with its port and stream; it gets another dialog and another far end. And our own REFER, which takes us out of the way.
//!
//! Who may be called by REFER: from the caller's side only telephones that the dialplan rings, so that nobody phones the
//! world at the house's cost; from an agent whoever the agent's own trunk can reach, which the PBX judges.

use std::time::{Duration, Instant};

use super::leg::Leg;
use super::{Call, Output, Phase};
use crate::dialplan::schema::RingTarget;
use crate::ids::{DialogId, LegId};
use crate::journal::{EndCause, Entry};
use crate::redact::Redacted;
use crate::sip::event::{DialogEvent, DialogOrder, OutgoingTarget, ReferTarget, SdpBody};

/// Whom a REFER names has this long to answer.
const RING: Duration = Duration::from_secs(60);
/// Decline (RFC 3261 21.6.2).
const DECLINED: u16 = 603;
/// Request Pending (RFC 3261 21.4.27).
const PENDING: u16 = 491;
/// Request Timeout.
const TIMED_OUT: u16 = 408;
/// Not Acceptable Here.
const NOT_ACCEPTABLE: u16 = 488;

/// A REFER that is being carried out.
pub(super) struct Refer {
    /// Whose place is taken.
    pub(super) leg: LegId,
    to: OutgoingTarget,
    headers: Vec<(String, Redacted<String>)>,
    /// Of the INVITE to the newcomer; `None` until the shell has given it.
    pub(super) dialog: Option<DialogId>,
    /// True where the one who asked has hung up meanwhile.
    gone: bool,
    /// When the newcomer is given up.
    pub(super) until: Instant,
}

impl Call {
    /// A REFER on a leg's dialog.
    pub(super) fn on_referred(&mut self, now: Instant, id: LegId, target: ReferTarget) {
        let Some(dialog) = self.leg(id).and_then(|leg| leg.dialog()) else { return };
        let ready = match self.phase {
            Phase::WithBot | Phase::Transferring(_) => id == LegId::CALLER,
            Phase::Bridged { .. } => true,
            Phase::Answering | Phase::Over => false,
        };
        let to = self.allowed(id, &target).filter(|_| ready);
        let Some(to) = to.filter(|_| self.refer.is_none()) else {
            let status = if self.refer.is_some() { PENDING } else { DECLINED };
            return self.order(dialog, DialogOrder::RefuseRefer { status });
        };
        let referred_by = target.referred_by.map(|by| ("Referred-By".to_owned(), by));
        let replaces = target.replaces.map(|replaces| ("Replaces".to_owned(), Redacted::from(replaces)));
        let headers = [referred_by, replaces, self.hops()].into_iter().flatten().collect();
        self.refer = Some(Refer { leg: id, to, headers, dialog: None, gone: false, until: now + RING });
        self.order(dialog, DialogOrder::TakeRefer);
        self.outputs.push_back(Output::OpenDialog { leg: id });
    }

    /// Whom we would dial for it; `None` where that is not allowed.
    fn allowed(&mut self, id: LegId, target: &ReferTarget) -> Option<OutgoingTarget> {
        let user = target.user.reveal().clone();
        let trunk = if id == LegId::CALLER {
            let mut rings = self.facts.plan.queues.values().flat_map(|queue| queue.ring.iter());
            rings.find(|ring| ring.user == user)?.trunk.clone()
        } else {
            self.leg(id)?.trunk()?.to_owned()
        };
        // With Replaces the very place counts, not the number; it is the trunk that is asked, either way.
        let uri = match target.replaces {
            Some(_) => target.uri.reveal().clone(),
            None => self.telephone(&RingTarget { user, trunk: trunk.clone() }),
        };
        Some(OutgoingTarget { uri, trunk, display_name: Some(self.shown_caller()) })
    }

    /// URI of a telephone behind a trunk.
    pub(super) fn telephone(&self, target: &RingTarget) -> String {
        let host = self.facts.config.domains.get(&target.trunk).unwrap_or(&target.trunk);
        format!("sip:{}@{host}", target.user)
    }

    /// The shell has a dialog for the newcomer: dial, with the leg's own media.
    pub(super) fn on_leg_dialog(&mut self, id: LegId, dialog: DialogId) {
        let offer = self.leg(id).and_then(|leg| leg.offer());
        let Some(refer) = self.refer.as_mut().filter(|refer| refer.leg == id && refer.dialog.is_none()) else { return };
        let Some(offer) = offer else { return };
        refer.dialog = Some(dialog);
        let (target, headers) = (refer.to.clone(), std::mem::take(&mut refer.headers));
        self.order(dialog, DialogOrder::Invite { target, offer, headers });
    }

    /// True where news of a dialog are about a newcomer, or the end of the one whose place is to be taken.
    pub(super) fn on_newcomer(&mut self, now: Instant, dialog: DialogId, event: &DialogEvent) -> bool {
        let Some(refer) = &mut self.refer else { return false };
        let (id, is_newcomer) = (refer.leg, refer.dialog == Some(dialog));
        if !is_newcomer {
            let ends = matches!(event, DialogEvent::Ended { lost: false }) && !refer.gone;
            let theirs = self.leg(id).is_some_and(|leg| leg.dialog() == Some(dialog));
            if let Some(refer) = self.refer.as_mut().filter(|_| ends && theirs) {
                // A blind transferor does not wait for what comes of it.
                refer.gone = true;
                return true;
            }
            return false;
        }
        match event {
            DialogEvent::Ringing { .. } => self.tell_referrer(180),
            DialogEvent::Answered { sdp } => self.on_newcomer_answered(now, id, dialog, sdp.as_ref()),
            DialogEvent::Refused { status } => self.give_newcomer_up(now, *status),
            DialogEvent::Ended { .. } => self.give_newcomer_up(now, TIMED_OUT),
            DialogEvent::GoesBy { trunk, after } => {
                self.note(now, Entry::GoesBy { leg: id, trunk: trunk.clone(), after: *after });
            }
            DialogEvent::Acknowledged { .. }
            | DialogEvent::Offered { .. }
            | DialogEvent::OfferWanted
            | DialogEvent::OfferAnswered { .. }
            | DialogEvent::OfferRefused { .. }
            | DialogEvent::OfferAgain
            | DialogEvent::Referred { .. }
            | DialogEvent::ReferNews { .. }
            | DialogEvent::Replaced { .. }
            | DialogEvent::Because(_)
            | DialogEvent::Digit(_)
            | DialogEvent::Cancelled => {}
        }
        true
    }

    fn on_newcomer_answered(&mut self, now: Instant, id: LegId, dialog: DialogId, sdp: Option<&SdpBody>) {
        let Some(leg) = self.leg(id) else { return };
        let before = leg.takes_part();
        if leg.accept(now, sdp.map(|sdp| &sdp[..])).is_err() {
            self.order(dialog, DialogOrder::HangUp);
            return self.give_newcomer_up(now, NOT_ACCEPTABLE);
        }
        self.tell_referrer(200);
        let gone = self.refer.take().is_some_and(|refer| refer.gone);
        self.seat(now, id, dialog, before, gone);
    }

    /// An INVITE with Replaces for a leg's dialog.
    pub(super) fn on_replaced(&mut self, now: Instant, id: LegId, by: DialogId, offer: Option<&SdpBody>) {
        let Some(leg) = self.leg(id) else { return self.order(by, DialogOrder::Refuse { status: DECLINED }) };
        let (before, ringing) = (leg.takes_part(), leg.direction().is_none());
        let sdp = match offer {
            Some(offer) => leg.answer(now, offer).ok(),
            None if ringing => None,
            None => leg.offer(),
        };
        let Some(sdp) = sdp else { return self.order(by, DialogOrder::Refuse { status: NOT_ACCEPTABLE }) };
        self.cancel_refer(id);
        self.order(by, DialogOrder::Answer { sdp });
        self.seat(now, id, by, before, false);
        if ringing && id != LegId::CALLER && self.leg(id).is_some_and(Leg::answered) {
            self.on_transfer(now, id, super::transfer::Input::Answered);
        }
    }

    /// Gives a leg its new dialog and ends the old one.
    fn seat(&mut self, now: Instant, id: LegId, dialog: DialogId, before: bool, gone: bool) {
        self.note(now, Entry::Replaced { leg: id });
        if let Some(old) = self.leg(id).and_then(|leg| leg.hand_over(dialog)).filter(|_| !gone) {
            self.order(old, DialogOrder::HangUp);
        }
        if id == LegId::CALLER {
            self.on_direction(now, before);
        }
    }

    /// The newcomer does not come; who asked for it is told, or, having hung up, gone.
    fn give_newcomer_up(&mut self, now: Instant, status: u16) {
        self.tell_referrer(status);
        let Some(refer) = self.refer.take().filter(|refer| refer.gone) else { return };
        if refer.leg == LegId::CALLER {
            self.end_caller(now, super::ending::By::Them);
            self.end(now, EndCause::CallerHungUp);
        } else {
            self.close_agent(now);
            self.on_agent_gone(now, false);
        }
    }

    fn tell_referrer(&mut self, status: u16) {
        let leg = self.refer.as_ref().filter(|refer| !refer.gone).map(|refer| refer.leg);
        if let Some(dialog) = leg.and_then(|id| self.leg(id)).and_then(|leg| leg.dialog()) {
            self.order(dialog, DialogOrder::TellRefer { status });
        }
    }

    /// Time has passed.
    pub(super) fn on_refer_time(&mut self, now: Instant) {
        if let Some(refer) = self.refer.as_ref().filter(|refer| now >= refer.until) {
            if let Some(dialog) = refer.dialog {
                self.order(dialog, DialogOrder::HangUp);
            }
            self.give_newcomer_up(now, TIMED_OUT);
        }
    }

    /// The leg's place is nobody's any more: a newcomer who was called for it is not needed.
    pub(super) fn cancel_refer(&mut self, id: LegId) -> bool {
        let Some(refer) = self.refer.take_if(|refer| refer.leg == id) else { return false };
        if let Some(dialog) = refer.dialog {
            self.order(dialog, DialogOrder::HangUp);
        }
        refer.gone
    }

    /// True while somebody is called to take this leg's place: nothing need be heard of it.
    pub(super) fn awaits_newcomer(&self, id: LegId) -> bool {
        self.refer.as_ref().is_some_and(|refer| refer.leg == id)
    }

    /// Hands the caller to a telephone, or (`None`) to the agent who is there, and leaves: an order of the console.
    pub(super) fn refer_caller(&mut self, to: Option<&RingTarget>) {
        let Some(dialog) = self.caller.dialog() else { return };
        let order = match (&self.phase, to) {
            (Phase::WithBot, Some(to)) => DialogOrder::Refer { to: self.telephone(to), replaces: None },
            (Phase::Bridged { agent }, None) => match agent.dialog() {
                Some(agent) => DialogOrder::Refer { to: String::new(), replaces: Some(agent) },
                None => return,
            },
            (Phase::Answering | Phase::WithBot | Phase::Transferring(_) | Phase::Bridged { .. } | Phase::Over, _) => {
                return;
            }
        };
        self.order(dialog, order);
    }
}
