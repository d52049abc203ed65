//! The threads that engines of whole utterances work on, one set for all recogniser workers of a process.
//!
//! Queue `second pass`: 64 utterances; when full the utterance is refused, counted in [`SecondPassCounts::refused`], and the
//! first recogniser's text stands. An utterance that nobody waits for any more is skipped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::whole::{AnyWhole, Utterance, WholeUtterances};
use super::{Heard, RecogniserError};
use crate::engine::manifest::Model;
use crate::speech::Bias;

/// Utterances that wait for a thread.
pub(super) const UTTERANCES: usize = 64;
/// Most utterances of one batch: on processors a batch costs what its utterances cost, and the first waits for the last.
const BATCH: usize = 4;

/// How whole utterances are worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondPassConfig {
    /// Threads; each loads the model once.
    pub threads: usize,
    /// How long the text of an utterance may be waited for from its end, before the first recogniser's stands. The work
    /// mostly began at the pause before.
    pub wait: Duration,
}

impl Default for SecondPassConfig {
    fn default() -> Self {
        Self { threads: 1, wait: Duration::from_millis(600) }
    }
}

/// Totals since the start.
#[derive(Debug, Default)]
pub struct SecondPassCounts {
    /// Utterances worked on.
    pub heard: AtomicU64,
    /// Utterances refused because the queue was full.
    pub refused: AtomicU64,
    /// Utterances that nobody waited for when their turn came: the caller went on.
    pub void: AtomicU64,
    /// Texts that came too late.
    pub late: AtomicU64,
    /// Utterances lost to a panic of the engine.
    pub failed: AtomicU64,
    /// Utterances of which the second heard no word and the first did.
    pub wordless: AtomicU64,
}

struct Job {
    utterance: Utterance,
    reply: Sender<Heard>,
}

/// An engine of whole utterances at work.
pub struct SecondPass {
    jobs: Sender<Job>,
    counts: Arc<SecondPassCounts>,
}

impl SecondPass {
    /// Starts the threads, each of which makes its own engine; returns when all are loaded.
    pub fn start<W, F>(threads: usize, make: F) -> Result<Self, RecogniserError>
    where
        W: WholeUtterances,
        F: Fn() -> Result<W, RecogniserError> + Send + Sync + 'static,
    {
        let (jobs, asked) = bounded::<Job>(UTTERANCES);
        let (counts, make) = (Arc::new(SecondPassCounts::default()), Arc::new(make));
        for number in 0..threads.max(1) {
            let (ready, loaded) = bounded(1);
            let (asked, counts, make) = (asked.clone(), counts.clone(), make.clone());
            std::thread::Builder::new()
                .name(format!("second-pass-{number}"))
                .spawn(move || work(&asked, &counts, &*make, &ready))
                .map_err(|error| RecogniserError::Thread(error.to_string()))?;
            loaded.recv().map_err(|_| RecogniserError::Thread("it ended while loading".to_owned()))??;
        }
        Ok(Self { jobs, counts })
    }

    /// With a model of the manifest.
    pub fn load(model: &Model, threads: usize) -> Result<Self, RecogniserError> {
        let model = model.clone();
        Self::start(threads, move || AnyWhole::load(&model))
    }

    /// Totals.
    pub fn counts(&self) -> &Arc<SecondPassCounts> {
        &self.counts
    }

    /// Has these samples worked on; `None` where the queue is full.
    pub(super) fn ask(&self, samples: Vec<f32>, bias: &Arc<Bias>) -> Option<Asked> {
        let (reply, answer) = bounded(1);
        let void = Arc::new(AtomicBool::new(false));
        let utterance = Utterance::new(samples, bias.clone(), void.clone());
        if self.jobs.try_send(Job { utterance, reply }).is_ok() {
            return Some(Asked { void, answer });
        }
        if count(&self.counts.refused).is_power_of_two() {
            tracing::warn!("the second recogniser is {UTTERANCES} utterances behind: the first one's text stands");
        }
        None
    }
}

/// Counts one more; answers how many there are.
pub(super) fn count(total: &AtomicU64) -> u64 {
    total.fetch_add(1, Ordering::Relaxed) + 1
}

fn work<W: WholeUtterances>(
    asked: &Receiver<Job>,
    counts: &SecondPassCounts,
    make: &dyn Fn() -> Result<W, RecogniserError>,
    ready: &Sender<Result<(), RecogniserError>>,
) {
    let mut engine = match make() {
        Ok(engine) => engine,
        // The starter waits for exactly one answer.
        Err(error) => return drop(ready.send(Err(error))),
    };
    let _ = ready.send(Ok(()));
    while let Ok(job) = asked.recv() {
        let (mut utterances, mut replies) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        for job in std::iter::once(job).chain(asked.try_iter().take(BATCH - 1)) {
            if job.utterance.is_void() {
                count(&counts.void);
            } else {
                utterances.push(job.utterance);
                replies.push(job.reply);
            }
        }
        if utterances.is_empty() {
            continue;
        }
        if let Ok(all) = catch_unwind(AssertUnwindSafe(|| engine.hear(&utterances))) {
            for (heard, reply) in all.into_iter().zip(&replies) {
                count(&counts.heard);
                // Nobody waits any more where it comes too late.
                let _ = reply.try_send(heard);
            }
            continue;
        }
        counts.failed.fetch_add(utterances.len() as u64, Ordering::Relaxed);
        tracing::error!("the second recogniser panicked; the first one's text stands and it is loaded anew");
        drop(replies);
        engine = match catch_unwind(AssertUnwindSafe(make)) {
            Ok(Ok(anew)) => anew,
            Ok(Err(error)) => return tracing::error!(%error, "the second recogniser could not be loaded anew"),
            Err(_) => return,
        };
    }
}

/// An utterance that is being worked on. Who drops it does not want the text any more.
pub(super) struct Asked {
    void: Arc<AtomicBool>,
    answer: Receiver<Heard>,
}

/// What there is of a text.
pub(super) enum Answer {
    /// All.
    Heard(Heard),
    /// Nothing yet.
    Waiting,
    /// Nothing, and there will be none.
    Failed,
}

impl Asked {
    /// What there is.
    pub(super) fn answer(&self) -> Answer {
        match self.answer.try_recv() {
            Ok(heard) => Answer::Heard(heard),
            Err(TryRecvError::Empty) => Answer::Waiting,
            Err(TryRecvError::Disconnected) => Answer::Failed,
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.void.store(true, Ordering::Release);
    }
}
