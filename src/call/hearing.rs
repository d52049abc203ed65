//! The bot's ear: frames of the caller go to the recogniser, its probabilities and guesses come back, and utterances with
//! their text come out. A recogniser that answers nothing any more is found out here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::frame::{Frame, WideFrame};
use crate::audio::resample::Upsampler8To16;
use crate::ids::UtteranceId;
use crate::journal::RecogniserLoss;
use crate::speech::{Hypothesis, Transcript, VoiceActivity};
use crate::turn::activity::{self, Activity, ActivityConfig};
use crate::turn::endpointing::{self, Endpointing, EndpointingConfig};

/// Utterances whose text may be awaited at once. The oldest is given up for more.
const AWAITED: usize = 4;

/// When the recogniser is found out.
#[derive(Clone, Debug)]
pub struct HearingConfig {
    /// When speech is speech.
    pub activity: ActivityConfig,
    /// When an utterance is over.
    pub endpointing: EndpointingConfig,
    /// A transcript must come in this time, ms.
    pub transcript_ms: u32,
    /// So many transcripts in a row may fail to come before the recogniser counts as lost.
    pub transcripts_missed: u8,
    /// So often may the recogniser be interrupted in one call before it counts as lost.
    pub interruptions: u8,
    /// So many frames may be given in without a probability coming back.
    pub frames_unanswered: u32,
}

impl Default for HearingConfig {
    fn default() -> Self {
        Self {
            activity: ActivityConfig::default(),
            endpointing: EndpointingConfig::default(),
            transcript_ms: 2_500,
            transcripts_missed: 2,
            interruptions: 3,
            frames_unanswered: 250,
        }
    }
}

/// What can happen to it.
#[derive(Debug)]
pub enum Input<'a> {
    /// 20 ms of the caller, in RTP order on arrival.
    Frame(&'a Frame),
    /// Voice activity.
    Voice(VoiceActivity),
    /// A guess.
    Hypothesis(&'a Hypothesis),
    /// Final text.
    Transcript(Transcript),
    /// The recogniser lost what it had heard and goes on.
    Interrupted,
    /// The recogniser is gone.
    Lost(RecogniserLoss),
    /// Forget the open utterance.
    Forget,
    /// A deadline may have passed.
    Timeout,
}

/// What it says.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "frames pass without a heap allocation each")]
pub enum Output {
    /// Give this to the recogniser.
    Hear(WideFrame),
    /// Ask the recogniser for the text of this utterance.
    Finish(UtteranceId),
    /// Let the recogniser forget what it heard; the next utterance is this.
    Restart(UtteranceId),
    /// The caller speaks.
    SpeechStarted {
        /// First sound.
        since: Instant,
    },
    /// The caller's sound has gone, perhaps for a moment.
    Wavered,
    /// It was for a moment.
    Steadied,
    /// The caller pauses.
    SpeechEnded,
    /// The caller has finished an utterance; its text is on its way.
    UtteranceEnded,
    /// An utterance and its text.
    Heard {
        /// Text.
        transcript: Transcript,
        /// First sound.
        began: Instant,
        /// Last sound.
        ended: Instant,
    },
    /// The text of an utterance never came.
    Missed,
    /// The recogniser lost what it had heard, and goes on.
    Interrupted {
        /// True where the caller was speaking or a text was awaited: nobody will know what was said.
        in_hand: bool,
    },
    /// The recogniser is lost: said once.
    Lost(RecogniserLoss),
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The end of an utterance.
    Endpoint,
    /// Its text.
    Transcript,
}

#[derive(Debug)]
struct Awaited {
    utterance: UtteranceId,
    began: Instant,
    ended: Instant,
    until: Instant,
}

/// Whether there is somebody behind the ear.
#[derive(Debug)]
enum Recogniser {
    There { unanswered: u32, missed: u8, interrupted: u8 },
    Lost,
}

/// The machine.
pub struct Hearing {
    config: HearingConfig,
    activity: Activity,
    endpointing: Endpointing,
    upsampler: Upsampler8To16,
    recogniser: Recogniser,
    awaited: VecDeque<Awaited>,
    outputs: VecDeque<Output>,
}

impl Hearing {
    /// With nothing heard yet.
    pub fn new(config: HearingConfig) -> Self {
        Self {
            activity: Activity::new(config.activity),
            endpointing: Endpointing::new(config.endpointing.clone()),
            upsampler: Upsampler8To16::new(),
            recogniser: Recogniser::There { unanswered: 0, missed: 0, interrupted: 0 },
            awaited: VecDeque::with_capacity(AWAITED),
            outputs: VecDeque::with_capacity(2),
            config,
        }
    }

    /// For a line of keys alone: nothing is ever given to a recogniser, and nothing said about that.
    #[must_use]
    pub fn deaf(self) -> Self {
        Self { recogniser: Recogniser::Lost, ..self }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match (&mut self.recogniser, input) {
            (Recogniser::Lost, _) => {}
            (Recogniser::There { unanswered, .. }, Input::Frame(frame)) => {
                *unanswered += 1;
                let deaf = *unanswered > self.config.frames_unanswered;
                self.outputs.push_back(Output::Hear(self.upsampler.process(frame)));
                if deaf {
                    self.lose(now, RecogniserLoss::Silent);
                }
            }
            (Recogniser::There { unanswered, .. }, Input::Voice(voice)) => {
                *unanswered = 0;
                self.activity.handle(now, activity::Input::Voice(voice));
            }
            (Recogniser::There { .. }, Input::Hypothesis(hypothesis)) => {
                self.endpointing.handle(now, endpointing::Input::Hypothesis(hypothesis));
            }
            (Recogniser::There { .. }, Input::Transcript(transcript)) => self.on_transcript(transcript),
            (Recogniser::There { .. }, Input::Interrupted) => self.on_interrupted(now),
            (Recogniser::There { .. }, Input::Lost(reason)) => self.lose(now, reason),
            (Recogniser::There { .. }, Input::Forget) => {
                // What is due already has ended; the rest never will.
                self.endpointing.handle(now, endpointing::Input::Timeout);
                self.settle(now);
                self.endpointing.handle(now, endpointing::Input::Abandon);
                self.awaited.clear();
                self.outputs.push_back(Output::Restart(self.endpointing.utterance()));
            }
            (Recogniser::There { .. }, Input::Timeout) => {
                self.endpointing.handle(now, endpointing::Input::Timeout);
                self.on_time(now);
            }
        }
        self.settle(now);
    }

    /// Next thing to say.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When an utterance ends, or its text is overdue.
    pub fn deadline(&self) -> Option<(Instant, Why)> {
        let endpoint = self.endpointing.deadline().map(|(at, _)| (at, Why::Endpoint));
        let transcript = self.awaited.front().map(|awaited| (awaited.until, Why::Transcript));
        crate::deadline::earliest([endpoint, transcript])
    }

    /// True while the caller is in the middle of an utterance.
    pub fn is_open(&self) -> bool {
        self.endpointing.is_open()
    }

    /// True until the recogniser is lost.
    pub fn has_recogniser(&self) -> bool {
        matches!(self.recogniser, Recogniser::There { .. })
    }

    fn settle(&mut self, now: Instant) {
        while let Some(output) = self.activity.poll() {
            match output {
                activity::Output::SpeechStarted { since } => {
                    self.outputs.push_back(Output::SpeechStarted { since });
                    self.endpointing.handle(now, endpointing::Input::SpeechStarted { since });
                }
                activity::Output::Wavered => self.outputs.push_back(Output::Wavered),
                activity::Output::Steadied => self.outputs.push_back(Output::Steadied),
                activity::Output::SpeechEnded { since } => {
                    self.outputs.push_back(Output::SpeechEnded);
                    self.endpointing.handle(now, endpointing::Input::SpeechEnded { since });
                }
            }
        }
        while let Some(output) = self.endpointing.poll() {
            match output {
                endpointing::Output::UtteranceBegan { .. } => {}
                endpointing::Output::UtteranceEnded { utterance, began, ended } => {
                    self.expect(now, utterance, began, ended);
                }
            }
        }
    }

    fn expect(&mut self, now: Instant, utterance: UtteranceId, began: Instant, ended: Instant) {
        if self.awaited.len() >= AWAITED {
            self.awaited.pop_front();
            self.outputs.push_back(Output::Missed);
        }
        let until = now + Duration::from_millis(u64::from(self.config.transcript_ms));
        self.awaited.push_back(Awaited { utterance, began, ended, until });
        self.outputs.push_back(Output::Finish(utterance));
        self.outputs.push_back(Output::UtteranceEnded);
    }

    fn on_transcript(&mut self, transcript: Transcript) {
        let Some(index) = self.awaited.iter().position(|a| a.utterance == transcript.utterance) else { return };
        let Some(Awaited { began, ended, .. }) = self.awaited.remove(index) else { return };
        if let Recogniser::There { missed, .. } = &mut self.recogniser {
            *missed = 0;
        }
        self.outputs.push_back(Output::Heard { transcript, began, ended });
    }

    fn on_interrupted(&mut self, now: Instant) {
        let limit = self.config.interruptions;
        let Recogniser::There { unanswered, interrupted, .. } = &mut self.recogniser else { return };
        *unanswered = 0;
        *interrupted = interrupted.saturating_add(1);
        if *interrupted > limit {
            return self.lose(now, RecogniserLoss::Unsteady);
        }
        let in_hand = self.endpointing.is_open() || !self.awaited.is_empty();
        self.fall_silent(now);
        self.outputs.push_back(Output::Interrupted { in_hand });
    }

    fn on_time(&mut self, now: Instant) {
        while self.awaited.front().is_some_and(|awaited| now >= awaited.until) {
            self.awaited.pop_front();
            let limit = self.config.transcripts_missed;
            let over = match &mut self.recogniser {
                Recogniser::There { missed, .. } => {
                    *missed = missed.saturating_add(1);
                    *missed >= limit
                }
                Recogniser::Lost => false,
            };
            if over {
                self.lose(now, RecogniserLoss::Silent);
            } else {
                self.outputs.push_back(Output::Missed);
            }
        }
    }

    fn lose(&mut self, now: Instant, reason: RecogniserLoss) {
        self.recogniser = Recogniser::Lost;
        self.fall_silent(now);
        self.outputs.push_back(Output::Lost(reason));
    }

    /// Whatever was being said is over, and no text will come of it.
    fn fall_silent(&mut self, now: Instant) {
        self.activity.handle(now, activity::Input::Lost);
        while let Some(output) = self.activity.poll() {
            if matches!(output, activity::Output::SpeechEnded { .. }) {
                self.outputs.push_back(Output::SpeechEnded);
            }
        }
        self.endpointing.handle(now, endpointing::Input::Abandon);
        while self.endpointing.poll().is_some() {}
        self.awaited.clear();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has to begin at some time")]
mod tests {
    use super::*;

    struct Ear {
        now: Instant,
        hearing: Hearing,
        said: Vec<String>,
    }

    impl Ear {
        fn new() -> Self {
            Self { now: Instant::now(), hearing: Hearing::new(HearingConfig::default()), said: Vec::new() }
        }

        fn handle(&mut self, input: Input<'_>) {
            self.hearing.handle(self.now, input);
            while let Some(output) = self.hearing.poll() {
                self.said.push(match output {
                    Output::Hear(_) => continue,
                    Output::Finish(utterance) => format!("finish {utterance}"),
                    Output::Restart(utterance) => format!("restart {utterance}"),
                    Output::SpeechStarted { .. } => "started".to_owned(),
                    Output::Wavered => "wavered".to_owned(),
                    Output::Steadied => "steadied".to_owned(),
                    Output::SpeechEnded => "paused".to_owned(),
                    Output::UtteranceEnded => "over".to_owned(),
                    Output::Heard { transcript, began, ended } => {
                        format!("heard {} {}", transcript.text.reveal(), (ended - began).as_millis())
                    }
                    Output::Missed => "missed".to_owned(),
                    Output::Interrupted { in_hand } => format!("interrupted {in_hand}"),
                    Output::Lost(reason) => format!("lost {reason:?}"),
                });
            }
        }

        fn pass(&mut self, ms: u64, probability: f32) {
            for _ in 0..ms / 20 {
                self.now += Duration::from_millis(20);
                self.handle(Input::Voice(VoiceActivity { probability, duration_ms: 20 }));
                self.handle(Input::Timeout);
            }
        }

        fn transcript(&mut self, utterance: u32, text: &str) {
            let utterance = UtteranceId(utterance);
            self.handle(Input::Transcript(Transcript {
                utterance,
                text: text.into(),
                language: None,
                confidence: 1.0,
                tags: Default::default(),
            }));
        }
    }

    const UTTERANCE: [&str; 4] = ["started", "wavered", "paused", "finish 0"];

    #[test]
    fn an_utterance_and_its_text() {
        let mut ear = Ear::new();
        ear.pass(500, 0.9);
        ear.pass(1_000, 0.1);
        ear.transcript(7, "of another time");
        ear.transcript(0, "bill");
        ear.transcript(0, "twice");
        assert_eq!(ear.said[..4], UTTERANCE);
        assert_eq!(ear.said[4..], ["over", "heard bill 500"]);
    }

    #[test]
    fn transcripts_that_never_come_are_missed_and_then_the_recogniser_is_lost() {
        let mut ear = Ear::new();
        for _ in 0..2 {
            ear.pass(500, 0.9);
            ear.pass(4_000, 0.1);
        }
        assert!(ear.said.contains(&"missed".to_owned()));
        assert_eq!(ear.said.last().map(String::as_str), Some("lost Silent"));
        ear.pass(2_000, 0.9);
        assert_eq!(ear.said.last().map(String::as_str), Some("lost Silent"), "and nothing after that");
        assert_eq!(ear.hearing.deadline(), None);
    }

    #[test]
    fn a_recogniser_that_answers_nothing_is_lost() {
        let mut ear = Ear::new();
        for _ in 0..=250 {
            ear.handle(Input::Frame(&Frame::SILENCE));
        }
        assert_eq!(ear.said, ["lost Silent"]);
    }

    #[test]
    fn an_interruption_takes_the_utterance_in_hand_and_the_next_is_heard() {
        let mut ear = Ear::new();
        ear.pass(500, 0.9);
        ear.handle(Input::Interrupted);
        ear.handle(Input::Interrupted);
        assert_eq!(ear.said, ["started", "paused", "interrupted true", "interrupted false"]);
        ear.said.clear();
        ear.pass(1_000, 0.1);
        ear.pass(500, 0.9);
        ear.pass(1_000, 0.1);
        assert!(ear.said.contains(&"finish 1".to_owned()), "{:?}", ear.said);
        ear.handle(Input::Interrupted);
        assert_eq!(ear.said.last().map(String::as_str), Some("interrupted true"), "a text was awaited");
        ear.handle(Input::Interrupted);
        assert_eq!(ear.said.last().map(String::as_str), Some("lost Unsteady"), "too often");
    }

    #[test]
    fn what_is_forgotten_never_ends() {
        let mut ear = Ear::new();
        ear.pass(500, 0.9);
        ear.handle(Input::Forget);
        ear.pass(2_000, 0.1);
        assert_eq!(ear.said, ["started", "restart 1", "wavered", "paused"]);
    }
}
