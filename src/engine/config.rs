//! What can be set about hearing and speaking: `[engine]`.

use std::path::PathBuf;
use std::time::Duration;

use super::recogniser::second_pass::SecondPassConfig;
use crate::settings::Section;

/// Models, voices and how much of the machine they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Model manifest.
    pub manifest: PathBuf,
    /// Id of the recogniser.
    pub recogniser: String,
    /// Id of a second recogniser, of whole utterances, whose text counts in the end.
    pub second_pass: Option<String>,
    /// How whole utterances are worked on.
    pub passes: SecondPassConfig,
    /// Id of the voice activity model.
    pub vad: String,
    /// Id of the synthesiser.
    pub synthesiser: String,
    /// Recogniser processes; 0: recognise in the gateway's own process, where a crash of native code ends all calls.
    pub recogniser_processes: usize,
    /// Recogniser threads of each process; each loads the model once.
    pub recogniser_threads: usize,
    /// Synthesiser threads, and so the most synthesiser processes at once.
    pub synthesiser_threads: usize,
    /// Folder or web address from which `tingwa models pull` takes models: `BASE/ID/FILE`. Where there is none, each model's
    /// own address in the manifest.
    pub models_base: Option<String>,
    /// Folder in which spoken prompts are kept over restarts.
    pub prompt_cache: PathBuf,
}

impl EngineConfig {
    /// Reads `[engine]`.
    pub fn read(mut section: Section<'_>) -> Self {
        let mut text = |key: &str, otherwise: &str| section.string(key).unwrap_or_else(|| otherwise.to_owned());
        let (manifest, recogniser) =
            (text("manifest", super::manifest::DEFAULT_PATH), text("recogniser", "tiny-trilingual"));
        let (vad, synthesiser) = (text("vad", "silero-vad"), text("synthesiser", "espeak-ng"));
        let prompt_cache = text("prompt_cache", "var/prompts");
        let models_base = section.string("models_base");
        let second_pass = section.string("second_pass");
        let processes = section.integer("recogniser_processes", 0..=16).and_then(|n| usize::try_from(n).ok());
        let wait = section.integer("second_pass_wait_ms", 0..=2_000).and_then(|ms| u64::try_from(ms).ok());
        let mut threads = |key: &str, otherwise: usize| {
            section.integer(key, 1..=64).and_then(|n| usize::try_from(n).ok()).unwrap_or(otherwise)
        };
        let (recogniser_threads, synthesiser_threads) =
            (threads("recogniser_threads", 1), threads("synthesiser_threads", 2));
        let passes = SecondPassConfig::default();
        let passes = SecondPassConfig {
            threads: threads("second_pass_threads", passes.threads),
            wait: wait.map_or(passes.wait, Duration::from_millis),
        };
        section.finish();
        Self {
            manifest: manifest.into(),
            recogniser,
            second_pass,
            passes,
            vad,
            synthesiser,
            recogniser_processes: processes.unwrap_or(1),
            recogniser_threads,
            synthesiser_threads,
            models_base,
            prompt_cache: prompt_cache.into(),
        }
    }
}
