//! What the gateway asks of a synthesiser: text in, pieces of 8 kHz samples out, as soon as there are any.
//!
//! `espeak` speaks everything in all three languages, `recorded` plays what a person has spoken, `cache` remembers,
//! `pool` is the threads. Not here: when to speak, and how much of it the caller heard (that is playout's business).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ids::{CallId, SpeakId};
use crate::redact::Redacted;
use crate::speech::Language;

pub mod cache;
pub mod espeak;
pub mod level;
pub mod pool;
pub mod recorded;

pub use pool::{SpeakHandle, SpeakSink, SynthesiserPool};

/// Samples a second of everything that a synthesiser gives out.
pub const RATE_HZ: u32 = 8000;

/// Something to be said in a call.
#[derive(Clone, Debug)]
pub struct SpeakRequest {
    /// For whom.
    pub call: CallId,
    /// Which act of speaking.
    pub speak: SpeakId,
    /// What, as text. May hold the caller's own figures, so it shows only its length in logs.
    pub text: Redacted<String>,
    /// In which language.
    pub language: Language,
    /// A recording to be played instead where there is one: `line/prompt`, as given to `Recordings::load`.
    pub recording: Option<String>,
}

/// What comes back of a [`SpeakRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakEvent {
    /// For whom.
    pub call: CallId,
    /// Which act of speaking.
    pub speak: SpeakId,
    /// What.
    pub kind: SpeakEventKind,
}

/// What a synthesiser says.
#[derive(Clone, Debug, PartialEq)]
pub enum SpeakEventKind {
    /// The next samples, 8 kHz.
    Piece(Arc<[i16]>),
    /// All pieces have been given.
    Done,
    /// Nothing more will come; the text says why and holds nothing personal.
    Failed(String),
}

/// Text for one voice.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// What to say.
    pub text: &'a str,
    /// In which language.
    pub language: Language,
}

/// Set from another thread to stop a synthesis.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// True once asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Takes pieces as they come; `Break` stops the synthesis.
pub type PieceSink<'a> = dyn FnMut(Arc<[i16]>) -> ControlFlow<()> + 'a;

/// An engine that turns text into speech. Called from several threads at once.
pub trait Synthesiser: Send + Sync {
    /// Engine, version, voice and speed for a language: whatever changes the sound changes this text.
    fn fingerprint(&self, language: Language) -> String;

    /// Speaks. Returns when all is said, when `cancel` is set, or when the sink breaks.
    fn speak(&self, words: Words<'_>, cancel: &Cancel, sink: &mut PieceSink<'_>) -> Result<(), SynthesiserError>;
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum SynthesiserError {
    /// The program is not there.
    #[error("cannot start '{program}' ({error}); install it (Debian: apt-get install espeak-ng) or set its path")]
    NotThere {
        /// Program as configured.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A pipe to the program failed.
    #[error("{program}: {error}")]
    Pipe {
        /// Program as configured.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The program ended badly.
    #[error("{program} ended with {status}: {message}")]
    Ended {
        /// Program as configured.
        program: String,
        /// Exit status in words.
        status: String,
        /// First line of what it wrote.
        message: String,
    },
    /// No sound for too long.
    #[error("{program} gave no sound for {0:?}", waited)]
    TimedOut {
        /// Program as configured.
        program: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It gave something that is no WAV of 16-bit samples.
    #[error("{program} did not write 16-bit mono WAV: {what}")]
    NotWav {
        /// Program as configured.
        program: String,
        /// What was wrong.
        what: String,
    },
    /// More text than a prompt may have.
    #[error("the text has {characters} characters; a prompt may have {limit}")]
    TooLong {
        /// Characters of the text.
        characters: usize,
        /// Most there may be.
        limit: usize,
    },
    /// A recording could not be read.
    #[error("recording {file}: {what}")]
    Recording {
        /// File.
        file: String,
        /// What was wrong.
        what: String,
    },
    /// A thread could not be started.
    #[error("cannot start a synthesiser thread: {0}")]
    Thread(String),
}
