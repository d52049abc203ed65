//! Who may speak, and for how long nobody may be silent. Two timers hang on it: no input (the caller holds the floor and
//! says nothing) and dead air (we owe the caller something and nothing comes).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorConfig {
    /// Silence of a caller whose turn it is, ms.
    pub no_input_ms: u32,
    /// Silence of ours while the caller waits for us, ms.
    pub dead_air_ms: u32,
}

impl Default for FloorConfig {
    fn default() -> Self {
        Self { no_input_ms: 6_000, dead_air_ms: 4_000 }
    }
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The bot owes the caller something to hear: a prompt is on its way.
    BotOwes,
    /// The bot's voice, or music, is on the line.
    BotStarted,
    /// The bot has nothing more to say.
    BotEnded,
    /// The caller speaks.
    CallerStarted,
    /// The caller's utterance is over; an answer is owed.
    CallerEnded,
    /// The caller speaks with a human: no timer of ours applies.
    HumanJoined,
    /// A deadline may have passed.
    Timeout,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The caller has the floor and stays silent; the how manieth time in a row.
    NoInput {
        /// From 1.
        count: u8,
    },
    /// The caller hears nothing although it is our turn.
    DeadAir,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The caller's first word.
    NoInput,
    /// Our own voice.
    DeadAir,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody yet: the bot owes a first word, or an answer.
    Owed {
        /// Since when.
        since: Instant,
    },
    /// The bot speaks.
    Bot,
    /// The caller may speak and is silent.
    Caller {
        /// Since when.
        since: Instant,
    },
    /// The caller speaks.
    CallerSpeaking,
    /// A human has the caller.
    Human,
}

/// The machine.
#[derive(Debug)]
pub struct Floor {
    config: FloorConfig,
    holder: Holder,
    silences: u8,
    outputs: VecDeque<Output>,
}

impl Floor {
    /// The bot owes the first word.
    pub fn new(config: FloorConfig, now: Instant) -> Self {
        Self { config, holder: Holder::Owed { since: now }, silences: 0, outputs: VecDeque::with_capacity(1) }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.on_time(now);
        self.holder = match (self.holder, input) {
            (holder, Input::Timeout) => holder,
            (_, Input::HumanJoined) => Holder::Human,
            // Only a prompt of ours takes the floor back from a human.
            (Holder::Human, Input::CallerStarted | Input::CallerEnded | Input::BotEnded) => Holder::Human,
            (Holder::Owed { since }, Input::BotOwes) => Holder::Owed { since },
            (Holder::Bot | Holder::Caller { .. } | Holder::CallerSpeaking | Holder::Human, Input::BotOwes) => {
                Holder::Owed { since: now }
            }
            (
                Holder::Owed { .. } | Holder::Bot | Holder::Caller { .. } | Holder::CallerSpeaking | Holder::Human,
                Input::BotStarted,
            ) => Holder::Bot,
            (Holder::CallerSpeaking, Input::BotEnded) => Holder::CallerSpeaking,
            (Holder::Owed { .. } | Holder::Bot | Holder::Caller { .. }, Input::BotEnded) => {
                Holder::Caller { since: now }
            }
            (
                Holder::Owed { .. } | Holder::Bot | Holder::Caller { .. } | Holder::CallerSpeaking,
                Input::CallerStarted,
            ) => {
                self.silences = 0;
                Holder::CallerSpeaking
            }
            (Holder::Bot, Input::CallerEnded) => Holder::Bot,
            (Holder::Owed { .. } | Holder::Caller { .. } | Holder::CallerSpeaking, Input::CallerEnded) => {
                Holder::Owed { since: now }
            }
        };
    }

    /// Next thing to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When silence has lasted too long.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        match self.holder {
            Holder::Owed { since } => Some((since + ms(self.config.dead_air_ms), Why::DeadAir)),
            Holder::Caller { since } => Some((since + ms(self.config.no_input_ms), Why::NoInput)),
            Holder::Bot | Holder::CallerSpeaking | Holder::Human => None,
        }
    }

    /// Whose turn it is.
    pub fn holder(&self) -> Holder {
        self.holder
    }

    fn on_time(&mut self, now: Instant) {
        let Some((due, why)) = self.deadline() else { return };
        if now < due {
            return;
        }
        self.holder = Holder::Owed { since: now };
        self.outputs.push_back(match why {
            Why::NoInput => {
                self.silences = self.silences.saturating_add(1);
                Output::NoInput { count: self.silences }
            }
            Why::DeadAir => Output::DeadAir,
        });
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has to begin at some time")]
mod tests {
    use super::*;

    /// Plays inputs at their times (ms) and gives what was said up to `until`.
    fn run(inputs: &[(u64, Input)], until: u64) -> Vec<(u64, Output)> {
        let start = Instant::now();
        let mut floor = Floor::new(FloorConfig::default(), start);
        let mut said = Vec::new();
        for step in (0..=until).step_by(100) {
            let now = start + Duration::from_millis(step);
            for (_, input) in inputs.iter().filter(|(at, _)| *at == step) {
                floor.handle(now, *input);
            }
            floor.handle(now, Input::Timeout);
            while let Some(output) = floor.poll() {
                said.push((step, output));
            }
        }
        said
    }

    #[test]
    fn silence_has_two_names() {
        use Input::{BotEnded, BotStarted, CallerEnded, CallerStarted, HumanJoined};
        type Case = (&'static str, &'static [(u64, Input)], &'static [(u64, Output)]);
        let cases: &[Case] = &[
            ("we never greet", &[], &[(4000, Output::DeadAir), (8000, Output::DeadAir), (12000, Output::DeadAir)]),
            (
                "the caller is silent",
                &[(0, BotStarted), (2000, BotEnded)],
                &[(8000, Output::NoInput { count: 1 }), (12000, Output::DeadAir)],
            ),
            (
                "silent again and again",
                &[(0, BotStarted), (100, BotEnded), (6200, BotStarted), (6300, BotEnded)],
                &[(6100, Output::NoInput { count: 1 }), (12300, Output::NoInput { count: 2 })],
            ),
            (
                "we owe an answer",
                &[(0, BotStarted), (1000, BotEnded), (2000, CallerStarted), (3000, CallerEnded)],
                &[(7000, Output::DeadAir), (11000, Output::DeadAir)],
            ),
            ("a long utterance is no silence", &[(0, BotStarted), (1000, BotEnded), (2000, CallerStarted)], &[]),
            ("a human has the caller", &[(0, HumanJoined), (500, CallerStarted), (900, CallerEnded)], &[]),
            (
                "the bot goes on over a short remark",
                &[(0, BotStarted), (500, CallerStarted), (600, BotStarted), (900, CallerEnded)],
                &[],
            ),
        ];
        for (name, inputs, expected) in cases {
            assert_eq!(run(inputs, 12_400), *expected, "{name}");
        }
    }
}
