//! What SIP says about the legs, and what is ordered in return: the answer, re-INVITEs and hold, the other side's end.

use std::net::SocketAddr;
use std::time::Instant;

use super::ending::By;
use super::leg::Leg;
use super::{Call, Phase, bot, transfer};
use crate::dialplan::calendar::Moment;
use crate::ids::{DialogId, LegId};
use crate::journal::{EndCause, Entry};
use crate::sip::event::{DialogEvent, DialogOrder, Reason, SdpBody};

/// Not Acceptable Here (RFC 3261 21.4.26): no media in common.
const NOT_ACCEPTABLE: u16 = 488;
/// Call/Transaction Does Not Exist (RFC 3891 3): whose place is wanted has gone.
const NO_SUCH_DIALOG: u16 = 481;

impl Call {
    /// The first answer to the caller's INVITE.
    pub(super) fn answer(&mut self, now: Instant, dialog: DialogId, offer: Option<&[u8]>, recording: Option<String>) {
        let sdp = match offer {
            Some(offer) => self.caller.answer(now, offer).ok(),
            None => self.caller.offer(),
        };
        let Some(sdp) = sdp else { return self.refuse(now, dialog) };
        self.note(now, Entry::Answered);
        if let Some(path) = recording {
            self.note(now, Entry::RecordingStarted { path });
        }
        self.order(dialog, DialogOrder::Answer { sdp });
        if offer.is_some() {
            self.start(now);
        }
    }

    fn refuse(&mut self, now: Instant, dialog: DialogId) {
        self.order(dialog, DialogOrder::Refuse { status: NOT_ACCEPTABLE });
        self.end_caller(now, By::Them);
        self.end(now, EndCause::Refused { status: NOT_ACCEPTABLE });
    }

    /// Media is agreed: the bot begins, unless it could not be heard yet. Nothing where it has begun.
    pub(super) fn start(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Answering) || !self.caller.is_ready() {
            return;
        }
        self.phase = Phase::WithBot;
        self.next_frame = now;
        let at = self.facts.moment.at + now.saturating_duration_since(self.facts.epoch);
        self.bot.handle(now, bot::Input::Started(Moment { at, ..self.facts.moment }));
        self.settle(now);
    }

    /// News of a dialog; of a dialog that is no (longer) ours, none.
    pub(super) fn on_dialog(&mut self, now: Instant, dialog: DialogId, event: DialogEvent) {
        if self.on_newcomer(now, dialog, &event) {
            return;
        }
        if self.caller.dialog() == Some(dialog) {
            return self.on_caller(now, event);
        }
        if let Some(leg) = self.agent().filter(|leg| leg.dialog() == Some(dialog)).map(|leg| leg.id()) {
            return self.on_agent(now, leg, event);
        }
        if let DialogEvent::Replaced { by, .. } = event {
            self.order(by, DialogOrder::Refuse { status: NO_SUCH_DIALOG });
        }
    }

    fn on_caller(&mut self, now: Instant, event: DialogEvent) {
        match (&self.phase, event) {
            (Phase::Answering, DialogEvent::Acknowledged { sdp }) if self.caller.direction().is_none() => {
                match self.caller.accept(now, sdp.as_deref()) {
                    Ok(()) => self.start(now),
                    // Our 200 is out, so there is a dialog to end (RFC 3261 13.2.2.4).
                    Err(error) => self.end(now, EndCause::Failed { what: error.to_string() }),
                }
            }
            (_, DialogEvent::Cancelled) => {
                self.end_caller(now, By::Them);
                self.end(now, EndCause::CallerCancelled);
            }
            (_, DialogEvent::Ended { lost }) => {
                self.end_caller(now, By::Them);
                self.end(now, if lost { EndCause::CallerLost } else { EndCause::CallerHungUp });
            }
            (_, DialogEvent::Acknowledged { sdp: Some(sdp) }) => self.on_answered(now, LegId::CALLER, &sdp),
            (_, DialogEvent::Offered { sdp }) => self.on_offered(now, LegId::CALLER, &sdp),
            (_, DialogEvent::OfferWanted) => self.on_offer_wanted(LegId::CALLER),
            (_, DialogEvent::OfferAnswered { sdp }) => self.on_answered(now, LegId::CALLER, &sdp),
            (_, DialogEvent::OfferRefused { .. }) => self.caller.hold(false),
            (_, DialogEvent::OfferAgain) => self.offer_to(LegId::CALLER),
            (_, DialogEvent::Referred { target }) => self.on_referred(now, LegId::CALLER, target),
            (_, DialogEvent::Replaced { by, offer }) => self.on_replaced(now, LegId::CALLER, by, offer.as_ref()),
            (_, DialogEvent::ReferNews { status: 200..300 }) => self.end(now, EndCause::HandedOver),
            (_, DialogEvent::ReferNews { .. }) => {}
            (_, DialogEvent::Because(reason)) => self.on_reason(now, LegId::CALLER, reason),
            (_, DialogEvent::Digit(digit)) => self.on_info_digit(now, LegId::CALLER, digit),
            // Of an answer of ours, or without the answer to an offer of ours: the session stays as it was.
            (_, DialogEvent::Acknowledged { sdp: None })
            | (
                _,
                DialogEvent::GoesBy { .. }
                | DialogEvent::Ringing { .. }
                | DialogEvent::Answered { .. }
                | DialogEvent::Refused { .. },
            ) => {}
        }
    }

    fn on_agent(&mut self, now: Instant, leg: LegId, event: DialogEvent) {
        match event {
            DialogEvent::GoesBy { trunk, after } => {
                if let Some(agent) = self.agent() {
                    agent.at(Some(&trunk));
                }
                self.note(now, Entry::GoesBy { leg, trunk, after });
                self.on_transfer(now, leg, transfer::Input::GoesBy);
            }
            DialogEvent::Ringing { sdp } => {
                self.on_early_media(now, leg, sdp.as_deref());
                self.on_transfer(now, leg, transfer::Input::Ringing);
            }
            DialogEvent::Answered { sdp } => {
                let agreed = self.agent().map(|agent| agent.accept(now, sdp.as_deref()).map(|()| agent.answered()));
                match agreed {
                    // Not before the agent can hear the briefing.
                    Some(Ok(false)) => {}
                    Some(Ok(true)) => self.on_transfer(now, leg, transfer::Input::Answered),
                    None | Some(Err(_)) => {
                        self.on_transfer(now, leg, transfer::Input::Refused { status: NOT_ACCEPTABLE });
                    }
                }
            }
            DialogEvent::Refused { status } => {
                self.close_agent(now);
                self.on_transfer(now, leg, transfer::Input::Refused { status });
            }
            DialogEvent::Offered { sdp } => self.on_offered(now, leg, &sdp),
            DialogEvent::OfferWanted => self.on_offer_wanted(leg),
            DialogEvent::OfferAnswered { sdp } => self.on_answered(now, leg, &sdp),
            DialogEvent::OfferRefused { .. } => {}
            DialogEvent::OfferAgain => self.offer_to(leg),
            DialogEvent::Referred { target } => self.on_referred(now, leg, target),
            DialogEvent::Replaced { by, offer } => self.on_replaced(now, leg, by, offer.as_ref()),
            DialogEvent::ReferNews { .. } => {}
            DialogEvent::Because(reason) => self.on_reason(now, leg, reason),
            DialogEvent::Acknowledged { sdp: Some(sdp) } => self.on_answered(now, leg, &sdp),
            DialogEvent::Digit(digit) => self.on_info_digit(now, leg, digit),
            DialogEvent::Ended { lost } => {
                self.close_agent(now);
                self.on_agent_gone(now, !lost);
            }
            // Without the answer to an offer of ours; of incoming dialogs only.
            DialogEvent::Acknowledged { sdp: None } | DialogEvent::Cancelled => {}
        }
    }

    fn on_reason(&mut self, now: Instant, leg: LegId, reason: Reason) {
        let Reason { protocol, cause } = reason;
        self.note(now, Entry::EndReason { leg, protocol, cause });
    }

    pub(super) fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        if id == LegId::CALLER { Some(&mut self.caller) } else { self.agent().filter(|leg| leg.id() == id) }
    }

    /// A re-INVITE without an offer: it gets all that we can do (RFC 6337 5.2.4), also on hold.
    fn on_offer_wanted(&mut self, id: LegId) {
        let Some(leg) = self.leg(id) else { return };
        let Some(dialog) = leg.dialog() else { return };
        let order = match leg.offer() {
            Some(sdp) => DialogOrder::AnswerOffer { sdp },
            None => DialogOrder::RefuseOffer { status: NOT_ACCEPTABLE },
        };
        self.order(dialog, order);
    }

    /// Puts the caller on hold, or takes it back.
    pub(super) fn hold_caller(&mut self, hold: bool) {
        if !matches!(self.phase, Phase::Answering) {
            self.caller.hold(hold);
            self.offer_to(LegId::CALLER);
        }
    }

    /// Offers what a leg is to be now.
    fn offer_to(&mut self, id: LegId) {
        let Some(leg) = self.leg(id) else { return };
        let (Some(dialog), Some(sdp)) = (leg.dialog(), leg.offer()) else { return };
        self.order(dialog, DialogOrder::Offer { sdp });
    }

    /// The answer to a later offer of ours. One that cannot be used leaves no session to go back to: the 200 is out
    /// (RFC 3261 13.2.2.4).
    fn on_answered(&mut self, now: Instant, id: LegId, sdp: &SdpBody) {
        let Some(leg) = self.leg(id) else { return };
        let before = leg.takes_part();
        match leg.accept(now, Some(sdp)) {
            Ok(()) if id == LegId::CALLER => self.on_direction(now, before),
            Ok(()) => {}
            Err(error) if id == LegId::CALLER => self.end(now, EndCause::Failed { what: error.to_string() }),
            Err(_) => self.on_agent_gone(now, false),
        }
    }

    /// A re-INVITE or UPDATE: another address, another codec, hold or its end (RFC 3264 8).
    fn on_offered(&mut self, now: Instant, id: LegId, sdp: &SdpBody) {
        let Some(leg) = self.leg(id) else { return };
        let Some(dialog) = leg.dialog() else { return };
        let before = leg.takes_part();
        match leg.answer(now, sdp) {
            Ok(sdp) => {
                self.order(dialog, DialogOrder::AnswerOffer { sdp });
                if id == LegId::CALLER {
                    self.on_direction(now, before);
                }
            }
            Err(_) => self.order(dialog, DialogOrder::RefuseOffer { status: NOT_ACCEPTABLE }),
        }
    }

    /// A caller to whom we may not send, or whom we hold, is on hold: the bot waits with what it says.
    pub(super) fn on_direction(&mut self, now: Instant, before: bool) {
        if matches!(self.phase, Phase::Answering) {
            return self.start(now);
        }
        match (before, self.caller.takes_part()) {
            (true, false) => self.bot.handle(now, bot::Input::Held),
            (false, true) => self.bot.handle(now, bot::Input::Resumed),
            (true, true) | (false, false) => {}
        }
    }

    /// The shell has found a port for a new leg: dial.
    pub(super) fn on_port(&mut self, now: Instant, leg: LegId, dialog: DialogId, address: SocketAddr) {
        if let Some(agent) = self.agent().filter(|agent| agent.id() == leg) {
            agent.opened(dialog, address);
            self.on_transfer(now, leg, transfer::Input::Opened);
        }
    }
}
