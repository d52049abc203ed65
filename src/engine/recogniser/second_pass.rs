//! The threads that engines of whole utterances work on, one set for all recogniser workers of a process.
//!
//! Queue `second pass`: 64 utterances; an utterance for which there is no room, or before which more waits than can be done while
//! its text is waited for, is refused, counted in [`SecondPassCounts::refused`], and the first recogniser's text stands at once. An
//! utterance that nobody waits for any more is skipped. Each is worked on by itself: on processors a batch costs what its utterances
//! cost, and the first would wait for the last.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::whole::{AnyWhole, Utterance, WholeUtterances};
use super::{Heard, RecogniserError};
use crate::engine::manifest::Model;
use crate::speech::Bias;

/// Utterances that wait for a thread.
pub(super) const UTTERANCES: usize = 64;
/// The mean time of one utterance follows the last so many.
const MEAN_OF: u64 = 8;

/// How far a second recogniser stands behind the first.
const BEHIND: i32 = 5;

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
    /// Utterances refused because the queue was full, or too long to be done in time.
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

/// How much there is to do.
#[derive(Debug, Default)]
struct Load {
    /// Utterances that wait for a thread and that somebody waits for.
    queued: AtomicUsize,
    /// Utterances that a thread works on.
    busy: AtomicUsize,
    /// Mean time of one, us; 0 before the first.
    one_us: AtomicU64,
}

impl Load {
    /// When the text of one more would be there, with so many threads.
    fn time_of_next(&self, threads: usize) -> Duration {
        let ahead = self.queued.load(Ordering::Acquire) + self.busy.load(Ordering::Acquire);
        let rounds = u32::try_from(ahead / threads).unwrap_or(u32::MAX).saturating_add(1);
        Duration::from_micros(self.one_us.load(Ordering::Relaxed)).saturating_mul(rounds)
    }

    /// Two threads that do this at once lose one of the two times, no more.
    fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mean = self.one_us.load(Ordering::Relaxed);
        let next = if mean == 0 { time } else { mean - mean / MEAN_OF + time / MEAN_OF };
        self.one_us.store(next.max(1), Ordering::Relaxed);
    }
}

/// An utterance's place in the queue, left when its turn comes or when nobody waits for it any more.
struct Place {
    load: Arc<Load>,
    is_queued: AtomicBool,
}

impl Place {
    fn take(load: &Arc<Load>) -> Arc<Self> {
        load.queued.fetch_add(1, Ordering::AcqRel);
        Arc::new(Self { load: load.clone(), is_queued: AtomicBool::new(true) })
    }

    fn leave(&self) {
        if self.is_queued.swap(false, Ordering::AcqRel) {
            self.load.queued.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

struct Job {
    utterance: Utterance,
    reply: Sender<Heard>,
    place: Arc<Place>,
}

/// An engine of whole utterances at work.
pub struct SecondPass {
    jobs: Sender<Job>,
    threads: usize,
    load: Arc<Load>,
    counts: Arc<SecondPassCounts>,
}

impl SecondPass {
    /// Starts the threads, each of which makes its own engine; returns when all are loaded. `counts` may have counted before.
    pub fn start<W, F>(threads: usize, counts: Arc<SecondPassCounts>, make: F) -> Result<Self, RecogniserError>
    where
        W: WholeUtterances,
        F: Fn() -> Result<W, RecogniserError> + Send + Sync + 'static,
    {
        let (jobs, asked) = bounded::<Job>(UTTERANCES);
        let (load, make) = (Arc::<Load>::default(), Arc::new(make));
        let threads = threads.max(1);
        for number in 0..threads {
            let (ready, loaded) = bounded(1);
            let (asked, counts, load, make) = (asked.clone(), counts.clone(), load.clone(), make.clone());
            std::thread::Builder::new()
                .name(format!("second-pass-{number}"))
                .spawn(move || work(&asked, &counts, &load, &*make, &ready))
                .map_err(|error| RecogniserError::Thread(error.to_string()))?;
            loaded.recv().map_err(|_| RecogniserError::Thread("it ended while loading".to_owned()))??;
        }
        Ok(Self { jobs, threads, load, counts })
    }

    /// With a model of the manifest.
    pub fn load(model: &Model, threads: usize, counts: Arc<SecondPassCounts>) -> Result<Self, RecogniserError> {
        let model = model.clone();
        Self::start(threads, counts, move || AnyWhole::load(&model))
    }

    /// Totals.
    pub fn counts(&self) -> &Arc<SecondPassCounts> {
        &self.counts
    }

    /// Has these samples worked on; `None` where the text would not be there within `wait`, or the queue is full.
    pub(super) fn ask(&self, samples: Vec<f32>, bias: &Arc<Bias>, wait: Duration) -> Option<Asked> {
        let expected = self.load.time_of_next(self.threads);
        if expected <= wait {
            let (reply, answer) = bounded(1);
            let (void, place) = (Arc::new(AtomicBool::new(false)), Place::take(&self.load));
            let utterance = Utterance::new(samples, bias.clone(), void.clone());
            // Where there is no room, its drop leaves the place.
            let asked = Asked { void, answer, place: place.clone() };
            if self.jobs.try_send(Job { utterance, reply, place }).is_ok() {
                return Some(asked);
            }
        }
        if count(&self.counts.refused).is_power_of_two() {
            let (waiting, expected) = (self.load.queued.load(Ordering::Acquire), expected.as_millis());
            tracing::warn!(waiting, "the second recogniser would need {expected} ms: the first one's text stands");
        }
        None
    }

    /// Takes one utterance for so long a work, whatever was measured.
    #[cfg(test)]
    pub(super) fn assume(&self, one: Duration) {
        self.load.one_us.store(u64::try_from(one.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

/// Counts one more; answers how many there are.
pub(super) fn count(total: &AtomicU64) -> u64 {
    total.fetch_add(1, Ordering::Relaxed) + 1
}

fn work<W: WholeUtterances>(
    asked: &Receiver<Job>,
    counts: &SecondPassCounts,
    load: &Load,
    make: &dyn Fn() -> Result<W, RecogniserError>,
    ready: &Sender<Result<(), RecogniserError>>,
) {
    // On Linux of this thread only: guesses and voice activity of all calls go first.
    if rustix::process::nice(BEHIND).is_err() {
        tracing::debug!("the second recogniser has the priority of the first");
    }
    let mut engine = match make() {
        Ok(engine) => engine,
        // The starter waits for exactly one answer.
        Err(error) => return drop(ready.send(Err(error))),
    };
    let _ = ready.send(Ok(()));
    while let Ok(Job { utterance, reply, place }) = asked.recv() {
        // First this, so that it is not missed between the two.
        load.busy.fetch_add(1, Ordering::AcqRel);
        place.leave();
        if utterance.is_void() {
            load.busy.fetch_sub(1, Ordering::AcqRel);
            count(&counts.void);
            continue;
        }
        let began = Instant::now();
        let heard = catch_unwind(AssertUnwindSafe(|| engine.hear(std::slice::from_ref(&utterance))));
        load.busy.fetch_sub(1, Ordering::AcqRel);
        if let Ok(all) = heard {
            // One that was given up on the way took less than it takes.
            if !utterance.is_void() {
                load.took(began.elapsed());
            }
            count(&counts.heard);
            // Nobody waits any more where it comes too late.
            all.into_iter().for_each(|heard| drop(reply.try_send(heard)));
            continue;
        }
        count(&counts.failed);
        drop(reply);
        tracing::error!("the second recogniser panicked; the first one's text stands and it is loaded anew");
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
    place: Arc<Place>,
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
        self.place.leave();
    }
}
