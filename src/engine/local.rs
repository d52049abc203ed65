//! The engines of this machine: loads what the manifest names, checks a model in a process of its own, and makes the
//! engines of the recogniser workers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::manifest::{Kind, Manifest, ManifestError, Model};
use super::recogniser::sherpa::SherpaRecogniser;
use super::recogniser::{Recogniser, RecogniserError};
use super::synthesiser::espeak::{Espeak, EspeakConfig};
use super::synthesiser::{Cancel, Synthesiser, SynthesiserError, Words};
use super::vad::gate::GateConfig;
use super::vad::silero::SileroVad;
use super::vad::{Vad, VadError};
use super::worker::EngineFactory;
use crate::audio::frame::WideFrame;
use crate::speech::Language;

/// A child that has not loaded its model by then is given up.
pub const LOAD_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Makes the engines of each recogniser worker from two models of the manifest.
#[derive(Clone, Debug)]
pub struct LocalEngines {
    /// The recogniser.
    pub recogniser: Model,
    /// Voice activity.
    pub vad: Model,
    /// The cheap gate before voice activity; `None` runs the model on everything.
    pub gate: Option<GateConfig>,
}

impl LocalEngines {
    /// Looks both up.
    pub fn of(manifest: &Manifest, recogniser: &str, vad: &str) -> Result<Self, ManifestError> {
        let (recogniser, vad) = (manifest.model(recogniser)?.clone(), manifest.model(vad)?.clone());
        Ok(Self { recogniser, vad, gate: Some(GateConfig::default()) })
    }
}

impl EngineFactory for LocalEngines {
    type Recogniser = SherpaRecogniser;
    type Vad = SileroVad;

    fn make(&self) -> Result<(SherpaRecogniser, SileroVad), RecogniserError> {
        Ok((SherpaRecogniser::load(&self.recogniser)?, SileroVad::load(&self.vad, self.gate)?))
    }
}

/// A model does not do what it is there for.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The manifest, or a file in it.
    #[error(transparent)]
    Model(#[from] ManifestError),
    /// A recogniser.
    #[error(transparent)]
    Recogniser(#[from] RecogniserError),
    /// Voice activity.
    #[error(transparent)]
    Vad(#[from] VadError),
    /// A synthesiser.
    #[error(transparent)]
    Synthesiser(#[from] SynthesiserError),
    /// The child process could not be started or ended badly: the native library refused the model.
    #[error("model {model} does not load: {what}")]
    Child {
        /// Model id.
        model: String,
        /// How it ended, with its last words.
        what: String,
    },
}

/// Loads a model on this thread and lets it work on a little silence or say a word. A bad file may end this process: call
/// it in a child, as [`check_in_child`] does.
pub fn check_here(model: &Model) -> Result<(), CheckError> {
    match model.kind {
        Kind::Recogniser => {
            let recogniser = SherpaRecogniser::load(model)?;
            let mut stream = recogniser.open()?;
            let silence = WideFrame::SILENCE;
            for _ in 0..50 {
                super::recogniser::RecogniserStream::accept(&mut stream, &silence);
            }
            recogniser.decode(&mut [&mut stream]);
        }
        Kind::Vad => {
            let mut vad = SileroVad::load(model, None)?;
            let (mut stream, mut out) = (vad.open(), Vec::new());
            for _ in 0..5 {
                vad.detect(&mut stream, &WideFrame::SILENCE, &mut out)?;
            }
        }
        Kind::Synthesiser => {
            let espeak = Espeak::find(EspeakConfig::of(model))?;
            for (language, text) in
                [(Language::Cantonese, "你好"), (Language::Mandarin, "你好"), (Language::English, "hello")]
            {
                let mut sink = |_| std::ops::ControlFlow::Continue(());
                espeak.speak(Words { text, language }, &Cancel::default(), &mut sink)?;
            }
        }
    }
    Ok(())
}

/// Checks the files, then has another process of this program load the model, so that a file which ends its process
/// cannot end this one.
pub fn check_in_child(manifest: &Path, model: &Model) -> Result<(), CheckError> {
    model.verify()?;
    let child_error = |what: String| CheckError::Child { model: model.id.clone(), what };
    let program: PathBuf = std::env::current_exe().map_err(|error| child_error(error.to_string()))?;
    let mut child = Command::new(program)
        .args(["models", "load", &model.id, "--manifest"])
        .arg(manifest)
        .envs(super::runtime::VARIABLES)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| child_error(error.to_string()))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < LOAD_LIMIT => std::thread::sleep(LOOK_AGAIN),
            Ok(None) => {
                // Both fail only where the process is gone already.
                let _ = child.kill();
                let _ = child.wait();
                return Err(child_error(format!("not loaded after {} s", LOAD_LIMIT.as_secs())));
            }
            Err(error) => return Err(child_error(error.to_string())),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut words = String::new();
    if let Some(mut errors) = child.stderr.take() {
        // Without its last words the status alone is told.
        let _ = std::io::Read::read_to_string(&mut errors, &mut words);
    }
    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(child_error(format!("{status}: {last}")))
}
