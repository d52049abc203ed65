//! From the configuration to running engines: which adapter serves which manifest entry.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::EngineConfig;
use super::local::{CheckError, LocalEngines, check_in_child};
use super::manifest::{Kind, Manifest, ManifestError};
use super::process::launcher::Launcher;
use super::recogniser::RecogniserError;
use super::synthesiser::cache::{Cache, CacheConfig};
use super::synthesiser::espeak::{Espeak, EspeakConfig};
use super::synthesiser::pool::SpeakConfig;
use super::synthesiser::recorded::Recordings;
use super::synthesiser::{SynthesiserError, SynthesiserPool};
use super::worker::{PoolConfig, RecogniserPool};

/// This program, also where its file has been replaced since it was started.
const RUNNING_PROGRAM: &str = "/proc/self/exe";

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
    for id in [Some(&config.recogniser), config.second_pass.as_ref(), Some(&config.vad)].into_iter().flatten() {
        check_in_child(&config.manifest, manifest.model(id)?)?;
    }
    Ok(())
}

/// Starts the recogniser processes, or threads where none are configured; returns when each has loaded its models.
pub fn start_hearing(config: &EngineConfig, manifest: &Manifest) -> Result<RecogniserPool, RecogniserError> {
    let engines = LocalEngines::of(manifest, &config.recogniser, &config.vad)?;
    let engines = engines.with_second_pass(manifest, config.second_pass.as_deref(), config.passes)?;
    if config.recogniser_processes == 0 {
        return RecogniserPool::start(
            PoolConfig { workers: config.recogniser_threads, ..PoolConfig::default() },
            engines,
        );
    }
    let launcher = Launcher {
        program: RUNNING_PROGRAM.into(),
        manifest: config.manifest.clone(),
        recogniser: config.recogniser.clone(),
        second_pass: config.second_pass.clone(),
        passes: config.passes,
        vad: config.vad.clone(),
        threads: config.recogniser_threads,
    };
    let streams_per_worker = PoolConfig::default().streams_per_worker * config.recogniser_threads;
    let limits = PoolConfig { streams_per_worker, ..PoolConfig::default() };
    RecogniserPool::start_processes(limits, config.recogniser_processes, Arc::new(launcher))
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
