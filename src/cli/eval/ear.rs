//! The recogniser under test and how it is spoken to: the one place that knows how engines are had. Either a recording is
//! one utterance, or the call's own ear says when utterances begin and end.

use std::time::{Duration, Instant};

use crate::audio::frame::{FRAME_MS, Frame, WideFrame};
use crate::call::hearing::{Hearing, HearingConfig, Input, Output};
use crate::engine::local::LocalEngines;
use crate::engine::manifest::Manifest;
use crate::engine::recogniser::RecogniserError;
use crate::engine::worker::{EngineFactory, EventKind, Feeding, Rehearsal};
use crate::ids::UtteranceId;
use crate::journal::RecogniserLoss;
use crate::speech::{Language, Transcript};

type Recogniser = <LocalEngines as EngineFactory>::Recogniser;
type Vad = <LocalEngines as EngineFactory>::Vad;

/// Silence that a call brings before an utterance that is still open at the end of a recording is given up, ms.
const PATIENCE_MS: u64 = 3_000;

/// A loaded recogniser with its voice activity model.
pub struct Ear {
    /// The recogniser's name in the manifest.
    pub id: String,
    engines: (Recogniser, Vad),
}

/// A guess and when it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// Audio time, with the processor time of the step that made it, ms.
    pub at_ms: f64,
    /// Text.
    pub text: String,
}

/// What was made of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Text; of several utterances one after the other.
    pub text: String,
    /// Language that was named last.
    pub language: Option<Language>,
    /// Mean confidence of the utterances.
    pub confidence: f32,
    /// Guesses in order; an utterance's own begin anew.
    pub guesses: Vec<Guess>,
    /// From the last endpoint to the transcript, by the clock.
    pub finish: Duration,
    /// The same in time of a processor.
    pub finish_processor: Duration,
    /// Time of a processor for all of it.
    pub work: Duration,
    /// Where the last endpoint was, ms.
    pub endpoint_ms: u64,
    /// How often speech began, where the call's own ear decided.
    pub starts: u64,
    /// Utterances.
    pub utterances: u64,
    /// What lies in the recogniser after the last one: the next utterance would begin with it.
    pub left_over: String,
}

impl Account {
    fn hear(&mut self, transcript: Transcript) {
        self.utterances += 1;
        self.confidence += (transcript.confidence - self.confidence) / self.utterances as f32;
        self.language = transcript.language.or(self.language);
        let text = transcript.text.into_inner();
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&text);
    }
}

impl Ear {
    /// Loads both models.
    pub fn load(manifest: &Manifest, recogniser: &str, vad: &str) -> Result<Self, RecogniserError> {
        let engines = LocalEngines::of(manifest, recogniser, vad)?.patient().make()?;
        Ok(Self { id: recogniser.to_owned(), engines })
    }

    /// Hears all of it as one utterance.
    pub fn hear_whole(&mut self, frames: &[WideFrame], feeding: Feeding) -> Result<Account, RecogniserError> {
        let mut rehearsal = Rehearsal::new(&mut self.engines, feeding)?;
        let mut account = Account::default();
        for (frame, number) in frames.iter().zip(1u64..) {
            step(&mut rehearsal, frame, number * u64::from(FRAME_MS), &mut account, &mut |_| {})?;
        }
        rehearsal.finish(UtteranceId::default(), &mut |kind| {
            if let EventKind::Transcript(transcript) = kind {
                account.hear(transcript);
            }
        })?;
        let spent = rehearsal.spent();
        (account.finish, account.finish_processor, account.work) =
            (spent.finish, spent.finish_processor, spent.processor);
        account.endpoint_ms = frames.len() as u64 * u64::from(FRAME_MS);
        Ok(account)
    }

    /// Hears it as a call does, which says itself when the caller begins and has ended.
    pub fn hear_call(&mut self, frames: &[WideFrame], feeding: Feeding) -> Result<Account, RecogniserError> {
        let mut line = Line::new(Rehearsal::new(&mut self.engines, feeding)?);
        for frame in frames {
            line.push(frame)?;
        }
        let end = line.at_ms;
        while line.hearing.is_open() && line.at_ms < end + PATIENCE_MS {
            line.push(&WideFrame::SILENCE)?;
        }
        line.account.work = line.rehearsal.spent().processor;
        let left_over = &mut line.account.left_over;
        line.rehearsal.finish(UtteranceId(u32::MAX), &mut |kind| {
            if let EventKind::Transcript(transcript) = kind {
                *left_over = transcript.text.into_inner();
            }
        })?;
        Ok(line.account)
    }
}

/// One frame into a rehearsal: guesses go to the account, everything else to `told`.
fn step(
    rehearsal: &mut Rehearsal<'_, Recogniser, Vad>,
    frame: &WideFrame,
    at_ms: u64,
    account: &mut Account,
    told: &mut dyn FnMut(EventKind),
) -> Result<(), RecogniserError> {
    let (before, known) = (rehearsal.spent().processor, account.guesses.len());
    rehearsal.push(frame, &mut |kind| {
        if let EventKind::Hypothesis(guess) = &kind {
            account.guesses.push(Guess { at_ms: at_ms as f64, text: guess.text.reveal().clone() });
        }
        told(kind);
    })?;
    let work = rehearsal.spent().processor.saturating_sub(before);
    for guess in &mut account.guesses[known..] {
        guess.at_ms += work.as_secs_f64() * 1000.0;
    }
    Ok(())
}

/// The call's ear between the line and the engines, on a clock that goes as fast as the audio.
struct Line<'e> {
    rehearsal: Rehearsal<'e, Recogniser, Vad>,
    hearing: Hearing,
    epoch: Instant,
    at_ms: u64,
    account: Account,
}

impl<'e> Line<'e> {
    fn new(rehearsal: Rehearsal<'e, Recogniser, Vad>) -> Self {
        let hearing = Hearing::new(HearingConfig::default());
        Self { rehearsal, hearing, epoch: Instant::now(), at_ms: 0, account: Account::default() }
    }

    fn push(&mut self, frame: &WideFrame) -> Result<(), RecogniserError> {
        self.at_ms += u64::from(FRAME_MS);
        let now = self.epoch + Duration::from_millis(self.at_ms);
        // The ear widens narrow frames itself; a wide codec's are given in its stead.
        self.hearing.handle(now, Input::Frame(&Frame::SILENCE));
        self.settle(now, frame)?;
        self.hearing.handle(now, Input::Timeout);
        self.settle(now, frame)
    }

    fn settle(&mut self, now: Instant, frame: &WideFrame) -> Result<(), RecogniserError> {
        while let Some(output) = self.hearing.poll() {
            let mut events = Vec::new();
            let mut told = |kind| events.push(kind);
            match output {
                Output::Hear(_) => step(&mut self.rehearsal, frame, self.at_ms, &mut self.account, &mut told)?,
                Output::Finish(utterance) => {
                    self.rehearsal.finish(utterance, &mut told)?;
                    let spent = self.rehearsal.spent();
                    (self.account.finish, self.account.finish_processor) = (spent.finish, spent.finish_processor);
                    self.account.endpoint_ms = self.at_ms;
                }
                Output::Restart(utterance) => self.rehearsal.restart(utterance, &mut told)?,
                Output::SpeechStarted { .. } => self.account.starts += 1,
                Output::Heard { transcript, .. } => self.account.hear(transcript),
                Output::Wavered
                | Output::Steadied
                | Output::SpeechEnded
                | Output::UtteranceEnded
                | Output::Missed
                | Output::Interrupted { .. }
                | Output::Lost(_) => {}
            }
            for kind in events {
                match kind {
                    EventKind::Voice(voice) => self.hearing.handle(now, Input::Voice(voice)),
                    EventKind::Hypothesis(guess) => self.hearing.handle(now, Input::Hypothesis(&guess)),
                    EventKind::Transcript(transcript) => self.hearing.handle(now, Input::Transcript(transcript)),
                    EventKind::Overloaded { .. } => {}
                    EventKind::Interrupted => self.hearing.handle(now, Input::Interrupted),
                    EventKind::Lost => self.hearing.handle(now, Input::Lost(RecogniserLoss::Gone)),
                }
            }
        }
        Ok(())
    }
}
