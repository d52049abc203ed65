//! Voice activity: how likely it is that a stretch of audio holds speech. The neural model (Silero) is
//! asked while a gate by level is open: on a silent line it rests.
//!
//! Not here: what the probabilities mean for a turn (see `turn::activity`).

use crate::audio::frame::WideFrame;
use crate::speech::VoiceActivity;

pub mod gate;
pub mod silero;

/// A loaded detector.
pub trait Vad {
    /// One caller's audio within it.
    type Stream;

    /// A stream of its own for one caller.
    fn open(&self) -> Self::Stream;

    /// Takes 20 ms in and adds the stretches that are complete. Stretches follow each other without a gap.
    fn detect(
        &mut self,
        stream: &mut Self::Stream,
        frame: &WideFrame,
        out: &mut Vec<VoiceActivity>,
    ) -> Result<(), VadError>;
}

/// Voice activity cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VadError {
    /// The manifest, or a file in it, is not as it should be.
    #[error(transparent)]
    Model(#[from] super::manifest::ManifestError),
    /// The native library is not there.
    #[error(transparent)]
    Runtime(#[from] super::runtime::RuntimeError),
    /// The model does not load or run.
    #[error("voice activity model: {0}")]
    Failed(String),
    /// Another model than this program knows how to feed.
    #[error("voice activity model {model}: expected inputs {expected}, found {found}")]
    OtherModel {
        /// Model id.
        model: String,
        /// What this program feeds.
        expected: &'static str,
        /// What the file asks for.
        found: String,
    },
}
