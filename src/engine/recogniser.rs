//! What the gateway asks of a speech recogniser. Streaming engines guess while the caller speaks; an engine that only
//! knows whole utterances keeps the audio and answers some time after [`RecogniserStream::finish`].
//!
//! Not here: voice activity and endpointing (the turn decides when an utterance is over) and threads (see
//! [`super::worker`]). Handles stay on the thread that made them, so nothing here is `Send`.

use std::sync::Arc;

use crate::audio::frame::WideFrame;
use crate::speech::{Bias, Language, SpeechTags};

pub mod any;
pub mod ctc;
mod hot_words;
mod native;
pub mod offline;
pub mod second_pass;
pub mod sherpa;
pub mod text;
pub mod two_pass;
#[cfg(feature = "whisper")]
pub mod whisper;
pub mod whole;

/// What the engine makes of one utterance.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Text: Chinese characters joined, English words in lower case with single spaces. Empty for no speech.
    pub text: String,
    /// The engine's view of the language, or the text's where the engine has none.
    pub language: Option<Language>,
    /// 0 to 1; 1 where the engine has no figure of its own.
    pub confidence: f32,
    /// What was heard besides words.
    pub tags: SpeechTags,
}

impl Heard {
    /// No speech.
    pub fn nothing() -> Self {
        Self { text: String::new(), language: None, confidence: 1.0, tags: SpeechTags::default() }
    }
}

/// A loaded model.
pub trait Recogniser {
    /// One caller's audio within it.
    type Stream: RecogniserStream;

    /// A stream of its own for one caller of the hotline that `bias` is of.
    fn open(&self, bias: &Arc<Bias>) -> Result<Self::Stream, RecogniserError>;

    /// Works through what the streams have taken in, many callers in one batch where the engine can.
    fn decode(&self, streams: &mut [&mut Self::Stream]);
}

/// One caller's audio being recognised.
pub trait RecogniserStream {
    /// Takes 20 ms in. Cheap: the work is done in [`Recogniser::decode`].
    fn accept(&mut self, frame: &WideFrame);

    /// The guess after the last decode.
    fn hypothesis(&self) -> &str;

    /// The caller has been silent for a moment: the utterance may be over. An engine whose final text is expensive may begin
    /// with it here. More frames may follow: silence, or speech that goes on.
    fn pause(&mut self) {}

    /// The caller goes on speaking after a [`Self::pause`]: what was begun there is void.
    fn resume(&mut self) {}

    /// Ends the utterance: decodes what is left, and what is accepted from here on is of the next one. Answers with the text
    /// where the engine has it; else it comes by [`Self::finished`].
    fn finish(&mut self) -> Option<Heard>;

    /// The text that [`Self::finish`] had not yet, once it is there; it must come within a few seconds. The next utterance is
    /// not finished before.
    fn finished(&mut self) -> Option<Heard> {
        None
    }

    /// Forgets the utterance so far; one that was finished before still has its text.
    fn reset(&mut self);
}

/// Why a recogniser cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecogniserError {
    /// The manifest, or a file in it, is not as it should be.
    #[error(transparent)]
    Model(#[from] super::manifest::ManifestError),
    /// The manifest names an engine that this program has not got.
    #[error("model {model}: engine '{engine}' is no recogniser of this program; expected one of {known}")]
    UnknownEngine {
        /// Model id.
        model: String,
        /// Engine as written.
        engine: String,
        /// What there is.
        known: String,
    },
    /// Our own model.
    #[error("the small recogniser: {0}")]
    Ctc(#[from] ctc::CtcError),
    /// The native library refused the model.
    #[error("model {0}: the engine refused its files; run `tingwa models verify`")]
    Refused(String),
    /// Voice activity cannot be had.
    #[error(transparent)]
    Vad(#[from] super::vad::VadError),
    /// A thread could not be started.
    #[error("cannot start a recogniser thread: {0}")]
    Thread(String),
    /// The process that recognises could not be had.
    #[error("the recogniser process: {0}")]
    Process(String),
    /// The workers are late; calls in progress come first.
    #[error("the recognisers are late: no new call is heard until they have caught up")]
    Overloaded,
    /// All workers are gone or full.
    #[error("no recogniser worker takes another call ({streams} streams open, at most {limit} a worker)")]
    Full {
        /// Streams open now.
        streams: usize,
        /// Most streams of one worker.
        limit: usize,
    },
}
