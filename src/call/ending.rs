//! The one way to end a call. Every leg that is left gets its BYE or CANCEL, its figures are written down, and `Ended`
//! comes last.

use std::collections::VecDeque;
use std::time::Instant;

use super::leg::{Closed, HANG_UP, Leg};
use super::{Call, Output, Phase};
use crate::ids::LegId;
use crate::journal::{EndCause, Entry, Role};
use crate::media::stream;

/// Who ended a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// We do: its dialog is to be told.
    Us,
    /// The other side did: there is no dialog any more.
    Them,
}

impl Call {
    /// Ends the call, whatever it was doing. Once.
    pub fn end(&mut self, now: Instant, cause: EndCause) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => return,
            Phase::Answering | Phase::WithBot => {}
            Phase::Transferring(mut handover) => {
                self.cancel_briefing(now, &mut handover);
                self.end_leg(now, &mut handover.agent, By::Us);
            }
            Phase::Bridged { mut agent } => self.end_leg(now, &mut agent, By::Us),
        }
        let by = if self.cancel_refer(LegId::CALLER) { By::Them } else { By::Us };
        self.end_caller(now, by);
        self.note(now, Entry::Ended(cause));
        self.outputs.push_back(Output::Done);
    }

    /// Ends the caller's leg, if it has not ended.
    pub(super) fn end_caller(&mut self, now: Instant, by: By) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let closed = close(now, &mut self.caller, by, &mut outputs);
        self.outputs = outputs;
        let (leg, role) = (self.caller.id(), self.caller.role());
        self.write_end(now, leg, role, closed);
    }

    /// The same for an agent's leg.
    pub(super) fn end_leg(&mut self, now: Instant, leg: &mut Leg, by: By) {
        let by = if self.cancel_refer(leg.id()) { By::Them } else { by };
        let closed = close(now, leg, by, &mut self.outputs);
        self.write_end(now, leg.id(), leg.role(), closed);
    }

    fn write_end(&mut self, now: Instant, leg: LegId, role: Role, closed: Option<Closed>) {
        let Some(Closed { hang_up, quality }) = closed else { return };
        self.note(now, Entry::LegEnded { leg, role, quality });
        if let Some(dialog) = hang_up {
            self.order(dialog, HANG_UP);
        }
        self.outputs.push_back(Output::CloseLeg { leg });
    }
}

/// Closes a leg and passes on its stream's last report.
fn close(now: Instant, leg: &mut Leg, by: By, outputs: &mut VecDeque<Output>) -> Option<Closed> {
    leg.say_bye(now);
    let id = leg.id();
    while let Some(output) = leg.poll_stream() {
        if let stream::Output::TransmitRtcp { to, datagram } = output {
            outputs.push_back(Output::Rtcp { leg: id, to, datagram });
        }
    }
    leg.close(by == By::Them)
}
