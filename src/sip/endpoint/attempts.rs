//! An INVITE of ours looks for a way: the trunks of a group by priority and weight, the addresses of each (RFC 3263 4.2), one after the
//! other until somebody answers (4.3). The call sees one dialog all the time.
//!
//! | what comes of an INVITE | what follows |
//! |---|---|
//! | no answer at all in the try time, no connection, 503 | the next address, then the next trunk |
//! | 500, 502, 504 and other 5xx that are no verdict on what we sent | the next trunk |
//! | the trunk is down, rests, or has as many calls as it may have | it is passed over |
//! | 1xx and then one of these | the same, unless early media was agreed |
//! | 3xx, 4xx, 6xx, 501, 505, 513 | told: somebody has decided |
//! | the call hangs up | no further way is tried |
//!
//! A new way is a new request with a dialog, tags and branch of its own. The old one, where nobody refused it, is hung up by
//! itself under another id: an answer that comes late gets CANCEL, or ACK and BYE, and nobody's telephone rings on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Counter, Endpoint, INCOMING_DIALOG, Output, TimerKey};
use crate::ids::DialogId;
use crate::redact::Redacted;
use crate::sip::dialog::uac::Invitation;
use crate::sip::dialog::{Desk, Dialog, DialogInput, Uac};
use crate::sip::event::{DialogEvent, DialogOrder, OutgoingTarget, SdpBody};
use crate::sip::flow::Flow;
use crate::sip::trunk::locate::weighted;
use crate::sip::trunk::state::Direction;
use crate::wire::sip::message::{Response, StatusCode};

/// Ways that one INVITE may try.
const MAX_WAYS: usize = 16;

/// No answer to an INVITE after this: the next way.
pub const TRY_TIME: Duration = Duration::from_secs(4);

/// What a call wants, kept until somebody answers.
pub(super) struct Attempt {
    pub(super) target: OutgoingTarget,
    pub(super) offer: SdpBody,
    pub(super) headers: Vec<(String, Redacted<String>)>,
    /// Trunk and flow, the next first.
    left: VecDeque<(usize, Flow)>,
    /// Where it is tried now.
    at: Option<(usize, Flow)>,
    /// What came of it, where that is known already: nothing at all.
    unanswered: bool,
    /// Why nothing could be sent the last way.
    unsent: StatusCode,
}

impl Endpoint {
    /// An outgoing call (13.2.1).
    pub(super) fn invite(
        &mut self,
        now: Instant,
        id: DialogId,
        target: OutgoingTarget,
        offer: SdpBody,
        headers: Vec<(String, Redacted<String>)>,
    ) {
        if Self::is_for_phone(&target) {
            return self.ring_phone(now, id, &target, &offer, &headers);
        }
        let left = self.ways(now, &target.trunk);
        let attempt = Attempt {
            target,
            offer,
            headers,
            left,
            at: None,
            unanswered: false,
            unsent: StatusCode::SERVICE_UNAVAILABLE,
        };
        self.trunks.attempts.insert(id, attempt);
        self.live += 1;
        if !self.has_room() || !self.try_next(now, id, None) {
            let unsent = self.trunks.attempts.get(&id).map(|attempt| attempt.unsent);
            self.give_up(id, unsent.unwrap_or(StatusCode::SERVICE_UNAVAILABLE).as_u16());
        }
    }

    /// False where a table is full.
    pub(super) fn has_room(&mut self) -> bool {
        let limits = self.config.limits;
        if self.transactions.len() >= limits.transactions {
            self.count(Counter::TransactionsFull);
            return false;
        }
        if self.dialogs.len() >= limits.dialogs {
            self.count(Counter::DialogsFull);
            return false;
        }
        true
    }

    fn give_up(&mut self, id: DialogId, status: u16) {
        self.forget_attempt(id);
        self.trunks.leave(id);
        self.live -= usize::from(self.live > 0);
        self.out.push_back(Output::Dialog { dialog: id, event: DialogEvent::Refused { status } });
    }

    /// Nothing more will be tried for this dialog.
    pub(super) fn forget_attempt(&mut self, id: DialogId) {
        if self.trunks.attempts.remove(&id).is_some() {
            self.timers.set(TimerKey::Attempt(id), None);
        }
    }

    /// All ways to a trunk or to the trunks of a group, the first to be tried first.
    fn ways(&mut self, now: Instant, name: &str) -> VecDeque<(usize, Flow)> {
        let trunks = self.config.trunks.iter().enumerate();
        let mut places: Vec<(u16, u16, usize)> = trunks
            .filter(|(_, trunk)| trunk.name == name || trunk.policy.group.as_deref() == Some(name))
            .map(|(place, trunk)| (trunk.policy.priority, trunk.policy.weight, place))
            .collect();
        places.sort_unstable();
        let author = &mut self.author;
        let mut order: Vec<usize> = Vec::with_capacity(places.len());
        for same in places.chunk_by(|one, other| one.0 == other.0) {
            let items = same.iter().map(|(_, weight, place)| (*weight, *place)).collect();
            order.extend(weighted(items, |below| author.below(below)));
        }
        let mut ways = VecDeque::new();
        for desperate in [false, true] {
            for &place in &order {
                let Some(state) = self.trunks.states.get(place) else { continue };
                for target in state.targets(now, desperate, |below| author.below(below)) {
                    let flow = self.config.flow_to(target.transport, target.address);
                    ways.extend(flow.map(|flow| (place, flow)));
                }
            }
            // Addresses that rest are better than no address, and no better than that.
            if !ways.is_empty() {
                break;
            }
        }
        ways.truncate(MAX_WAYS);
        ways
    }

    /// Sends the INVITE the next way; `after` says what came of the one before. False where there is no way left.
    fn try_next(&mut self, now: Instant, id: DialogId, after: Option<u16>) -> bool {
        loop {
            let Some(attempt) = self.trunks.attempts.get_mut(&id) else { return false };
            let before = attempt.at.map(|(place, _)| place);
            let Some((place, flow)) = attempt.left.pop_front() else { return false };
            (attempt.at, attempt.unanswered) = (Some((place, flow)), false);
            if before != Some(place) {
                self.trunks.leave(id);
                if !self.enter_trunk(now, place, id, Direction::Out) {
                    self.pass_over(id, place);
                    continue;
                }
            }
            let new = (before != Some(place)).then_some(after);
            if let Err(status) = self.start_invite(now, id, (place, flow), new) {
                self.pass_over(id, place);
                if let Some(attempt) = self.trunks.attempts.get_mut(&id) {
                    attempt.unsent = status;
                }
                continue;
            }
            return true;
        }
    }

    /// The other addresses of this trunk would say the same.
    fn pass_over(&mut self, id: DialogId, place: usize) {
        self.trunks.leave(id);
        if let Some(attempt) = self.trunks.attempts.get_mut(&id) {
            attempt.left.retain(|(other, _)| *other != place);
            attempt.at = None;
        }
    }

    /// `new`: another trunk than before, with what came of that one.
    fn start_invite(
        &mut self,
        now: Instant,
        id: DialogId,
        (place, flow): (usize, Flow),
        new: Option<Option<u16>>,
    ) -> Result<(), StatusCode> {
        let flow = self.connections.reaching(flow);
        let Some(attempt) = self.trunks.attempts.remove(&id) else { return Err(StatusCode::SERVICE_UNAVAILABLE) };
        let invitation = self.invitation(place, flow, &attempt);
        let by_group = self.config.trunks.get(place).filter(|trunk| trunk.name != attempt.target.trunk);
        let by_group = by_group.map(|trunk| trunk.name.clone());
        self.trunks.attempts.insert(id, attempt);
        let invitation = invitation?;
        if let (Some(trunk), Some(after)) = (by_group, new) {
            self.out.push_back(Output::Dialog { dialog: id, event: DialogEvent::GoesBy { trunk, after } });
        }
        self.call(now, id, invitation);
        Ok(())
    }

    /// Sends an INVITE.
    pub(super) fn call(&mut self, now: Instant, id: DialogId, invitation: Invitation) {
        let tag = invitation.local_tag.clone();
        let mut out = Vec::new();
        let uac = Uac::new(invitation, &mut Desk { author: &mut self.author, out: &mut out });
        self.dialogs.add(id, tag, Dialog::Uac(Box::new(uac)));
        self.perform(now, id, out);
        self.settle(id);
    }

    /// An INVITE was sent, for the first time or again with credentials: somebody has to say something now.
    pub(super) fn await_answer(&mut self, now: Instant, id: DialogId) {
        if let Some(attempt) = self.trunks.attempts.get(&id) {
            // The last way is given more time: nothing better comes after it.
            let patience = self.config.try_time * if attempt.left.is_empty() { 2 } else { 1 };
            self.timers.set(TimerKey::Attempt(id), Some(now + patience));
        }
    }

    /// Somebody has said something.
    pub(super) fn invite_heard(&mut self, now: Instant, id: DialogId, response: &Response) {
        let Some((place, flow)) = self.trunks.attempts.get(&id).and_then(|attempt| attempt.at) else { return };
        self.timers.set(TimerKey::Attempt(id), None);
        self.trunk_answered(now, place, flow, response);
    }

    /// Nobody has, or it could not be sent.
    pub(super) fn invite_unanswered(&mut self, now: Instant, id: DialogId) {
        let Some(attempt) = self.trunks.attempts.get_mut(&id) else { return };
        attempt.unanswered = true;
        if let Some((place, flow)) = attempt.at {
            self.trunk_failed(now, place, flow);
        }
    }

    /// The try time is over.
    pub(super) fn attempt_timeout(&mut self, now: Instant, id: DialogId) {
        let Some(client) = self.dialogs.get(id).and_then(|slot| slot.invite) else { return };
        if self.falls_back(now, client) {
            return self.await_answer(now, id);
        }
        self.invite_unanswered(now, id);
        self.abandon(now, id, client);
        let status = StatusCode::REQUEST_TIMEOUT.as_u16();
        if !self.try_next(now, id, Some(status)) {
            self.give_up(id, status);
        }
    }

    /// Leaves a dialog to itself, so that it ends whatever comes yet.
    fn abandon(&mut self, now: Instant, id: DialogId, client: crate::sip::transaction::ClientId) {
        self.next_dialog += 1;
        let other = DialogId(INCOMING_DIALOG | self.next_dialog);
        self.timers.set(TimerKey::Dialog(id), None);
        self.dialogs.disown(id, other);
        self.transactions.hand_over(client, other);
        self.run_dialog(now, other, DialogInput::Order(DialogOrder::HangUp));
    }

    /// True where what a dialog has to tell is not told, since another way is tried. Keeps the books of what is.
    pub(super) fn goes_on(&mut self, now: Instant, id: DialogId, event: &DialogEvent) -> bool {
        let Some(attempt) = self.trunks.attempts.get_mut(&id) else { return false };
        match event {
            DialogEvent::Refused { status } => {
                let (status, nobody) = (*status, attempt.unanswered);
                if !nobody && !moves_on(status) {
                    return false;
                }
                if !nobody && status != StatusCode::SERVICE_UNAVAILABLE.as_u16() {
                    let at = attempt.at.map(|(place, _)| place);
                    attempt.left.retain(|(place, _)| Some(*place) != at);
                }
                if attempt.left.is_empty() {
                    return false;
                }
                self.dialogs.remove(id);
                self.timers.set(TimerKey::Dialog(id), None);
                if !self.try_next(now, id, Some(status)) {
                    self.give_up(id, status);
                }
                true
            }
            DialogEvent::Ringing { sdp: Some(_) } => {
                attempt.left.clear();
                false
            }
            DialogEvent::Answered { .. } => {
                self.forget_attempt(id);
                false
            }
            _ => false,
        }
    }
}

/// True for a refusal that another trunk need not share.
fn moves_on(status: u16) -> bool {
    (500..600).contains(&status) && !matches!(status, 501 | 505 | 513)
}
