//! From the configuration to running engines: which adapter serves which manifest entry.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::EngineConfig;
use super::local::{CheckError, LocalEngines, check_in_child};
use super::manifest::{Kind, Manifest, ManifestError};
use super::recogniser::RecogniserError;
use super::synthesiser::cache::{Cache, CacheConfig};
use super::synthesiser::espeak::{Espeak, EspeakConfig};
use super::synthesiser::pool::SpeakConfig;
use super::synthesiser::recorded::Recordings;
use super::synthesiser::{SynthesiserError, SynthesiserPool};
use super::worker::{PoolConfig, RecogniserPool};

/// The configured voices cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VoicesError {
    /// The manifest, or a file in it, is not as it should be.
    #[error(transparent)]
    Model(#[from] ManifestError),
    /// The synthesiser does not start or speak.
    #[error(transparent)]
    Synthesiser(#[from] SynthesiserError),
    /// The manifest names an engine that this program has not got.
    #[error("model {model}: engine '{engine}' is no {kind} of this program")]
    UnknownEngine {
        /// Model id.
        model: String,
        /// Engine as written.
        engine: String,
        /// What was asked for.
        kind: Kind,
    },
}

/// Has a process of its own load the configured models first: a file that the native library cannot take ends that process
/// and not this one. For the program's start; it needs `tingwa models` in the running program.
pub fn check_models(config: &EngineConfig, manifest: &Manifest) -> Result<(), CheckError> {
    for id in [&config.recogniser, &config.vad] {
        check_in_child(&config.manifest, manifest.model(id)?)?;
    }
    Ok(())
}

/// Starts the recogniser workers; returns when each has loaded its models.
pub fn start_hearing(config: &EngineConfig, manifest: &Manifest) -> Result<RecogniserPool, RecogniserError> {
    let engines = LocalEngines::of(manifest, &config.recogniser, &config.vad)?;
    RecogniserPool::start(PoolConfig { workers: config.recogniser_threads, ..PoolConfig::default() }, engines)
}

/// Starts the synthesiser threads. `folders` are the hotlines' names and their folders of recorded prompts.
pub fn start_speaking(
    config: &EngineConfig,
    manifest: &Manifest,
    folders: impl Iterator<Item = (String, PathBuf)>,
) -> Result<SynthesiserPool, VoicesError> {
    let model = manifest.model(&config.synthesiser)?;
    if model.engine != "espeak-ng" {
        let (id, engine) = (model.id.clone(), model.engine.clone());
        return Err(VoicesError::UnknownEngine { model: id, engine, kind: Kind::Synthesiser });
    }
    let mut recordings = Recordings::default();
    for (line, folder) in folders {
        let (_, problems) = recordings.load(&line, &folder);
        for problem in problems {
            tracing::warn!(line, "{problem}");
        }
    }
    let engine = Arc::new(Espeak::find(EspeakConfig::of(model))?);
    let cache = Cache::new(CacheConfig { folder: Some(config.prompt_cache.clone()), ..CacheConfig::default() });
    let threads = SpeakConfig { workers: config.synthesiser_threads, ..SpeakConfig::default() };
    Ok(SynthesiserPool::start(threads, engine, recordings, Arc::new(cache))?)
}

/// What waiting callers hear where a line brings no music, 8 kHz.
pub fn waiting_music() -> Arc<[i16]> {
    crate::audio::music::waiting_music().into()
}
