//! Deciding that a caller's utterance is over: by silence, sooner where what was heard is complete in itself, later where
//! nothing was recognised yet. Not a model of turn ends; that is a later neighbour behind the same outputs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ids::UtteranceId;
use crate::speech::Hypothesis;

/// How long to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointingConfig {
    /// Silence that ends an utterance, ms.
    pub silence_ms: u32,
    /// The same where the hypothesis is a short answer or closes with a final particle, ms.
    pub silence_complete_ms: u32,
    /// The same where nothing was recognised yet, ms.
    pub silence_unheard_ms: u32,
    /// An utterance longer than this ends by itself, ms.
    pub max_utterance_ms: u32,
    /// Answers that are complete in themselves, as the recogniser writes them, lower case.
    pub short_answers: Vec<String>,
    /// Last characters that close a sentence (Cantonese and Mandarin final particles).
    pub final_particles: Vec<char>,
}

impl Default for EndpointingConfig {
    fn default() -> Self {
        let short = [
            "係",
            "系",
            "唔係",
            "好",
            "好呀",
            "好啊",
            "唔好",
            "得",
            "唔得",
            "冇",
            "有",
            "是",
            "是的",
            "不是",
            "好的",
            "不要",
            "对",
            "對",
            "没有",
            "yes",
            "no",
            "yeah",
            "yep",
            "nope",
            "ok",
            "okay",
            "sure",
            "no thanks",
            "thank you",
            "唔該",
            "多謝",
            "谢谢",
        ];
        Self {
            silence_ms: 500,
            silence_complete_ms: 350,
            silence_unheard_ms: 800,
            max_utterance_ms: 20_000,
            short_answers: short.map(str::to_owned).to_vec(),
            final_particles: "呀啊啦喇吖嗎吗呢㗎喎囉".chars().collect(),
        }
    }
}

/// What can happen to it.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The caller speaks since then.
    SpeechStarted {
        /// First sound.
        since: Instant,
    },
    /// The caller pauses since then.
    SpeechEnded {
        /// Last sound.
        since: Instant,
    },
    /// The recogniser's guess so far.
    Hypothesis(&'a Hypothesis),
    /// End whatever is open, now, without a result (the caller talks to a human from here on).
    Abandon,
    /// A deadline may have passed.
    Timeout,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// An utterance began.
    UtteranceBegan {
        /// Its number from here on.
        utterance: UtteranceId,
        /// First sound.
        began: Instant,
    },
    /// It is over: ask for its transcript.
    UtteranceEnded {
        /// Which.
        utterance: UtteranceId,
        /// First sound.
        began: Instant,
        /// Last sound.
        ended: Instant,
    },
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Enough silence.
    Silence,
    /// The longest utterance that is listened to.
    TooLong,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Speaking { utterance: UtteranceId, began: Instant, heard: Heard },
    Pausing { utterance: UtteranceId, began: Instant, paused: Instant, heard: Heard },
}

/// What the hypothesis says about the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
    Complete,
}

/// The machine.
#[derive(Debug)]
pub struct Endpointing {
    config: EndpointingConfig,
    phase: Phase,
    next: UtteranceId,
    outputs: VecDeque<Output>,
}

impl Endpointing {
    /// With nothing said yet.
    pub fn new(config: EndpointingConfig) -> Self {
        Self { config, phase: Phase::Idle, next: UtteranceId::default(), outputs: VecDeque::with_capacity(2) }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.on_time(now);
        match input {
            Input::SpeechStarted { since } => self.on_started(since),
            Input::SpeechEnded { since } => self.on_ended(since),
            Input::Hypothesis(hypothesis) => self.on_hypothesis(hypothesis),
            Input::Abandon => self.phase = Phase::Idle,
            Input::Timeout => {}
        }
        self.on_time(now);
    }

    /// Next thing to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the open utterance ends by itself.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        let limit = |began: Instant| (began + ms(self.config.max_utterance_ms), Why::TooLong);
        match self.phase {
            Phase::Idle => None,
            Phase::Speaking { began, .. } => Some(limit(began)),
            Phase::Pausing { began, paused, heard, .. } => {
                let silence = (paused + ms(self.wait(heard)), Why::Silence);
                Some(if silence.0 <= limit(began).0 { silence } else { limit(began) })
            }
        }
    }

    /// The utterance that is open, or the next one.
    pub fn utterance(&self) -> UtteranceId {
        match self.phase {
            Phase::Idle => self.next,
            Phase::Speaking { utterance, .. } | Phase::Pausing { utterance, .. } => utterance,
        }
    }

    /// True while an utterance is open.
    pub fn is_open(&self) -> bool {
        match self.phase {
            Phase::Idle => false,
            Phase::Speaking { .. } | Phase::Pausing { .. } => true,
        }
    }

    fn on_started(&mut self, since: Instant) {
        self.phase = match self.phase {
            Phase::Idle => {
                let utterance = self.next;
                self.next = utterance.next();
                self.outputs.push_back(Output::UtteranceBegan { utterance, began: since });
                Phase::Speaking { utterance, began: since, heard: Heard::Nothing }
            }
            Phase::Speaking { utterance, began, heard } | Phase::Pausing { utterance, began, heard, .. } => {
                Phase::Speaking { utterance, began, heard }
            }
        };
    }

    fn on_ended(&mut self, since: Instant) {
        self.phase = match self.phase {
            Phase::Idle => Phase::Idle,
            Phase::Speaking { utterance, began, heard } => Phase::Pausing { utterance, began, paused: since, heard },
            Phase::Pausing { utterance, began, paused, heard } => Phase::Pausing { utterance, began, paused, heard },
        };
    }

    fn on_hypothesis(&mut self, hypothesis: &Hypothesis) {
        let now_heard = self.judge(hypothesis.text.reveal());
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Speaking { utterance, heard, .. } | Phase::Pausing { utterance, heard, .. } => {
                if *utterance == hypothesis.utterance {
                    *heard = now_heard;
                }
            }
        }
    }

    fn on_time(&mut self, now: Instant) {
        let Some((due, why)) = self.deadline() else { return };
        if now < due {
            return;
        }
        let ended = match self.phase {
            Phase::Idle => None,
            Phase::Speaking { utterance, began, .. } => Some((utterance, began, due)),
            Phase::Pausing { utterance, began, paused, .. } => {
                Some((utterance, began, if why == Why::Silence { paused } else { due }))
            }
        };
        if let Some((utterance, began, ended)) = ended {
            self.phase = Phase::Idle;
            self.outputs.push_back(Output::UtteranceEnded { utterance, began, ended });
        }
    }

    fn wait(&self, heard: Heard) -> u32 {
        match heard {
            Heard::Nothing => self.config.silence_unheard_ms,
            Heard::Something => self.config.silence_ms,
            Heard::Complete => self.config.silence_complete_ms,
        }
    }

    fn judge(&self, text: &str) -> Heard {
        let text = text.trim().trim_end_matches(['。', '.', '，', ',', '？', '?', '！', '!']).to_lowercase();
        if text.is_empty() {
            return Heard::Nothing;
        }
        let particle = text.chars().next_back().is_some_and(|last| self.config.final_particles.contains(&last));
        if (particle && text.chars().count() > 1) || self.config.short_answers.contains(&text) {
            return Heard::Complete;
        }
        Heard::Something
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has to begin at some time")]
mod tests {
    use super::*;

    fn guess(utterance: u32, text: &str) -> Hypothesis {
        Hypothesis { utterance: UtteranceId(utterance), text: text.into() }
    }

    #[test]
    fn the_wait_follows_what_was_heard() {
        let cases = [("", 800), ("我想查", 500), ("唔係", 350), ("Yes.", 350), ("查下張單呀", 350), ("呀", 500)];
        for (text, wait) in cases {
            let start = Instant::now();
            let mut machine = Endpointing::new(EndpointingConfig::default());
            machine.handle(start, Input::SpeechStarted { since: start });
            machine.handle(start + ms(300), Input::Hypothesis(&guess(0, text)));
            let paused = start + ms(600);
            machine.handle(paused + ms(96), Input::SpeechEnded { since: paused });
            assert_eq!(machine.deadline(), Some((paused + ms(wait), Why::Silence)), "{text:?}");
        }
    }

    #[test]
    fn an_utterance_ends_once_and_carries_its_times() {
        let start = Instant::now();
        let mut machine = Endpointing::new(EndpointingConfig::default());
        machine.handle(start, Input::SpeechStarted { since: start });
        assert_eq!(machine.poll(), Some(Output::UtteranceBegan { utterance: UtteranceId(0), began: start }));
        machine.handle(start, Input::Hypothesis(&guess(0, "查單")));
        machine.handle(start + ms(500), Input::SpeechEnded { since: start + ms(400) });
        machine.handle(start + ms(899), Input::Timeout);
        assert_eq!(machine.poll(), None);
        machine.handle(start + ms(900), Input::Timeout);
        let ended = Output::UtteranceEnded { utterance: UtteranceId(0), began: start, ended: start + ms(400) };
        assert_eq!(machine.poll(), Some(ended));
        machine.handle(start + ms(2000), Input::Timeout);
        assert_eq!(machine.poll(), None);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn speech_that_resumes_in_time_is_the_same_utterance() {
        let start = Instant::now();
        let mut machine = Endpointing::new(EndpointingConfig::default());
        machine.handle(start, Input::SpeechStarted { since: start });
        machine.handle(start, Input::Hypothesis(&guess(0, "我")));
        machine.handle(start + ms(400), Input::SpeechEnded { since: start + ms(300) });
        machine.handle(start + ms(700), Input::SpeechStarted { since: start + ms(650) });
        machine.handle(start + ms(1500), Input::Timeout);
        assert!(matches!(machine.poll(), Some(Output::UtteranceBegan { .. })));
        assert_eq!(machine.poll(), None);
        assert!(machine.is_open());
    }

    #[test]
    fn endless_noise_ends_at_the_limit() {
        let start = Instant::now();
        let mut machine = Endpointing::new(EndpointingConfig::default());
        machine.handle(start, Input::SpeechStarted { since: start });
        machine.poll();
        machine.handle(start + ms(60_000), Input::Timeout);
        let ended = Output::UtteranceEnded { utterance: UtteranceId(0), began: start, ended: start + ms(20_000) };
        assert_eq!(machine.poll(), Some(ended));
    }

    #[test]
    fn a_guess_about_another_utterance_counts_for_nothing() {
        let start = Instant::now();
        let mut machine = Endpointing::new(EndpointingConfig::default());
        machine.handle(start, Input::SpeechStarted { since: start });
        machine.handle(start, Input::Hypothesis(&guess(7, "yes")));
        machine.handle(start + ms(100), Input::SpeechEnded { since: start });
        assert_eq!(machine.deadline(), Some((start + ms(800), Why::Silence)));
    }
}
