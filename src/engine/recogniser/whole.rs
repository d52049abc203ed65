//! Engines that know whole utterances only, and what they are given. They work on threads of their own
//! ([`super::second_pass`]): one utterance may cost a tenth of a second or a whole one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::offline::{self, OfflineRecogniser};
#[cfg(feature = "whisper")]
use super::whisper::{self, WhisperRecogniser};
use super::{Heard, RecogniserError};
use crate::audio::frame::WideFrame;
use crate::engine::manifest::Model;
use crate::speech::Bias;

/// Longest utterance that is kept, samples: 30 s. Of a longer one the beginning is lost.
const LONGEST: usize = 30 * 16_000;
/// Less than this is no utterance, samples: 0.1 s.
const SHORTEST: usize = 1_600;

/// An engine of whole utterances.
pub trait WholeUtterances {
    /// What is said in each, in their order.
    fn hear(&mut self, utterances: &[Utterance]) -> Vec<Heard>;
}

/// What a caller said from the beginning to a pause.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// At 16 kHz, from -1 to 1.
    pub samples: Vec<f32>,
    /// What callers of this hotline are likely to say.
    pub bias: Arc<Bias>,
    void: Arc<AtomicBool>,
}

impl Utterance {
    /// Of these samples; `void` turns true when nobody waits for the text any more.
    pub fn new(samples: Vec<f32>, bias: Arc<Bias>, void: Arc<AtomicBool>) -> Self {
        Self { samples, bias, void }
    }

    /// True when nobody waits for the text any more: an engine that can may stop.
    pub fn is_void(&self) -> bool {
        self.void.load(Ordering::Acquire)
    }

    /// The flag itself, for an engine that looks at it while it works.
    pub fn void(&self) -> &Arc<AtomicBool> {
        &self.void
    }
}

/// The audio of the utterance in hand.
#[derive(Debug, Default)]
pub struct Recording {
    samples: VecDeque<i16>,
    /// Samples that were in it at the pause that still lasts: what came since is silence.
    pause: Option<usize>,
    cut: bool,
}

impl Recording {
    /// Adds 20 ms.
    pub fn push(&mut self, frame: &WideFrame) {
        let over = (self.samples.len() + frame.0.len()).saturating_sub(LONGEST);
        if over > 0 {
            self.samples.drain(..over);
            self.pause = self.pause.map(|at| at.saturating_sub(over));
            if !std::mem::replace(&mut self.cut, true) {
                tracing::warn!("an utterance is longer than 30 s: its beginning is not in the final text");
            }
        }
        self.samples.extend(&frame.0);
    }

    /// The caller is silent from here on.
    pub fn pause(&mut self) {
        self.pause = Some(self.samples.len());
    }

    /// The caller goes on.
    pub fn resume(&mut self) {
        self.pause = None;
    }

    /// Speech up to the pause, if one lasts; `None` for next to nothing.
    pub fn speech(&self) -> Option<Vec<f32>> {
        let end = self.pause.unwrap_or(self.samples.len());
        (end >= SHORTEST).then(|| self.samples.iter().take(end).map(|sample| f32::from(*sample) / 32768.0).collect())
    }

    /// Begins the next utterance.
    pub fn clear(&mut self) {
        self.samples.clear();
        (self.pause, self.cut) = (None, false);
    }
}

/// An engine of whole utterances of any kind that this program has.
pub enum AnyWhole {
    /// By sherpa-onnx.
    Sherpa(OfflineRecogniser),
    /// By whisper.cpp.
    #[cfg(feature = "whisper")]
    Whisper(Box<WhisperRecogniser>),
}

/// Names of all such engines.
pub fn engines() -> String {
    let known = offline::ENGINES.to_owned();
    #[cfg(feature = "whisper")]
    let known = format!("{known}, {}", whisper::ENGINE);
    known
}

/// True for an engine of whole utterances.
pub fn knows(engine: &str) -> bool {
    engines().split(", ").any(|known| known == engine)
}

impl AnyWhole {
    /// Checks the model's files against the manifest and loads it with the engine that it names.
    pub fn load(model: &Model) -> Result<Self, RecogniserError> {
        if offline::ENGINES.split(", ").any(|known| known == model.engine) {
            return Ok(Self::Sherpa(OfflineRecogniser::load(model)?));
        }
        #[cfg(feature = "whisper")]
        if model.engine == whisper::ENGINE {
            return Ok(Self::Whisper(Box::new(WhisperRecogniser::load(model)?)));
        }
        let (model, engine) = (model.id.clone(), model.engine.clone());
        Err(RecogniserError::UnknownEngine { model, engine, known: engines() })
    }
}

impl WholeUtterances for AnyWhole {
    fn hear(&mut self, utterances: &[Utterance]) -> Vec<Heard> {
        match self {
            Self::Sherpa(engine) => engine.hear(utterances),
            #[cfg(feature = "whisper")]
            Self::Whisper(engine) => engine.hear(utterances),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_bounded_and_ends_at_the_pause() {
        let mut recording = Recording::default();
        (0..4).for_each(|_| recording.push(&WideFrame::SILENCE));
        assert_eq!(recording.speech(), None, "80 ms");
        (0..6).for_each(|_| recording.push(&WideFrame::SILENCE));
        recording.pause();
        recording.push(&WideFrame::SILENCE);
        assert_eq!(recording.speech().unwrap().len(), 3_200, "what came after the pause is silence");
        recording.resume();
        assert_eq!(recording.speech().unwrap().len(), 3_520);
        (0..2_000).for_each(|_| recording.push(&WideFrame::SILENCE));
        assert_eq!(recording.speech().unwrap().len(), LONGEST);
        recording.clear();
        assert_eq!(recording.speech(), None);
    }
}
