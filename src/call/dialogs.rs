//! What SIP says about the legs, and what is ordered in return: the answer, re-INVITEs and hold, the other side's end.

use std::net::SocketAddr;
use std::time::Instant;

use super::ending::By;
use super::{Call, Phase, bot, transfer};
use crate::dialplan::calendar::Moment;
use crate::ids::{DialogId, LegId};
use crate::journal::{EndCause, Entry};
use crate::media::negotiate::Direction;
use crate::sip::event::{DialogEvent, DialogOrder, SdpBody};

/// Not Acceptable Here (RFC 3261 21.4.26): no media in common.
const NOT_ACCEPTABLE: u16 = 488;

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

    /// Media is agreed: the bot begins.
    fn start(&mut self, now: Instant) {
        self.phase = Phase::WithBot;
        self.next_frame = now;
        let at = self.facts.moment.at + now.saturating_duration_since(self.facts.epoch);
        self.bot.handle(now, bot::Input::Started(Moment { at, ..self.facts.moment }));
        self.settle(now);
    }

    /// News of a dialog; of a dialog that is no (longer) ours, none.
    pub(super) fn on_dialog(&mut self, now: Instant, dialog: DialogId, event: DialogEvent) {
        if self.caller.dialog() == Some(dialog) {
            return self.on_caller(now, event);
        }
        if let Some(leg) = self.agent().filter(|leg| leg.dialog() == Some(dialog)).map(|leg| leg.id()) {
            self.on_agent(now, leg, event);
        }
    }

    fn on_caller(&mut self, now: Instant, event: DialogEvent) {
        match (&self.phase, event) {
            (Phase::Answering, DialogEvent::Acknowledged { sdp }) => {
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
            (_, DialogEvent::Offered { sdp }) => self.on_offered(now, LegId::CALLER, &sdp),
            (_, DialogEvent::Digit(digit)) => self.on_digit(now, LegId::CALLER, digit),
            (
                Phase::WithBot | Phase::Transferring(_) | Phase::Bridged { .. } | Phase::Over,
                DialogEvent::Acknowledged { .. },
            )
            | (_, DialogEvent::Ringing { .. } | DialogEvent::Answered { .. } | DialogEvent::Refused { .. }) => {}
        }
    }

    fn on_agent(&mut self, now: Instant, leg: LegId, event: DialogEvent) {
        match event {
            DialogEvent::Ringing { sdp: _ } => self.on_transfer(now, leg, transfer::Input::Ringing),
            DialogEvent::Answered { sdp } => {
                let agreed = self.agent().is_some_and(|agent| agent.accept(now, sdp.as_deref()).is_ok());
                let status = NOT_ACCEPTABLE;
                let input = if agreed { transfer::Input::Answered } else { transfer::Input::Refused { status } };
                self.on_transfer(now, leg, input);
            }
            DialogEvent::Refused { status } => {
                self.close_agent(now);
                self.on_transfer(now, leg, transfer::Input::Refused { status });
            }
            DialogEvent::Offered { sdp } => self.on_offered(now, leg, &sdp),
            DialogEvent::Digit(digit) => self.on_digit(now, leg, digit),
            DialogEvent::Ended { lost } => {
                self.close_agent(now);
                self.on_agent_gone(now, !lost);
            }
            // Of incoming dialogs only.
            DialogEvent::Acknowledged { .. } | DialogEvent::Cancelled => {}
        }
    }

    /// A re-INVITE or UPDATE: another address, another codec, hold or its end (RFC 3264 8).
    fn on_offered(&mut self, now: Instant, id: LegId, sdp: &SdpBody) {
        let leg = if id == LegId::CALLER { Some(&mut self.caller) } else { self.agent() };
        let Some(leg) = leg else { return };
        let Some(dialog) = leg.dialog() else { return };
        let before = leg.direction();
        match leg.answer(now, sdp) {
            Ok(sdp) => {
                let after = leg.direction();
                self.order(dialog, DialogOrder::AnswerOffer { sdp });
                if id == LegId::CALLER {
                    self.on_direction(now, before, after);
                }
            }
            Err(_) => self.order(dialog, DialogOrder::RefuseOffer { status: NOT_ACCEPTABLE }),
        }
    }

    /// A caller to whom we may not send is on hold: the bot waits with what it says.
    fn on_direction(&mut self, now: Instant, before: Option<Direction>, after: Option<Direction>) {
        if matches!(self.phase, Phase::Answering) {
            return self.start(now);
        }
        let hears = |direction: Option<Direction>| direction.is_none_or(Direction::sends);
        match (hears(before), hears(after)) {
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
