//! Hearing and speaking: recognisers, voice activity, synthesisers, and the threads that they run on. Traits are
//! synchronous and each native handle is owned by one thread; bounded queues lead in and out.
//!
//! Knows no phone: a call is only a [`crate::ids::CallId`] that comes back with every event. A shell part: it may read
//! clocks, files and processes.

mod config;
pub mod fetch;
pub mod local;
pub mod manifest;
pub mod process;
pub mod recogniser;
pub mod runtime;
pub mod score;
pub mod start;
pub mod synthesiser;
pub mod totals;
pub mod vad;
pub mod worker;

pub use config::EngineConfig;

/// Speech and models for the tests of this folder.
#[cfg(test)]
pub(crate) mod test_speech {
    use std::ops::ControlFlow;
    use std::path::Path;
    use std::sync::Arc;

    use super::manifest::{DEFAULT_PATH, Manifest, Model};
    use super::synthesiser::espeak::{Espeak, EspeakConfig};
    use super::synthesiser::{Cancel, Synthesiser, Words};
    use crate::speech::Language;

    /// The repository's manifest.
    pub(crate) fn manifest() -> Manifest {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_PATH);
        Manifest::load(&path).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A model of the repository; fails with what to do where it is missing.
    pub(crate) fn model(id: &str) -> Model {
        let model = manifest().model(id).cloned().unwrap_or_else(|error| panic!("{error}"));
        model.verify().unwrap_or_else(|error| panic!("{error}"));
        model
    }

    /// A network of `tests/data/models` that says the same whatever it hears.
    pub(crate) fn constant(interface: &str) -> Model {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/manifest.toml");
        let model = Manifest::load(&path).and_then(|all| all.model(&format!("{interface}-says-thanks")).cloned());
        model.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Speech at 8 kHz.
    pub(crate) fn say(text: &str, language: Language) -> Vec<i16> {
        let mut all = Vec::new();
        let mut sink = |piece: Arc<[i16]>| {
            all.extend_from_slice(&piece);
            ControlFlow::Continue(())
        };
        let espeak = Espeak::find(EspeakConfig::default()).expect("these tests need espeak-ng");
        espeak.speak(Words { text, language }, &Cancel::default(), &mut sink).unwrap();
        all
    }
}
