//! Client transaction of any request but INVITE and ACK (RFC 3261 17.1.2; RFC 4320: a provisional answer slows the
//! repeats to T2 and does not end them).

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::{ClientInput, Effect, Effects};
use crate::deadline::earliest;
use crate::sip::timers::{Reliability, Repeat, Timer};

/// See the module.
#[derive(Debug)]
pub struct ClientOther {
    reliability: Reliability,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    Trying(Pending),
    /// A provisional answer came.
    Proceeding(Pending),
    /// The final answer came; repeats of it are absorbed.
    Completed {
        until: Instant,
    },
    Terminated,
}

#[derive(Debug)]
struct Pending {
    request: Bytes,
    repeat: Option<Repeat>,
    give_up: Instant,
}

impl ClientOther {
    /// Sends the request.
    pub fn start(now: Instant, request: Bytes, reliability: Reliability, effects: &mut Effects) -> Self {
        effects.push(Effect::Transmit(request.clone()));
        let repeat = Timer::E.repeat(now, reliability);
        let give_up = Timer::F.due(now, reliability);
        Self { reliability, state: Stage::Trying(Pending { request, repeat, give_up }) }
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: ClientInput, effects: &mut Effects) {
        self.state = match mem::replace(&mut self.state, Stage::Terminated) {
            Stage::Trying(pending) => self.trying(now, input, effects, pending),
            Stage::Proceeding(pending) => self.proceeding(now, input, effects, pending),
            Stage::Completed { until } => Self::completed(now, input, effects, until),
            Stage::Terminated => Stage::Terminated,
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            Stage::Trying(pending) | Stage::Proceeding(pending) => {
                earliest([pending.repeat.map(|r| (r.at, Timer::E)), Some((pending.give_up, Timer::F))])
            }
            Stage::Completed { until } => Some((*until, Timer::K)),
            Stage::Terminated => None,
        }
    }

    fn trying(&self, now: Instant, input: ClientInput, effects: &mut Effects, pending: Pending) -> Stage {
        match input {
            ClientInput::Timeout => pending.timeout(now, effects).map_or(Stage::Terminated, Stage::Trying),
            ClientInput::Provisional
            | ClientInput::Success
            | ClientInput::Refusal { .. }
            | ClientInput::TransportFailed => self.proceeding(now, input, effects, pending),
        }
    }

    fn proceeding(&self, now: Instant, input: ClientInput, effects: &mut Effects, mut pending: Pending) -> Stage {
        match input {
            ClientInput::Timeout => pending.timeout(now, effects).map_or(Stage::Terminated, Stage::Proceeding),
            ClientInput::Provisional => {
                effects.push(Effect::Deliver);
                pending.repeat = pending.repeat.map(Repeat::slowed);
                Stage::Proceeding(pending)
            }
            ClientInput::Success | ClientInput::Refusal { .. } => {
                effects.push(Effect::Deliver);
                Stage::Completed { until: Timer::K.due(now, self.reliability) }
            }
            ClientInput::TransportFailed => {
                effects.push(Effect::Unsendable);
                effects.push(Effect::Ended);
                Stage::Terminated
            }
        }
    }

    fn completed(now: Instant, input: ClientInput, effects: &mut Effects, until: Instant) -> Stage {
        match input {
            ClientInput::Timeout if now >= until => {
                effects.push(Effect::Ended);
                Stage::Terminated
            }
            ClientInput::Timeout
            | ClientInput::Provisional
            | ClientInput::Success
            | ClientInput::Refusal { .. }
            | ClientInput::TransportFailed => Stage::Completed { until },
        }
    }
}

impl Pending {
    /// `None` when nobody answered in time.
    fn timeout(mut self, now: Instant, effects: &mut Effects) -> Option<Self> {
        if now >= self.give_up {
            effects.push(Effect::TimedOut);
            effects.push(Effect::Ended);
            return None;
        }
        if let Some(due) = self.repeat.filter(|r| now >= r.at) {
            effects.push(Effect::Transmit(self.request.clone()));
            self.repeat = Some(due.next(now));
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use std::time::Duration;

    fn start(on: Reliability) -> (ClientOther, Instant) {
        let now = Instant::now();
        let mut effects = Effects::new();
        let machine = ClientOther::start(now, Bytes::from_static(b"BYE"), on, &mut effects);
        assert_eq!(effects.as_slice(), [Effect::Transmit(Bytes::from_static(b"BYE"))]);
        (machine, now)
    }

    fn feed(machine: &mut ClientOther, now: Instant, input: ClientInput) -> Vec<Effect> {
        let mut effects = Effects::new();
        machine.handle(now, input, &mut effects);
        effects.to_vec()
    }

    fn times(machine: &mut ClientOther, now: Instant) -> Vec<(u64, Timer)> {
        run(machine, now, 60_000, ClientOther::deadline, |m, at, effects| {
            m.handle(at, ClientInput::Timeout, effects);
            assert!(!effects.is_empty());
        })
        .into_iter()
        .map(|(at, timer, _)| (at, timer))
        .collect()
    }

    #[test]
    fn repeats_by_timer_e_and_gives_up_by_timer_f() {
        let (mut machine, now) = start(Reliability::Unreliable);
        let e = Timer::E;
        let expected = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500].map(|at| (at, e));
        let seen = times(&mut machine, now);
        assert_eq!(seen[..10], expected);
        assert_eq!(seen[10..], [(32_000, Timer::F)]);
    }

    #[test]
    fn over_tcp_only_timer_f() {
        let (mut machine, now) = start(Reliability::Reliable);
        assert_eq!(times(&mut machine, now), [(32_000, Timer::F)]);
    }

    #[test]
    fn a_provisional_answer_slows_the_repeats() {
        let (mut machine, now) = start(Reliability::Unreliable);
        assert_eq!(feed(&mut machine, now, ClientInput::Provisional), [Effect::Deliver]);
        assert_eq!(times(&mut machine, now)[..3], [(500, Timer::E), (4500, Timer::E), (8500, Timer::E)]);
    }

    #[test]
    fn a_final_answer_is_delivered_once_until_timer_k() {
        for (on, until) in [(Reliability::Unreliable, 5), (Reliability::Reliable, 0)] {
            let (mut machine, now) = start(on);
            assert_eq!(feed(&mut machine, now, ClientInput::Success), [Effect::Deliver]);
            assert_eq!(feed(&mut machine, now, ClientInput::Success), []);
            let end = now + Duration::from_secs(until);
            assert_eq!(machine.deadline(), Some((end, Timer::K)));
            assert_eq!(feed(&mut machine, end, ClientInput::Timeout), [Effect::Ended]);
        }
    }

    #[test]
    fn what_cannot_be_sent_ends_it() {
        let (mut machine, now) = start(Reliability::Unreliable);
        assert_eq!(feed(&mut machine, now, ClientInput::TransportFailed), [Effect::Unsendable, Effect::Ended]);
    }
}
