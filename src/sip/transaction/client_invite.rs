//! Client INVITE transaction (RFC 3261 17.1.1, RFC 6026 7.2). Sends ACK to a refusal itself; ACK to a 2xx is the dialog's.

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::{ClientInput, Effect, Effects};
use crate::deadline::earliest;
use crate::sip::timers::{Reliability, Repeat, Timer};

/// See the module.
#[derive(Debug)]
pub struct ClientInvite {
    reliability: Reliability,
    state: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Sent, nothing heard.
    Calling {
        request: Bytes,
        repeat: Option<Repeat>,
        give_up: Instant,
    },
    /// A provisional answer came.
    Proceeding,
    /// A refusal came and was acknowledged.
    Completed {
        ack: Bytes,
        until: Instant,
    },
    /// A 2xx came; more may, from other branches of a fork.
    Accepted {
        until: Instant,
    },
    Terminated,
}

impl ClientInvite {
    /// Sends the INVITE.
    pub fn start(now: Instant, request: Bytes, reliability: Reliability, effects: &mut Effects) -> Self {
        effects.push(Effect::Transmit(request.clone()));
        let repeat = Timer::A.repeat(now, reliability);
        let give_up = Timer::B.due(now, reliability);
        Self { reliability, state: Stage::Calling { request, repeat, give_up } }
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: ClientInput, effects: &mut Effects) {
        self.state = match mem::replace(&mut self.state, Stage::Terminated) {
            Stage::Calling { request, repeat, give_up } => self.calling(now, input, effects, request, repeat, give_up),
            Stage::Proceeding => self.proceeding(now, input, effects),
            Stage::Completed { ack, until } => Self::completed(now, input, effects, ack, until),
            Stage::Accepted { until } => Self::accepted(now, input, effects, until),
            Stage::Terminated => Stage::Terminated,
        };
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            Stage::Calling { repeat, give_up, .. } => {
                earliest([repeat.map(|r| (r.at, Timer::A)), Some((*give_up, Timer::B))])
            }
            Stage::Completed { until, .. } => Some((*until, Timer::D)),
            Stage::Accepted { until } => Some((*until, Timer::M)),
            Stage::Proceeding | Stage::Terminated => None,
        }
    }

    /// Nobody waits for the answer any more: it is sent no more, and what comes late is still understood.
    pub fn stop_repeating(&mut self) {
        if let Stage::Calling { repeat, .. } = &mut self.state {
            *repeat = None;
        }
    }

    /// True before a final answer.
    pub fn awaits_answer(&self) -> bool {
        match self.state {
            Stage::Calling { .. } | Stage::Proceeding => true,
            Stage::Completed { .. } | Stage::Accepted { .. } | Stage::Terminated => false,
        }
    }

    fn calling(
        &self,
        now: Instant,
        input: ClientInput,
        effects: &mut Effects,
        request: Bytes,
        repeat: Option<Repeat>,
        give_up: Instant,
    ) -> Stage {
        match input {
            ClientInput::Timeout if now >= give_up => end(effects, Effect::TimedOut),
            ClientInput::Timeout => {
                let mut repeat = repeat;
                if let Some(due) = repeat.filter(|r| now >= r.at) {
                    effects.push(Effect::Transmit(request.clone()));
                    repeat = Some(due.next(now));
                }
                Stage::Calling { request, repeat, give_up }
            }
            ClientInput::TransportFailed => end(effects, Effect::Unsendable),
            ClientInput::Provisional | ClientInput::Success | ClientInput::Refusal { .. } => {
                self.proceeding(now, input, effects)
            }
        }
    }

    fn proceeding(&self, now: Instant, input: ClientInput, effects: &mut Effects) -> Stage {
        match input {
            ClientInput::Provisional => {
                effects.push(Effect::Deliver);
                Stage::Proceeding
            }
            ClientInput::Success => {
                effects.push(Effect::Deliver);
                Stage::Accepted { until: Timer::M.due(now, self.reliability) }
            }
            ClientInput::Refusal { ack } => {
                effects.push(Effect::Transmit(ack.clone()));
                effects.push(Effect::Deliver);
                Stage::Completed { ack, until: Timer::D.due(now, self.reliability) }
            }
            ClientInput::TransportFailed => end(effects, Effect::Unsendable),
            ClientInput::Timeout => Stage::Proceeding,
        }
    }

    fn completed(now: Instant, input: ClientInput, effects: &mut Effects, ack: Bytes, until: Instant) -> Stage {
        match input {
            ClientInput::Refusal { .. } => {
                effects.push(Effect::Transmit(ack.clone()));
                Stage::Completed { ack, until }
            }
            ClientInput::Timeout if now >= until => ended(effects),
            ClientInput::TransportFailed => ended(effects),
            ClientInput::Provisional | ClientInput::Success | ClientInput::Timeout => Stage::Completed { ack, until },
        }
    }

    fn accepted(now: Instant, input: ClientInput, effects: &mut Effects, until: Instant) -> Stage {
        match input {
            ClientInput::Success => {
                effects.push(Effect::Deliver);
                Stage::Accepted { until }
            }
            ClientInput::Timeout if now >= until => ended(effects),
            ClientInput::Provisional
            | ClientInput::Refusal { .. }
            | ClientInput::TransportFailed
            | ClientInput::Timeout => Stage::Accepted { until },
        }
    }
}

fn end(effects: &mut Effects, why: Effect) -> Stage {
    effects.push(why);
    ended(effects)
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

    fn start(on: Reliability) -> (ClientInvite, Instant) {
        let now = Instant::now();
        let mut effects = Effects::new();
        let machine = ClientInvite::start(now, Bytes::from_static(b"INVITE"), on, &mut effects);
        assert_eq!(effects.as_slice(), [Effect::Transmit(Bytes::from_static(b"INVITE"))]);
        (machine, now)
    }

    fn feed(machine: &mut ClientInvite, now: Instant, input: ClientInput) -> Vec<Effect> {
        let mut effects = Effects::new();
        machine.handle(now, input, &mut effects);
        effects.to_vec()
    }

    fn ack() -> Bytes {
        Bytes::from_static(b"ACK")
    }

    #[test]
    fn repeats_by_timer_a_and_gives_up_by_timer_b() {
        let (mut machine, now) = start(UDP);
        let seen = run(&mut machine, now, 60_000, ClientInvite::deadline, |m, at, effects| {
            m.handle(at, ClientInput::Timeout, effects);
        });
        let times: Vec<_> = seen.iter().map(|(at, timer, _)| (*at, *timer)).collect();
        let a = Timer::A;
        assert_eq!(times, [(500, a), (1500, a), (3500, a), (7500, a), (15500, a), (31500, a), (32000, Timer::B)]);
        assert_eq!(seen[0].2, [Effect::Transmit(Bytes::from_static(b"INVITE"))]);
        assert_eq!(seen[6].2, [Effect::TimedOut, Effect::Ended]);
    }

    #[test]
    fn over_tcp_only_timer_b() {
        let (mut machine, now) = start(TCP);
        let seen = run(&mut machine, now, 60_000, ClientInvite::deadline, |m, at, effects| {
            m.handle(at, ClientInput::Timeout, effects);
        });
        assert_eq!(seen, [(32_000, Timer::B, vec![Effect::TimedOut, Effect::Ended])]);
    }

    #[test]
    fn a_provisional_answer_ends_the_repeats() {
        let (mut machine, now) = start(UDP);
        assert_eq!(feed(&mut machine, now, ClientInput::Provisional), [Effect::Deliver]);
        assert_eq!(machine.deadline(), None);
        assert_eq!(feed(&mut machine, now, ClientInput::Provisional), [Effect::Deliver]);
    }

    #[test]
    fn a_refusal_is_acknowledged_each_time_and_delivered_once() {
        for (on, until) in [(UDP, 32_000), (TCP, 0)] {
            let (mut machine, now) = start(on);
            let refusal = ClientInput::Refusal { ack: ack() };
            assert_eq!(feed(&mut machine, now, refusal.clone()), [Effect::Transmit(ack()), Effect::Deliver]);
            assert_eq!(feed(&mut machine, now, refusal), [Effect::Transmit(ack())]);
            assert_eq!(feed(&mut machine, now, ClientInput::Success), []);
            assert_eq!(machine.deadline(), Some((now + Duration::from_millis(until), Timer::D)));
            let end = now + Duration::from_millis(until);
            assert_eq!(feed(&mut machine, end, ClientInput::Timeout), [Effect::Ended]);
        }
    }

    #[test]
    fn every_2xx_is_delivered_until_timer_m() {
        let (mut machine, now) = start(UDP);
        assert_eq!(feed(&mut machine, now, ClientInput::Success), [Effect::Deliver]);
        assert_eq!(feed(&mut machine, now, ClientInput::Success), [Effect::Deliver]);
        assert_eq!(feed(&mut machine, now, ClientInput::Refusal { ack: ack() }), []);
        assert_eq!(machine.deadline(), Some((now + Duration::from_secs(32), Timer::M)));
        assert_eq!(feed(&mut machine, now + Duration::from_secs(32), ClientInput::Timeout), [Effect::Ended]);
        assert_eq!(feed(&mut machine, now + Duration::from_secs(33), ClientInput::Success), []);
    }

    #[test]
    fn what_cannot_be_sent_ends_it() {
        let (mut machine, now) = start(TCP);
        assert_eq!(feed(&mut machine, now, ClientInput::TransportFailed), [Effect::Unsendable, Effect::Ended]);
    }
}
