//! From probabilities of speech to "speech began" and "speech ended", with hysteresis: a click is no speech, a stop
//! consonant is no silence. Not endpointing: a pause here is only a pause.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::speech::VoiceActivity;

/// Thresholds of the hysteresis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivityConfig {
    /// Speech begins above this probability, 0 to 1.
    pub start_above: f32,
    /// Speech ends below this probability, 0 to 1; smaller than `start_above`.
    pub end_below: f32,
    /// So long above before it counts as speech, ms.
    pub start_ms: u32,
    /// So long below before it counts as a pause, ms.
    pub end_ms: u32,
}

impl Default for ActivityConfig {
    fn default() -> Self {
        Self { start_above: 0.5, end_below: 0.35, start_ms: 64, end_ms: 96 }
    }
}

/// What can happen to it.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The stretch of audio that ends at `now`.
    Voice(VoiceActivity),
    /// No more will come: what was speech ends here.
    Lost,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The caller speaks.
    SpeechStarted {
        /// When the first sound of it was heard.
        since: Instant,
    },
    /// It may be over: the sound has gone, but not for long yet.
    Wavered,
    /// It was not over.
    Steadied,
    /// The caller pauses.
    SpeechEnded {
        /// When the silence began.
        since: Instant,
    },
}

/// It waits for nothing but the next probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {}

#[derive(Debug)]
enum Phase {
    Silent,
    Rising { since: Instant },
    Speaking,
    Falling { since: Instant },
}

/// The machine.
#[derive(Debug)]
pub struct Activity {
    config: ActivityConfig,
    phase: Phase,
    outputs: VecDeque<Output>,
}

impl Activity {
    /// In silence.
    pub fn new(config: ActivityConfig) -> Self {
        Self { config, phase: Phase::Silent, outputs: VecDeque::with_capacity(4) }
    }

    /// Takes one stretch.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Voice(voice) => self.on_voice(now, voice),
            Input::Lost => self.on_lost(now),
        }
    }

    /// Next thing to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Never.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        None
    }

    fn on_voice(&mut self, now: Instant, voice: VoiceActivity) {
        let length = Duration::from_millis(u64::from(voice.duration_ms));
        let began = now.checked_sub(length).unwrap_or(now);
        let high = voice.probability > self.config.start_above;
        let low = voice.probability < self.config.end_below;
        let long =
            |since: Instant, ms: u32| now.saturating_duration_since(since) >= Duration::from_millis(u64::from(ms));
        let next = match self.phase {
            Phase::Silent if high => Phase::Rising { since: began },
            Phase::Silent => Phase::Silent,
            Phase::Rising { .. } if low => Phase::Silent,
            Phase::Rising { since } => Phase::Rising { since },
            Phase::Speaking if low => {
                self.outputs.push_back(Output::Wavered);
                Phase::Falling { since: began }
            }
            Phase::Speaking => Phase::Speaking,
            Phase::Falling { .. } if high => {
                self.outputs.push_back(Output::Steadied);
                Phase::Speaking
            }
            Phase::Falling { since } => Phase::Falling { since },
        };
        self.phase = match next {
            Phase::Rising { since } if long(since, self.config.start_ms) => {
                self.outputs.push_back(Output::SpeechStarted { since });
                Phase::Speaking
            }
            Phase::Falling { since } if long(since, self.config.end_ms) => {
                self.outputs.push_back(Output::SpeechEnded { since });
                Phase::Silent
            }
            Phase::Silent => Phase::Silent,
            Phase::Rising { since } => Phase::Rising { since },
            Phase::Speaking => Phase::Speaking,
            Phase::Falling { since } => Phase::Falling { since },
        };
    }

    fn on_lost(&mut self, now: Instant) {
        match self.phase {
            Phase::Silent | Phase::Rising { .. } => {}
            Phase::Speaking => self.outputs.push_back(Output::SpeechEnded { since: now }),
            Phase::Falling { since } => self.outputs.push_back(Output::SpeechEnded { since }),
        }
        self.phase = Phase::Silent;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has to begin at some time")]
mod tests {
    use super::*;

    /// Feeds stretches of 32 ms; gives the outputs with their times in ms.
    fn run(probabilities: &[f32]) -> Vec<(&'static str, u128)> {
        let start = Instant::now();
        let mut activity = Activity::new(ActivityConfig::default());
        let mut said = Vec::new();
        for (index, &probability) in probabilities.iter().enumerate() {
            let now = start + Duration::from_millis(32 * (index as u64 + 1));
            activity.handle(now, Input::Voice(VoiceActivity { probability, duration_ms: 32 }));
            while let Some(output) = activity.poll() {
                said.push(match output {
                    Output::SpeechStarted { since } => ("started", (since - start).as_millis()),
                    Output::SpeechEnded { since } => ("ended", (since - start).as_millis()),
                    Output::Wavered => ("wavered", (now - start).as_millis()),
                    Output::Steadied => ("steadied", (now - start).as_millis()),
                });
            }
        }
        said
    }

    #[test]
    fn follows_speech_and_not_clicks() {
        type Case = (&'static str, &'static [f32], &'static [(&'static str, u128)]);
        let cases: &[Case] = &[
            ("one word", &[0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1], &[("started", 32), ("wavered", 160), ("ended", 128)]),
            ("a click", &[0.1, 0.9, 0.1, 0.1, 0.9, 0.1], &[]),
            (
                "a stop consonant",
                &[0.9, 0.9, 0.1, 0.1, 0.9, 0.4, 0.4, 0.9],
                &[("started", 0), ("wavered", 96), ("steadied", 160)],
            ),
            ("between the thresholds nothing begins", &[0.45; 12], &[]),
            ("and nothing ends", &[0.9, 0.9, 0.4, 0.4, 0.4, 0.4, 0.4], &[("started", 0)]),
            ("no number is no speech", &[f32::NAN; 6], &[]),
        ];
        for (name, probabilities, expected) in cases {
            assert_eq!(run(probabilities), *expected, "{name}");
        }
    }

    #[test]
    fn a_lost_recogniser_ends_the_speech() {
        let now = Instant::now();
        let mut activity = Activity::new(ActivityConfig { start_ms: 0, ..ActivityConfig::default() });
        activity.handle(now, Input::Voice(VoiceActivity { probability: 1.0, duration_ms: 32 }));
        assert!(matches!(activity.poll(), Some(Output::SpeechStarted { .. })));
        activity.handle(now, Input::Lost);
        assert_eq!(activity.poll(), Some(Output::SpeechEnded { since: now }));
        assert_eq!(activity.poll(), None);
    }
}
