//! Server INVITE transaction (RFC 3261 17.2.1, RFC 6026 7.1). It keeps its last answer and repeats it. Repeats of a 2xx
//! are the dialog's business (RFC 3261 13.3.1.4).

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::{Effect, Effects, ServerInput, compact};
use crate::deadline::earliest;
use crate::sip::timers::{Reliability, Repeat, Timer};

/// See the module.
#[derive(Debug)]
pub struct ServerInvite {
    reliability: Reliability,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    Proceeding {
        last: Option<Bytes>,
    },
    /// Refused, not acknowledged.
    Completed {
        answer: Bytes,
        repeat: Option<Repeat>,
        give_up: Instant,
    },
    /// Refused and acknowledged.
    Confirmed {
        until: Instant,
    },
    /// Answered with 2xx.
    Accepted {
        until: Instant,
    },
    Terminated,
}

impl ServerInvite {
    /// For an INVITE that has just come. The first answer (100) is the endpoint's.
    pub fn new(reliability: Reliability) -> Self {
        Self { reliability, state: Stage::Proceeding { last: None } }
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: ServerInput, effects: &mut Effects) {
        self.state = match mem::replace(&mut self.state, Stage::Terminated) {
            Stage::Proceeding { last } => self.proceeding(now, input, effects, last),
            Stage::Completed { answer, repeat, give_up } => {
                self.completed(now, input, effects, answer, repeat, give_up)
            }
            Stage::Confirmed { until } => Self::confirmed(now, input, effects, until),
            Stage::Accepted { until } => Self::accepted(now, input, effects, until),
            Stage::Terminated => Stage::Terminated,
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            Stage::Completed { repeat, give_up, .. } => {
                earliest([repeat.map(|r| (r.at, Timer::G)), Some((*give_up, Timer::H))])
            }
            Stage::Confirmed { until } => Some((*until, Timer::I)),
            Stage::Accepted { until } => Some((*until, Timer::L)),
            Stage::Proceeding { .. } | Stage::Terminated => None,
        }
    }

    fn proceeding(&self, now: Instant, input: ServerInput, effects: &mut Effects, last: Option<Bytes>) -> Stage {
        match input {
            ServerInput::Repeated => {
                effects.extend(last.clone().map(Effect::Transmit));
                Stage::Proceeding { last }
            }
            ServerInput::Answer { status, bytes } => {
                let answer = compact(&bytes);
                effects.push(Effect::Transmit(bytes));
                match status {
                    ..200 => Stage::Proceeding { last: Some(answer) },
                    200..300 => Stage::Accepted { until: Timer::L.due(now, self.reliability) },
                    300.. => Stage::Completed {
                        answer,
                        repeat: Timer::G.repeat(now, self.reliability),
                        give_up: Timer::H.due(now, self.reliability),
                    },
                }
            }
            ServerInput::TransportFailed => {
                effects.push(Effect::Unsendable);
                Stage::Proceeding { last }
            }
            ServerInput::Ack | ServerInput::Timeout => Stage::Proceeding { last },
        }
    }

    fn completed(
        &self,
        now: Instant,
        input: ServerInput,
        effects: &mut Effects,
        answer: Bytes,
        mut repeat: Option<Repeat>,
        give_up: Instant,
    ) -> Stage {
        match input {
            ServerInput::Ack => return Stage::Confirmed { until: Timer::I.due(now, self.reliability) },
            ServerInput::Timeout if now >= give_up => {
                effects.push(Effect::TimedOut);
                effects.push(Effect::Ended);
                return Stage::Terminated;
            }
            ServerInput::Timeout => {
                if let Some(due) = repeat.filter(|r| now >= r.at) {
                    effects.push(Effect::Transmit(answer.clone()));
                    repeat = Some(due.next(now));
                }
            }
            ServerInput::Repeated => effects.push(Effect::Transmit(answer.clone())),
            ServerInput::Answer { .. } | ServerInput::TransportFailed => {}
        }
        Stage::Completed { answer, repeat, give_up }
    }

    fn confirmed(now: Instant, input: ServerInput, effects: &mut Effects, until: Instant) -> Stage {
        match input {
            ServerInput::Timeout if now >= until => ended(effects),
            ServerInput::Timeout
            | ServerInput::Repeated
            | ServerInput::Ack
            | ServerInput::Answer { .. }
            | ServerInput::TransportFailed => Stage::Confirmed { until },
        }
    }

    fn accepted(now: Instant, input: ServerInput, effects: &mut Effects, until: Instant) -> Stage {
        match input {
            ServerInput::Timeout if now >= until => return ended(effects),
            ServerInput::Ack => effects.push(Effect::Deliver),
            ServerInput::Answer { status: 200..300, bytes } => effects.push(Effect::Transmit(bytes)),
            ServerInput::Timeout
            | ServerInput::Repeated
            | ServerInput::Answer { .. }
            | ServerInput::TransportFailed => {}
        }
        Stage::Accepted { until }
    }
}

fn ended(effects: &mut Effects) -> Stage {
    effects.push(Effect::Ended);
    Stage::Terminated
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use std::time::Duration;

    const UDP: Reliability = Reliability::Unreliable;
    const TCP: Reliability = Reliability::Reliable;

    fn feed(machine: &mut ServerInvite, now: Instant, input: ServerInput) -> Vec<Effect> {
        let mut effects = Effects::new();
        machine.handle(now, input, &mut effects);
        effects.to_vec()
    }

    fn answer(status: u16) -> ServerInput {
        ServerInput::Answer { status, bytes: bytes(status) }
    }

    fn bytes(status: u16) -> Bytes {
        Bytes::from(status.to_string())
    }

    fn sent(status: u16) -> Effect {
        Effect::Transmit(bytes(status))
    }

    #[test]
    fn the_last_provisional_answer_is_repeated() {
        let (mut machine, now) = (ServerInvite::new(UDP), Instant::now());
        assert_eq!(feed(&mut machine, now, ServerInput::Repeated), []);
        assert_eq!(feed(&mut machine, now, answer(100)), [sent(100)]);
        assert_eq!(feed(&mut machine, now, answer(180)), [sent(180)]);
        assert_eq!(feed(&mut machine, now, ServerInput::Repeated), [sent(180)]);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_refusal_is_repeated_by_timer_g_until_timer_h() {
        for (on, repeats) in [(UDP, 10), (TCP, 0)] {
            let (mut machine, now) = (ServerInvite::new(on), Instant::now());
            feed(&mut machine, now, answer(486));
            let seen = run(&mut machine, now, 60_000, ServerInvite::deadline, |m, at, effects| {
                m.handle(at, ServerInput::Timeout, effects);
            });
            assert_eq!(seen.len(), repeats + 1);
            assert!(seen[..repeats].iter().all(|(_, t, e)| *t == Timer::G && *e == [sent(486)]));
            assert_eq!(seen[repeats], (32_000, Timer::H, vec![Effect::TimedOut, Effect::Ended]));
            if on == UDP {
                assert_eq!(seen.iter().take(5).map(|s| s.0).collect::<Vec<_>>(), [500, 1500, 3500, 7500, 11500]);
            }
        }
    }

    #[test]
    fn ack_ends_the_repeats_and_timer_i_ends_it() {
        for (on, until) in [(UDP, 5), (TCP, 0)] {
            let (mut machine, now) = (ServerInvite::new(on), Instant::now());
            feed(&mut machine, now, answer(486));
            assert_eq!(feed(&mut machine, now, ServerInput::Repeated), [sent(486)]);
            assert_eq!(feed(&mut machine, now, ServerInput::Ack), []);
            assert_eq!(feed(&mut machine, now, ServerInput::Ack), []);
            assert_eq!(feed(&mut machine, now, ServerInput::Repeated), []);
            let end = now + Duration::from_secs(until);
            assert_eq!(machine.deadline(), Some((end, Timer::I)));
            assert_eq!(feed(&mut machine, end, ServerInput::Timeout), [Effect::Ended]);
        }
    }

    #[test]
    fn after_2xx_repeats_of_the_invite_are_absorbed_until_timer_l() {
        let (mut machine, now) = (ServerInvite::new(UDP), Instant::now());
        assert_eq!(feed(&mut machine, now, answer(200)), [sent(200)]);
        assert_eq!(feed(&mut machine, now, ServerInput::Repeated), []);
        assert_eq!(feed(&mut machine, now, answer(200)), [sent(200)]);
        assert_eq!(feed(&mut machine, now, answer(486)), []);
        assert_eq!(feed(&mut machine, now, ServerInput::Ack), [Effect::Deliver]);
        let end = now + Duration::from_secs(32);
        assert_eq!(machine.deadline(), Some((end, Timer::L)));
        assert_eq!(feed(&mut machine, end, ServerInput::Timeout), [Effect::Ended]);
    }
}
