//! A transfer of the caller to a human: one telephone after the other is dialled, rings, hears the briefing, and is
//! bridged when its agent accepts. Knows neither SIP nor audio: the call turns its outputs into orders and sounds.
//!
//! | what happens | what follows |
//! |---|---|
//! | another trunk is tried for the same telephone | its time to ring begins anew |
//! | busy, no answer in time, 3xx to 6xx, no port | next telephone; after the last [`Output::GivenUp`] |
//! | the agent declines, never accepts, hangs up in the briefing, is not heard | that leg ends, next telephone |
//! | the caller hangs up | the call drops this machine and ends the leg ([`Transfer::leg`]) |
//! | a blind transfer is answered, or the briefing cannot be spoken | bridged at once |

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::queue::Targets;
use crate::conversation::Briefing;
use crate::dialplan::schema::{Accept, RingTarget};
use crate::ids::LegId;
use crate::journal::{Entry, TransferFailure};

/// How the agent is met.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Briefed first, bridged on acceptance.
    Warm(Briefing),
    /// Bridged on answer: our own side is in no state to brief anybody.
    Blind,
}

/// Limits that the dialplan does not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferConfig {
    /// A leg must have its port in this time, ms.
    pub open_ms: u32,
    /// The briefing is cut after this, ms.
    pub briefing_ms: u32,
}

impl Default for TransferConfig {
    fn default() -> Self {
        Self { open_ms: 2_000, briefing_ms: 10_000 }
    }
}

/// What can happen to it. Everything is about the leg that is being tried; the call drops what concerns older ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The leg has its port: it can be dialled.
    Opened,
    /// There is no port.
    NotOpened,
    /// It is tried by another trunk: its time to ring begins anew.
    GoesBy,
    /// The telephone rings.
    Ringing,
    /// The agent's telephone was answered, and its media agreed.
    Answered,
    /// A final refusal.
    Refused {
        /// SIP status code.
        status: u16,
    },
    /// The agent pressed a key.
    Digit(char),
    /// The briefing was spoken to its end, or cut.
    BriefingSpoken,
    /// The briefing cannot be spoken: the agent cannot be asked, so the answer counts as acceptance.
    BriefingFailed,
    /// The agent's leg is gone, or nothing is heard of it any more.
    AgentGone,
    /// A deadline may have passed.
    Timeout,
}

/// What it asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A fact for the journal; its effect follows.
    Note(Entry),
    /// Get a port for this new leg.
    Open {
        /// The agent's leg to be.
        leg: LegId,
    },
    /// Dial.
    Dial {
        /// From this leg.
        leg: LegId,
        /// Whom.
        target: RingTarget,
    },
    /// Speak this to the agent, and to nobody else.
    Brief {
        /// To whom.
        leg: LegId,
        /// What.
        briefing: Briefing,
    },
    /// Let the briefing end: it has lasted long enough.
    CutBriefing {
        /// To whom.
        leg: LegId,
    },
    /// Let caller and agent hear each other.
    Bridge {
        /// The agent's leg.
        leg: LegId,
    },
    /// End this leg (CANCEL, BYE, or nothing where it is gone already).
    End {
        /// Which.
        leg: LegId,
    },
    /// No telephone is left.
    GivenUp {
        /// Why the last one failed.
        failure: TransferFailure,
    },
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A port.
    Port,
    /// An answer.
    Answer,
    /// The end of the briefing.
    Briefing,
    /// The agent's yes or no.
    Acceptance,
}

#[derive(Debug)]
enum Stage {
    Opening { target: RingTarget, until: Instant },
    Dialling { until: Instant },
    Ringing { until: Instant },
    Briefing { cut: Instant, until: Instant },
    Deciding { until: Instant },
    Bridged,
    GivenUp,
}

/// The machine.
#[derive(Debug)]
pub struct Transfer {
    config: TransferConfig,
    manner: Manner,
    targets: Targets,
    accept: Accept,
    ring: Duration,
    leg: LegId,
    stage: Stage,
    outputs: VecDeque<Output>,
}

impl Transfer {
    /// Begins with the first telephone. `first_leg` and those after it are free.
    pub fn new(now: Instant, config: TransferConfig, targets: Targets, manner: Manner, first_leg: LegId) -> Self {
        let standard = Accept { yes: '1', no: '2', timeout: Duration::from_secs(10) };
        let (accept, ring) =
            targets.queue().map_or((standard, Duration::ZERO), |queue| (queue.accept, queue.ring_timeout));
        let stage = Stage::GivenUp;
        let outputs = VecDeque::with_capacity(8);
        let mut transfer = Self { config, manner, targets, accept, ring, leg: first_leg, stage, outputs };
        transfer.try_next(now, TransferFailure::Unreachable);
        transfer
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match (&self.stage, input) {
            (_, Input::Timeout) => self.on_time(now),
            (Stage::Opening { target, .. }, Input::Opened) => {
                let target = target.clone();
                self.dial(now, target);
            }
            (Stage::Opening { .. }, Input::NotOpened) => self.fail(now, TransferFailure::Unreachable),
            (Stage::Dialling { .. } | Stage::Ringing { .. }, Input::GoesBy) => {
                self.stage = Stage::Dialling { until: now + self.ring };
            }
            (Stage::Dialling { until }, Input::Ringing) => {
                self.outputs.push_back(Output::Note(Entry::TransferRinging { leg: self.leg }));
                self.stage = Stage::Ringing { until: *until };
            }
            (Stage::Dialling { .. } | Stage::Ringing { .. }, Input::Answered) => self.on_answered(now),
            (Stage::Dialling { .. } | Stage::Ringing { .. }, Input::Refused { status }) => {
                self.fail(now, failure_of(status));
            }
            (Stage::Dialling { .. } | Stage::Ringing { .. }, Input::AgentGone) => {
                self.fail(now, TransferFailure::Unreachable);
            }
            (Stage::Briefing { .. } | Stage::Deciding { .. }, Input::Digit(digit)) => self.on_digit(now, digit),
            (Stage::Briefing { until, .. }, Input::BriefingSpoken) => self.stage = Stage::Deciding { until: *until },
            (Stage::Briefing { .. }, Input::BriefingFailed) => self.bridge(),
            (Stage::Briefing { .. } | Stage::Deciding { .. }, Input::AgentGone) => {
                self.fail(now, TransferFailure::AgentHungUp);
            }
            // What no longer matters, or never did at this stage.
            (
                Stage::Opening { .. },
                Input::GoesBy | Input::Ringing | Input::Answered | Input::Refused { .. } | Input::AgentGone,
            )
            | (Stage::Opening { .. } | Stage::Dialling { .. } | Stage::Ringing { .. }, Input::Digit(_))
            | (
                Stage::Opening { .. } | Stage::Dialling { .. } | Stage::Ringing { .. } | Stage::Deciding { .. },
                Input::BriefingSpoken | Input::BriefingFailed,
            )
            | (Stage::Dialling { .. } | Stage::Ringing { .. }, Input::Opened | Input::NotOpened)
            | (Stage::Ringing { .. }, Input::Ringing)
            | (
                Stage::Briefing { .. } | Stage::Deciding { .. },
                Input::Opened
                | Input::NotOpened
                | Input::GoesBy
                | Input::Ringing
                | Input::Answered
                | Input::Refused { .. },
            )
            | (
                Stage::Bridged | Stage::GivenUp,
                Input::Opened
                | Input::NotOpened
                | Input::GoesBy
                | Input::Ringing
                | Input::Answered
                | Input::Refused { .. }
                | Input::Digit(_)
                | Input::BriefingSpoken
                | Input::BriefingFailed
                | Input::AgentGone,
            ) => {}
        }
    }

    /// Next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When this telephone has had its chance.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        match self.stage {
            Stage::Opening { until, .. } => Some((until, Why::Port)),
            Stage::Dialling { until } | Stage::Ringing { until } => Some((until, Why::Answer)),
            Stage::Briefing { cut, until } if cut < until => Some((cut, Why::Briefing)),
            Stage::Briefing { until, .. } | Stage::Deciding { until } => Some((until, Why::Acceptance)),
            Stage::Bridged | Stage::GivenUp => None,
        }
    }

    /// The leg that is being tried, or the one that was bridged.
    pub fn leg(&self) -> Option<LegId> {
        match self.stage {
            Stage::Opening { .. }
            | Stage::Dialling { .. }
            | Stage::Ringing { .. }
            | Stage::Briefing { .. }
            | Stage::Deciding { .. }
            | Stage::Bridged => Some(self.leg),
            Stage::GivenUp => None,
        }
    }

    fn try_next(&mut self, now: Instant, last: TransferFailure) {
        let Some(target) = self.targets.take() else {
            self.stage = Stage::GivenUp;
            self.outputs.push_back(Output::Note(Entry::TransferGivenUp));
            self.outputs.push_back(Output::GivenUp { failure: last });
            return;
        };
        self.outputs.push_back(Output::Open { leg: self.leg });
        self.stage = Stage::Opening { target, until: now + ms(self.config.open_ms) };
    }

    fn dial(&mut self, now: Instant, target: RingTarget) {
        let entry = Entry::TransferDialling { leg: self.leg, target: target.to_string() };
        self.outputs.push_back(Output::Note(entry));
        self.outputs.push_back(Output::Dial { leg: self.leg, target });
        self.stage = Stage::Dialling { until: now + self.ring };
    }

    fn on_answered(&mut self, now: Instant) {
        let leg = self.leg;
        let briefing = match &self.manner {
            Manner::Blind => return self.bridge(),
            Manner::Warm(briefing) => briefing.clone(),
        };
        self.outputs.push_back(Output::Note(Entry::Briefing { leg, text: briefing.text.clone().into() }));
        self.outputs.push_back(Output::Brief { leg, briefing });
        let until = now + self.accept.timeout.max(Duration::from_secs(1));
        self.stage = Stage::Briefing { cut: now + ms(self.config.briefing_ms), until };
    }

    fn on_digit(&mut self, now: Instant, digit: char) {
        if digit == self.accept.yes {
            self.outputs.push_back(Output::Note(Entry::TransferAccepted { leg: self.leg }));
            self.bridge();
        } else if digit == self.accept.no {
            self.fail(now, TransferFailure::Declined);
        }
    }

    fn bridge(&mut self) {
        self.stage = Stage::Bridged;
        self.outputs.push_back(Output::Note(Entry::Bridged { leg: self.leg }));
        self.outputs.push_back(Output::Bridge { leg: self.leg });
    }

    fn fail(&mut self, now: Instant, failure: TransferFailure) {
        let leg = self.leg;
        self.outputs.push_back(Output::Note(Entry::TransferFailed { leg, failure: failure.clone() }));
        self.outputs.push_back(Output::End { leg });
        self.leg = leg.next();
        self.try_next(now, failure);
    }

    fn on_time(&mut self, now: Instant) {
        let Some((due, why)) = self.deadline() else { return };
        if now < due {
            return;
        }
        match why {
            Why::Port => self.fail(now, TransferFailure::Unreachable),
            Why::Answer => self.fail(now, TransferFailure::NoAnswer),
            Why::Acceptance => self.fail(now, TransferFailure::NeverAccepted),
            Why::Briefing => {
                self.outputs.push_back(Output::CutBriefing { leg: self.leg });
                if let Stage::Briefing { until, .. } = self.stage {
                    self.stage = Stage::Deciding { until };
                }
            }
        }
    }
}

/// What a final SIP status means for a telephone that was dialled.
fn failure_of(status: u16) -> TransferFailure {
    match status {
        486 | 600 => TransferFailure::Busy,
        408 | 480 | 487 => TransferFailure::NoAnswer,
        603 => TransferFailure::Declined,
        503 => TransferFailure::Unreachable,
        status => TransferFailure::Refused { status },
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_answers_have_their_meaning() {
        let rows = [
            (486, TransferFailure::Busy),
            (600, TransferFailure::Busy),
            (408, TransferFailure::NoAnswer),
            (480, TransferFailure::NoAnswer),
            (487, TransferFailure::NoAnswer),
            (603, TransferFailure::Declined),
            (503, TransferFailure::Unreachable),
            (404, TransferFailure::Refused { status: 404 }),
            (500, TransferFailure::Refused { status: 500 }),
        ];
        for (status, failure) in rows {
            assert_eq!(failure_of(status), failure, "{status}");
        }
    }
}
