//! Caller and agent in the same codec: what they say passes from one to the other as it came, on arrival. It is decided
//! anew every 20 ms, so that a prompt, a key to be sent, a hold or another codec brings the mix back at once. Recording and
//! recogniser hear decoded audio meanwhile.

use std::time::Instant;

use super::{Call, Phase, Recording};
use crate::ids::LegId;
use crate::media::bridge::Supervision;
use crate::media::passing::Passing;
use crate::media::stream::{self, Use};
use crate::sip::event::DialogOrder;

/// Length of a key that is sent on, ms.
const KEY_MS: u32 = 100;

impl Call {
    /// Decides whether payloads pass from now on; true where they do.
    pub(super) fn settle_passing(&mut self) -> bool {
        let alone = self.bot.is_quiet() && self.bridge.supervision() == Supervision::Absent;
        let Phase::Bridged { agent } = &mut self.phase else { return self.stop_passing() };
        if !alone || !self.caller.passes_to(agent) {
            return self.stop_passing();
        }
        // The caller is heard by the recogniser; the agent by the recording, and where keys are tones.
        let agent_is_heard = self.recording == Recording::On || !agent.has_events();
        self.caller.pass_on(Use::HeardAndPassed);
        agent.pass_on(if agent_is_heard { Use::HeardAndPassed } else { Use::Passed });
        self.passing = true;
        true
    }

    fn stop_passing(&mut self) -> bool {
        if std::mem::take(&mut self.passing) {
            self.caller.pass_on(Use::Heard);
            if let Some(agent) = self.agent() {
                agent.pass_on(Use::Heard);
            }
        }
        false
    }

    /// Gives the other side of the bridge what came.
    pub(super) fn pass(&mut self, now: Instant, from: LegId, passing: &Passing) {
        if self.passing
            && let Some(other) = self.bridged_with(from)
        {
            self.on_stream(now, other, stream::Input::Pass(passing));
        }
    }

    /// A key of one side of a bridge for the other. `sounded`: it was heard in the audio, so that it needs no sending but by INFO.
    pub(super) fn pass_key(&mut self, now: Instant, from: LegId, digit: char, sounded: bool) {
        let Some(other) = self.bridged_with(from) else { return };
        let by_info = self.leg(other).filter(|leg| leg.takes_info()).and_then(|leg| leg.dialog());
        if let Some(dialog) = by_info {
            self.order(dialog, DialogOrder::Press { digit, ms: KEY_MS });
        } else if !sounded {
            self.on_stream(now, other, stream::Input::SendDigit { digit, ms: KEY_MS });
        }
    }

    fn bridged_with(&self, from: LegId) -> Option<LegId> {
        let Phase::Bridged { agent } = &self.phase else { return None };
        if from == LegId::CALLER { Some(agent.id()) } else { Some(LegId::CALLER) }
    }
}
