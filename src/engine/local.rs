//! The engines of this machine: loads what the manifest names, checks a model in a process of its own, and makes the
//! engines of the recogniser workers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::manifest::{Kind, Manifest, ManifestError, Model};
use super::recogniser::any::AnyRecogniser;
use super::recogniser::second_pass::{SecondPass, SecondPassConfig, SecondPassCounts};
use super::recogniser::two_pass::TwoPass;
use super::recogniser::{Recogniser, RecogniserError, RecogniserStream, whole};
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
/// So long may the last words of a process that has ended be on their way.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes that are kept of what a process says.
const MOST_WORDS: usize = 4_096;
/// Longer than any text takes, or nearly.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the engines of each recogniser worker from models of the manifest.
#[derive(Clone, Debug)]
pub struct LocalEngines {
    /// The recogniser.
    pub recogniser: Model,
    /// A second recogniser for the final text.
    pub second_pass: Option<Model>,
    /// Voice activity.
    pub vad: Model,
    /// The cheap gate before voice activity; `None` runs the model on everything.
    pub gate: Option<GateConfig>,
    /// How whole utterances are worked on.
    pub passes: SecondPassConfig,
    /// What works on whole utterances, for all workers: as long as one of them has it.
    shared: Arc<Mutex<Weak<SecondPass>>>,
    counts: Arc<SecondPassCounts>,
}

impl LocalEngines {
    /// Looks both up. `FIRST+SECOND` names two recognisers: one for guesses, one for the final text.
    pub fn of(manifest: &Manifest, recogniser: &str, vad: &str) -> Result<Self, ManifestError> {
        let (first, second) = recogniser.split_once('+').map_or((recogniser, None), |(a, b)| (a, Some(b)));
        let (recogniser, vad) = (manifest.model(first)?.clone(), manifest.model(vad)?.clone());
        let (gate, passes) = (Some(GateConfig::default()), SecondPassConfig::default());
        let (shared, counts) = Default::default();
        let engines = Self { recogniser, second_pass: None, vad, gate, passes, shared, counts };
        engines.with_second_pass(manifest, second, passes)
    }

    /// With a second recogniser, where one is named.
    pub fn with_second_pass(
        mut self,
        manifest: &Manifest,
        id: Option<&str>,
        passes: SecondPassConfig,
    ) -> Result<Self, ManifestError> {
        if let Some(id) = id {
            self.second_pass = Some(manifest.model(id)?.clone());
        }
        self.passes = passes;
        Ok(self)
    }

    /// Waits for every text of the second recogniser: for trials that go faster than a caller speaks.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.passes.wait = PATIENCE;
        self
    }

    fn recogniser(&self) -> Result<AnyRecogniser, RecogniserError> {
        let wait = self.passes.wait;
        let both = match &self.second_pass {
            None if whole::knows(&self.recogniser.engine) => TwoPass::alone(self.second(&self.recogniser)?, wait),
            None => return AnyRecogniser::streaming(&self.recogniser),
            Some(second) => TwoPass::new(AnyRecogniser::streaming(&self.recogniser)?, self.second(second)?, wait),
        };
        Ok(AnyRecogniser::TwoPass(Box::new(both)))
    }

    fn second(&self, model: &Model) -> Result<Arc<SecondPass>, RecogniserError> {
        // What a panic left behind is whole: it is only ever replaced.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = shared.upgrade() {
            return Ok(there);
        }
        let second = Arc::new(SecondPass::load(model, self.passes.threads, self.counts.clone())?);
        *shared = Arc::downgrade(&second);
        Ok(second)
    }
}

impl EngineFactory for LocalEngines {
    type Recogniser = AnyRecogniser;
    type Vad = SileroVad;

    fn make(&self) -> Result<(AnyRecogniser, SileroVad), RecogniserError> {
        Ok((self.recogniser()?, SileroVad::load(&self.vad, self.gate)?))
    }

    fn second_pass_counts(&self) -> Arc<SecondPassCounts> {
        self.counts.clone()
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
    /// No part of this program runs the model's engine yet.
    #[error("model {model}: no part of this program runs engine '{engine}' yet; it is listed for later")]
    NoAdapter {
        /// Model id.
        model: String,
        /// Engine as written.
        engine: String,
    },
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
            let recogniser = AnyRecogniser::load(model)?;
            let mut stream = recogniser.open(&Arc::default())?;
            (0..50).for_each(|_| stream.accept(&WideFrame::SILENCE));
            recogniser.decode(&mut [&mut stream]);
            let mut heard = stream.finish();
            while heard.is_none() {
                std::thread::sleep(LOOK_AGAIN);
                heard = stream.finished();
            }
        }
        Kind::Vad => {
            let mut vad = SileroVad::load(model, None)?;
            let (mut stream, mut out) = (vad.open(), Vec::new());
            for _ in 0..5 {
                vad.detect(&mut stream, &WideFrame::SILENCE, &mut out)?;
            }
        }
        Kind::Synthesiser if !model.is_program() => {
            return Err(CheckError::NoAdapter { model: model.id.clone(), engine: model.engine.clone() });
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
    let mut command = Command::new(program);
    command.args(["models", "load", &model.id, "--manifest"]).arg(manifest).envs(super::runtime::VARIABLES);
    run(command, LOAD_LIMIT).map_err(child_error)
}

/// Lets a process do its work; where it fails says how it ended, with its last words.
fn run(mut command: Command, limit: Duration) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(text)?;
    let (said, words) = crossbeam_channel::bounded(1);
    if let Some(errors) = child.stderr.take() {
        // Read while it runs: a pipe that is full would hold it up.
        let reading = move || drop(said.send(last_words(errors)));
        std::thread::Builder::new().name("model-check-errors".to_owned()).spawn(reading).map_err(text)?;
    }
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < limit => std::thread::sleep(LOOK_AGAIN),
            Ok(None) => {
                // Both fail only where the process is gone already.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not loaded after {} s", limit.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    if status.success() {
        return Ok(());
    }
    // A process of its own making may hold the pipe open: then the status alone is told.
    let words = words.recv_timeout(LAST_WORDS).unwrap_or_default();
    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("{status}: {last}"))
}

/// The end of what is said, [`MOST_WORDS`] at least where there is so much.
fn last_words(mut from: impl std::io::Read) -> String {
    let (mut all, mut piece) = (Vec::with_capacity(3 * MOST_WORDS), [0; MOST_WORDS]);
    loop {
        match from.read(&mut piece) {
            Ok(read @ 1..) => all.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
        if all.len() > 2 * MOST_WORDS {
            all.drain(..all.len() - MOST_WORDS);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frame::Frame;
    use crate::audio::resample::Upsampler8To16;
    use crate::engine::test_speech;
    use crate::engine::worker::{EventKind, PoolConfig, RecogniserPool};
    use crate::ids::{CallId, UtteranceId};

    #[test]
    fn every_kind_of_model_is_checked_by_using_it() {
        for id in ["tiny-trilingual", "silero-vad", "espeak-ng"] {
            check_here(&test_speech::model(id)).unwrap();
        }
        let mut wrong = test_speech::model("espeak-ng");
        wrong.voices[0].1 = "klingon-of-nowhere".to_owned();
        assert!(matches!(check_here(&wrong), Err(CheckError::Synthesiser(SynthesiserError::Ended { .. }))));
    }

    /// Says more than a pipe holds before it ends: 64 KiB.
    #[test]
    fn a_child_that_says_much_is_not_held_up_and_its_last_words_are_told() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let much = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2";
        let told = run(shell(&format!("{much}; echo last words >&2; exit 3")), LOAD_LIMIT).unwrap_err();
        assert_eq!(told, "exit status: 3: last words");
        run(shell(much), LOAD_LIMIT).unwrap();
        let told = run(shell("exit 4"), LOAD_LIMIT).unwrap_err();
        assert_eq!(told, "exit status: 4: it said nothing");
        let told = run(shell("exec sleep 600"), Duration::ZERO).unwrap_err();
        assert!(told.starts_with("not loaded after 0 s"), "{told}");
        assert_eq!(last_words(&b"x".repeat(100_000)[..]).len().min(MOST_WORDS), MOST_WORDS);
    }

    #[test]
    fn guesses_are_the_first_recognisers_and_the_text_is_the_seconds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
        let constant = Manifest::load(&folder.join("manifest.toml")).unwrap();
        let engines = LocalEngines::of(&test_speech::manifest(), "tiny-trilingual", "silero-vad").unwrap().patient();
        let passes = engines.passes;
        let engines = engines.with_second_pass(&constant, Some("sense-voice-says-thanks"), passes).unwrap();
        let mut samples = vec![0; 8000];
        samples.extend(test_speech::say("i want to speak to an agent", Language::English));
        samples.extend([0; 4000]);
        let mut up = Upsampler8To16::default();
        let frames: Vec<WideFrame> = Frame::split(&samples).map(|frame| up.process(&frame)).collect();
        let (mut guesses, mut heard) = (Vec::new(), None);
        let mut told = |_, kind| match kind {
            EventKind::Hypothesis(guess) => guesses.push(guess.text.into_inner()),
            EventKind::Transcript(transcript) => heard = Some(transcript),
            EventKind::Voice(_) | EventKind::Overloaded { .. } | EventKind::Interrupted | EventKind::Lost => {}
        };
        crate::engine::worker::rehearse(&mut engines.make().unwrap(), Default::default(), &frames, &mut told).unwrap();
        let heard = heard.unwrap();
        assert!(guesses.iter().any(|guess| guess.contains("agent")), "{guesses:?}");
        assert_eq!((heard.text.reveal().as_str(), heard.language), ("好多謝", Some(Language::Cantonese)));
        assert_eq!(heard.tags.emotion, Some(crate::speech::Emotion::Angry));
    }

    #[test]
    fn a_call_is_heard_by_the_real_engines_through_the_pool() {
        let engines = LocalEngines::of(&test_speech::manifest(), "tiny-trilingual", "silero-vad").unwrap();
        let config = PoolConfig { tick: Duration::from_millis(1), ..PoolConfig::default() };
        let pool = RecogniserPool::start(config, engines).unwrap();
        let (sender, events) = crossbeam_channel::bounded(1000);
        let mut feed = pool
            .open(CallId(ulid::Ulid(1)), Arc::default(), Box::new(move |event| sender.send(event.kind).unwrap()))
            .unwrap();
        let mut samples = vec![0; 8000];
        samples.extend(test_speech::say("i want to speak to an agent", Language::English));
        samples.extend([0; 2400]);
        let (mut up, mut heard_ms, mut pushed_ms) = (Upsampler8To16::default(), 0, 0);
        let (mut voiced, mut guesses) = (0, 0);
        for frame in Frame::split(&samples) {
            feed.push(&up.process(&frame));
            pushed_ms += 20;
            // Goes on as fast as the worker hears: its queue holds 1 s.
            while heard_ms + 200 < pushed_ms {
                match events.recv_timeout(Duration::from_secs(10)).unwrap() {
                    EventKind::Voice(voice) => {
                        heard_ms += u32::from(voice.duration_ms);
                        voiced += u32::from(voice.probability > 0.5);
                    }
                    EventKind::Hypothesis(_) => guesses += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(feed.finish(UtteranceId(3)));
        let transcript = loop {
            match events.recv_timeout(Duration::from_secs(10)).unwrap() {
                EventKind::Transcript(transcript) => break transcript,
                EventKind::Hypothesis(_) => guesses += 1,
                EventKind::Voice(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((transcript.utterance, transcript.language), (UtteranceId(3), Some(Language::English)));
        assert!(transcript.text.reveal().contains("agent"), "{}", transcript.text.reveal());
        assert!(voiced > 20 && guesses >= 2, "{voiced} windows, {guesses} guesses");
        assert_eq!(feed.dropped(), 0);
    }
}
