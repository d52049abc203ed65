//! Server transaction of any request but INVITE and ACK (RFC 3261 17.2.2). It keeps its answer and repeats it. There is no
//! Proceeding state: RFC 4320 4.1 leaves nothing worth sending before the final answer, which is always at once here.

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::{Effect, Effects, ServerInput, compact};
use crate::sip::timers::{Reliability, Timer};

/// See the module.
#[derive(Debug)]
pub struct ServerOther {
    reliability: Reliability,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    Trying,
    Completed { answer: Bytes, until: Instant },
    Terminated,
}

impl ServerOther {
    /// For a request that has just come.
    pub fn new(reliability: Reliability) -> Self {
        Self { reliability, state: Stage::Trying }
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: ServerInput, effects: &mut Effects) {
        self.state = match mem::replace(&mut self.state, Stage::Terminated) {
            Stage::Trying => self.trying(now, input, effects),
            Stage::Completed { answer, until } => Self::completed(now, input, effects, answer, until),
            Stage::Terminated => Stage::Terminated,
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            Stage::Completed { until, .. } => Some((*until, Timer::J)),
            Stage::Trying | Stage::Terminated => None,
        }
    }

    fn trying(&self, now: Instant, input: ServerInput, effects: &mut Effects) -> Stage {
        match input {
            ServerInput::Answer { status: 200.., bytes } => {
                let answer = compact(&bytes);
                effects.push(Effect::Transmit(bytes));
                Stage::Completed { answer, until: Timer::J.due(now, self.reliability) }
            }
            ServerInput::TransportFailed => {
                effects.push(Effect::Ended);
                Stage::Terminated
            }
            ServerInput::Answer { .. } | ServerInput::Repeated | ServerInput::Ack | ServerInput::Timeout => {
                Stage::Trying
            }
        }
    }

    fn completed(now: Instant, input: ServerInput, effects: &mut Effects, answer: Bytes, until: Instant) -> Stage {
        match input {
            ServerInput::Timeout if now >= until => {
                effects.push(Effect::Ended);
                return Stage::Terminated;
            }
            ServerInput::Repeated => effects.push(Effect::Transmit(answer.clone())),
            ServerInput::Timeout | ServerInput::Ack | ServerInput::Answer { .. } | ServerInput::TransportFailed => {}
        }
        Stage::Completed { answer, until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_answer_is_repeated_until_timer_j() {
        for (on, until) in [(Reliability::Unreliable, 32), (Reliability::Reliable, 0)] {
            let now = Instant::now();
            let mut machine = ServerOther::new(on);
            let mut feed = |at, input| {
                let mut effects = Effects::new();
                machine.handle(at, input, &mut effects);
                (effects.to_vec(), machine.deadline())
            };
            let bytes = Bytes::from_static(b"200");
            let sent = vec![Effect::Transmit(bytes.clone())];
            assert_eq!(feed(now, ServerInput::Repeated), (vec![], None));
            let end = now + Duration::from_secs(until);
            let deadline = Some((end, Timer::J));
            assert_eq!(feed(now, ServerInput::Answer { status: 200, bytes }), (sent.clone(), deadline));
            assert_eq!(feed(now, ServerInput::Repeated), (sent, deadline));
            let other = ServerInput::Answer { status: 500, bytes: Bytes::from_static(b"500") };
            assert_eq!(feed(now, other), (vec![], deadline));
            assert_eq!(feed(end, ServerInput::Timeout), (vec![Effect::Ended], None));
        }
    }
}
