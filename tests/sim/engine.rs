//! A recogniser that listens to energy and knows the script, and a synthesiser that hums a voice of its own per prompt.

use std::collections::VecDeque;
use std::sync::Arc;

use tingwa::audio::frame::WideFrame;
use tingwa::call::{Input, SpeakOrder};
use tingwa::ids::{SpeakId, UtteranceId};
use tingwa::journal::RecogniserLoss;
use tingwa::speech::{Hypothesis, Transcript, VoiceActivity};

use super::signal;

/// How the recogniser behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ear {
    Healthy,
    /// Says that it is lost at the first frame.
    Lost,
    /// Takes frames and never says anything.
    Mute,
    /// Detects voices but never gives a transcript.
    NoTranscripts,
    /// Its process ends this many times, each time in the middle of what the caller says.
    Dies(u8),
}

/// How the synthesiser behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouth {
    Healthy,
    /// Says that it failed.
    Failing,
    /// Never says anything.
    Mute,
}

pub struct Recogniser {
    pub ear: Ear,
    utterance: UtteranceId,
    /// What the caller says and has begun to say, not yet written down.
    pub script: VecDeque<String>,
    loud_frames: u32,
    lost: bool,
}

impl Recogniser {
    pub fn new(ear: Ear) -> Self {
        Self { ear, utterance: UtteranceId::default(), script: VecDeque::new(), loud_frames: 0, lost: false }
    }

    /// Answers to one frame, each some ms later.
    pub fn hear(&mut self, frame: &WideFrame) -> Vec<(u64, Input<'static>)> {
        match self.ear {
            Ear::Mute => return Vec::new(),
            Ear::Lost if self.lost => return Vec::new(),
            Ear::Lost => {
                self.lost = true;
                return vec![(5, Input::RecogniserLost(RecogniserLoss::Gone))];
            }
            Ear::Healthy | Ear::NoTranscripts | Ear::Dies(_) => {}
        }
        let loud = signal::loudness(&frame.0) > 300.0;
        let probability = if loud { 0.97 } else { 0.02 };
        let mut answers = vec![(15, Input::Voice(VoiceActivity { probability, duration_ms: 20 }))];
        self.loud_frames += u32::from(loud);
        if let Ear::Dies(times @ 1..) = self.ear
            && self.loud_frames == 20
        {
            self.ear = Ear::Dies(times - 1);
            self.loud_frames = 0;
            self.script.pop_front();
            return vec![(5, Input::RecogniserInterrupted)];
        }
        if self.loud_frames == 15
            && let Some(text) = self.script.front()
        {
            let hypothesis = Hypothesis { utterance: self.utterance, text: text.clone().into() };
            answers.push((30, Input::Hypothesis(hypothesis)));
        }
        answers
    }

    pub fn finish(&mut self, utterance: UtteranceId) -> Option<(u64, Input<'static>)> {
        self.utterance = utterance.next();
        let heard = std::mem::take(&mut self.loud_frames) >= 5;
        let text = if heard { self.script.pop_front().unwrap_or_default() } else { String::new() };
        if !matches!(self.ear, Ear::Healthy | Ear::Dies(_)) {
            return None;
        }
        let transcript =
            Transcript { utterance, text: text.into(), language: None, confidence: 0.9, tags: Default::default() };
        Some((40, Input::Transcript(transcript)))
    }

    pub fn restart(&mut self, utterance: UtteranceId) {
        self.utterance = utterance;
        self.loud_frames = 0;
    }
}

/// A prompt as the synthesiser of this world speaks it: 60 ms a character, 600 ms at least.
pub fn prompt_voice(text: &str) -> Vec<i16> {
    let seed = text.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(131).wrapping_add(u64::from(byte)));
    signal::voice(seed, (text.chars().count() as u64 * 60).clamp(600, 6_000))
}

/// The synthesiser's answers to an order, each some ms later.
pub fn speak(mouth: Mouth, order: &SpeakOrder) -> Vec<(u64, Input<'static>)> {
    let speak: SpeakId = order.speak;
    match mouth {
        Mouth::Mute => Vec::new(),
        Mouth::Failing => vec![(30, Input::PromptFailed { speak })],
        Mouth::Healthy => {
            let samples = prompt_voice(order.text.reveal());
            let mut answers: Vec<_> = samples
                .chunks(1600)
                .enumerate()
                .map(|(n, piece)| (60 + 5 * n as u64, Input::PromptAudio { speak, samples: Arc::from(piece) }))
                .collect();
            answers.push((60 + 5 * answers.len() as u64, Input::PromptDone { speak }));
            answers
        }
    }
}
