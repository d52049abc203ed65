//! The 20 ms clock of a call, and what its streams say: pull from the jitter buffers, mix, send, record.

use std::time::{Duration, Instant};

use super::{Call, Output, Phase, Recording, bot, transfer};
use crate::audio::frame::{FRAME_MS, Frame};
use crate::ids::LegId;
use crate::journal::{EndCause, Entry};
use crate::media::bridge::{Arrangement, Heard, Spoken};
use crate::media::stream;

/// Frames that are made up for at once when the clock came late. Of more, the time is lost.
const CATCH_UP: u32 = 10;

impl Call {
    /// Every frame that is due.
    pub(super) fn on_frames(&mut self, now: Instant) {
        let step = Duration::from_millis(u64::from(FRAME_MS));
        for _ in 0..CATCH_UP {
            if matches!(self.phase, Phase::Over) || now < self.next_frame {
                return;
            }
            self.next_frame += step;
            self.on_frame(now);
        }
        if now >= self.next_frame {
            self.next_frame = now + step;
        }
    }

    fn on_frame(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Answering) {
            return;
        }
        let passing = self.settle_passing();
        let listened = !passing || self.recording == Recording::On;
        let caller = if listened { self.caller.pull(now) } else { Frame::SILENCE };
        let bot_to_caller = self.bot.next_frame(now);
        let (agent, bot_to_agent) = match &mut self.phase {
            Phase::Transferring(handover) => (handover.agent.pull(now), handover.mouth.next_frame(now)),
            Phase::Bridged { agent } if listened => (agent.pull(now), Frame::SILENCE),
            Phase::Bridged { .. } => (Frame::SILENCE, Frame::SILENCE),
            Phase::Answering | Phase::WithBot | Phase::Over => (Frame::SILENCE, Frame::SILENCE),
        };
        // A prompt that begins is in the journal before its first packet is on its way.
        self.settle(now);
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let spoken = Spoken { caller, agent, bot_to_caller, bot_to_agent, ..Spoken::default() };
        let heard = if listened { self.bridge.mix(&spoken) } else { Heard::default() };
        if !passing {
            self.on_stream(now, LegId::CALLER, stream::Input::Send(&heard.caller));
            if let Some(leg) = self.agent().map(|leg| leg.id()) {
                self.on_stream(now, leg, stream::Input::Send(&heard.agent));
            }
        }
        match self.recording {
            Recording::Off => {}
            Recording::On => self.outputs.push_back(Output::Record { left: spoken.caller, right: heard.caller }),
            // Time goes on in the file, so that it stays in step with the journal.
            Recording::Paused => {
                self.outputs.push_back(Output::Record { left: Frame::SILENCE, right: Frame::SILENCE });
            }
        }
    }

    /// Something for a leg's stream, and what it has to say about it.
    pub(super) fn on_stream(&mut self, now: Instant, id: LegId, input: stream::Input<'_>) {
        let is_caller = id == LegId::CALLER;
        let leg = if is_caller {
            &mut self.caller
        } else {
            match self.agent().filter(|leg| leg.id() == id) {
                Some(leg) => leg,
                None => return,
            }
        };
        leg.stream(now, input);
        while let Some(output) = self.poll_stream(id) {
            match output {
                stream::Output::Heard(frame) if is_caller => self.bot.handle(now, bot::Input::Frame(&frame)),
                stream::Output::Heard(_) if self.hears_early(id) => self.bridge.arrange(Arrangement::EarlyMedia),
                stream::Output::Heard(_) | stream::Output::Resumed => {}
                stream::Output::Digit(digit) => {
                    self.on_digit(now, id, digit);
                    // As an event it has passed already, as a tone it is in the audio.
                    let sounded = self.passing || self.leg(id).is_none_or(|leg| !leg.has_events());
                    self.pass_key(now, id, digit, sounded);
                }
                stream::Output::Pass(passing) => self.pass(now, id, &passing),
                stream::Output::Transmit { to, datagram } => {
                    self.outputs.push_back(Output::Rtp { leg: id, to, datagram });
                }
                stream::Output::TransmitRtcp { to, datagram } => {
                    self.outputs.push_back(Output::Rtcp { leg: id, to, datagram });
                }
                stream::Output::Handshake { to, terms, bytes } => {
                    self.outputs.push_back(Output::Handshake { leg: id, to, terms, bytes });
                }
                stream::Output::Ready if is_caller => self.start(now),
                stream::Output::Ready => self.on_ready(now, id),
                stream::Output::Lost => self.on_lost(now, id),
            }
        }
    }

    /// An agent's keys are made: where the telephone was answered before, its agent is there now.
    fn on_ready(&mut self, now: Instant, id: LegId) {
        if self.agent().is_some_and(|leg| leg.is_answered()) {
            self.on_transfer(now, id, transfer::Input::Answered);
        }
    }

    fn poll_stream(&mut self, id: LegId) -> Option<stream::Output> {
        if id == LegId::CALLER {
            return self.caller.poll_stream();
        }
        self.agent().filter(|leg| leg.id() == id)?.poll_stream()
    }

    /// A key by INFO, which nobody hears on the other side of a bridge unless we send it.
    pub(super) fn on_info_digit(&mut self, now: Instant, leg: LegId, digit: char) {
        self.on_digit(now, leg, digit);
        self.pass_key(now, leg, digit, false);
    }

    /// A key, by RTP or by INFO.
    pub(super) fn on_digit(&mut self, now: Instant, leg: LegId, digit: char) {
        let hidden = leg == LegId::CALLER && self.bot.hides_keys();
        self.note(now, Entry::Digit { leg, digit: if hidden { '•' } else { digit } });
        if leg == LegId::CALLER {
            self.bot.handle(now, bot::Input::Digit(digit));
        } else {
            self.on_transfer(now, leg, transfer::Input::Digit(digit));
        }
    }

    /// No packet any more. A party that is on hold, or that put us on hold, need not send any.
    fn on_lost(&mut self, now: Instant, id: LegId) {
        if self.hears_early(id) {
            return self.bridge.arrange(Arrangement::Briefing); // music again, until the telephone is answered
        }
        let leg = if id == LegId::CALLER { Some(&mut self.caller) } else { self.agent() };
        let silent_by_agreement = leg.and_then(|leg| leg.direction()).is_none_or(|direction| !direction.receives());
        if silent_by_agreement || self.awaits_newcomer(id) {
            return;
        }
        if id == LegId::CALLER {
            self.end(now, EndCause::CallerLost);
        } else {
            self.on_agent_gone(now, false);
        }
    }
}
