//! Threads that listen for many calls at once. A call pushes frames into its own bounded queue and gets events through
//! its own sink; the worker detects voice, recognises in batches over all its calls, and outlives a panic.
//!
//! Queues: `recogniser audio`, one a call, 1 s (50 frames), oldest dropped, counted in [`Counts::frames_dropped`];
//! `recogniser control`, one a call, 32, newest refused (`finish` then answers false). Sinks are called on the worker's
//! thread and must not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::audio::frame::WideFrame;
use crate::engine::process::bridge::{Bridge, Launch};
use crate::engine::recogniser::second_pass::SecondPassCounts;
use crate::engine::recogniser::{Recogniser, RecogniserError};
use crate::engine::vad::Vad;
use crate::ids::{CallId, UtteranceId};
use crate::speech::{Bias, Hypothesis, Transcript, VoiceActivity};

mod hearing;
mod rehearse;
#[cfg(test)]
mod tests;
mod thread;

pub use rehearse::{Rehearsal, Spent, rehearse};

/// Frames that a call's audio queue holds: 1 s of 20 ms.
pub const QUEUE_FRAMES: usize = 50;
/// New calls are refused for so long after a frame was dropped: the workers are late, and the calls in progress come first.
const SHED_MS: u64 = 1_000;
const CONTROL_QUEUE: usize = 32;
const OPEN_QUEUE: usize = 256;

/// How the workers run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolConfig {
    /// Threads; each loads the model once.
    pub workers: usize,
    /// Most calls of one worker.
    pub streams_per_worker: usize,
    /// How often a worker looks at its queues while it has calls.
    pub tick: Duration,
    /// When the recogniser is fed.
    pub feeding: Feeding,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { workers: 1, streams_per_worker: 256, tick: Duration::from_millis(10), feeding: Feeding::default() }
    }
}

/// When the recogniser hears the caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feeding {
    /// All the time.
    Always,
    /// Only around speech.
    Speech {
        /// Audio before the speech that is still fed, ms.
        pre_roll_ms: u32,
        /// Feeding goes on for so long after the last speech, ms.
        tail_ms: u32,
    },
}

impl Default for Feeding {
    fn default() -> Self {
        Self::Speech { pre_roll_ms: 300, tail_ms: 600 }
    }
}

/// Something the engine has to say to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineEvent {
    /// Whose audio it is about.
    pub call: CallId,
    /// What.
    pub kind: EventKind,
}

/// What a recogniser worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// Voice activity of the next stretch of audio; the stretches of a call follow each other without gap unless
    /// [`EventKind::Overloaded`] says so.
    Voice(VoiceActivity),
    /// A new guess; replaces the one before.
    Hypothesis(Hypothesis),
    /// The final text after [`AudioFeed::finish`]; follows also where nothing was heard (empty text).
    Transcript(Transcript),
    /// So many frames of 20 ms were dropped because the worker was late.
    Overloaded {
        /// Frames dropped since the last such event.
        frames: u32,
    },
    /// The recogniser process ended and is replaced: what was heard of the utterance in hand is lost, the feed goes on.
    Interrupted,
    /// This call is heard no more (worker failure). Last event of the feed; a new one may be opened.
    Lost,
}

/// Takes the events of one call. Called on the worker's thread; must not wait.
pub type EventSink = Box<dyn FnMut(EngineEvent) + Send>;

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// In the queue.
    Queued,
    /// In the queue; the oldest frame in it was dropped.
    DroppedOldest,
    /// As before, and the worker has not taken a frame for a second or more: take it for lost.
    Stalled,
    /// The feed has been given up (after [`EventKind::Lost`]); the frame went nowhere.
    Closed,
}

/// Totals since the start, for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Frames dropped because an audio queue was full.
    pub frames_dropped: AtomicU64,
    /// When the last frame was dropped, ms since the pool was started; 0 for never.
    pub last_drop_ms: AtomicU64,
    /// New calls refused because frames were being dropped.
    pub calls_shed: AtomicU64,
    /// Controls refused because a control queue was full.
    pub controls_refused: AtomicU64,
    /// Feeds that ended with [`EventKind::Lost`].
    pub streams_lost: AtomicU64,
    /// Recogniser processes that ended or fell silent and were replaced.
    pub restarts: AtomicU64,
    /// Feeds that lost the utterance in hand to that.
    pub interrupted: AtomicU64,
    /// Worker panics survived.
    pub worker_panics: AtomicU64,
    /// Time spent working over all workers, us.
    pub busy_us: AtomicU64,
}

/// What a call asks of its stream, in order with its frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control {
    Finish(UtteranceId),
    Restart(UtteranceId),
}

pub(crate) struct Shared {
    pub(crate) closed: AtomicBool,
}

/// The worker's ends of one call's queues.
pub(crate) struct Intake {
    pub(crate) call: CallId,
    pub(crate) bias: Arc<Bias>,
    pub(crate) frames: Receiver<(u64, WideFrame)>,
    pub(crate) controls: Receiver<(u64, Control)>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) sink: EventSink,
}

/// A call's way to its recogniser stream. Dropping it closes the stream.
pub struct AudioFeed {
    frames: Sender<(u64, WideFrame)>,
    oldest: Receiver<(u64, WideFrame)>,
    controls: Sender<(u64, Control)>,
    wake: Sender<()>,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
    epoch: Instant,
    next: u64,
    dropped_in_a_row: u32,
    dropped: u64,
}

impl AudioFeed {
    /// Gives 20 ms of the caller to the recogniser. Never waits.
    pub fn push(&mut self, frame: &WideFrame) -> Pushed {
        if self.shared.closed.load(Ordering::Acquire) {
            return Pushed::Closed;
        }
        let mut item = (self.next, frame.clone());
        self.next += 1;
        let mut dropped = false;
        loop {
            match self.frames.try_send(item) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => {
                    dropped |= self.oldest.try_recv().is_ok();
                    item = back;
                }
                Err(TrySendError::Disconnected(_)) => return Pushed::Closed,
            }
        }
        if !dropped {
            self.dropped_in_a_row = 0;
            return Pushed::Queued;
        }
        self.dropped += 1;
        self.dropped_in_a_row = self.dropped_in_a_row.saturating_add(1);
        self.counts.frames_dropped.fetch_add(1, Ordering::Relaxed);
        self.counts.last_drop_ms.store(millis_since(self.epoch), Ordering::Relaxed);
        if self.dropped_in_a_row as usize >= QUEUE_FRAMES { Pushed::Stalled } else { Pushed::DroppedOldest }
    }

    /// Asks for the transcript of what was pushed so far since the last `finish` or `restart`; hypotheses after it
    /// belong to `utterance.next()`. False where the request could not be queued.
    pub fn finish(&mut self, utterance: UtteranceId) -> bool {
        self.control(Control::Finish(utterance))
    }

    /// Forgets what was heard since the last `finish`; hypotheses from here on belong to `utterance`.
    pub fn restart(&mut self, utterance: UtteranceId) -> bool {
        self.control(Control::Restart(utterance))
    }

    /// Frames dropped in this call because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn control(&mut self, control: Control) -> bool {
        if self.shared.closed.load(Ordering::Acquire) {
            return false;
        }
        let queued = self.controls.try_send((self.next, control)).is_ok();
        if !queued {
            self.counts.controls_refused.fetch_add(1, Ordering::Relaxed);
        }
        // A wake-up that is already under way serves this control too.
        let _ = self.wake.try_send(());
        queued
    }
}

/// Makes the engines of one worker, on that worker's thread; called again after a panic.
pub trait EngineFactory: Send + Sync + 'static {
    /// Recogniser made.
    type Recogniser: Recogniser;
    /// Voice activity detector made.
    type Vad: Vad;
    /// Loads both.
    fn make(&self) -> Result<(Self::Recogniser, Self::Vad), RecogniserError>;
    /// What a second recogniser of theirs counts.
    fn second_pass_counts(&self) -> Arc<SecondPassCounts> {
        Arc::default()
    }
}

type Opened = Receiver<Intake>;
type Woken = Receiver<()>;
type Streams = Arc<AtomicUsize>;
type Alive = Arc<AtomicBool>;
type Ready = Sender<Result<(), RecogniserError>>;

struct WorkerEnd {
    opens: Sender<Intake>,
    wake: Sender<()>,
    streams: Arc<AtomicUsize>,
    alive: Arc<AtomicBool>,
    join: Option<std::thread::JoinHandle<()>>,
}

/// All recogniser workers.
pub struct RecogniserPool {
    config: PoolConfig,
    workers: Vec<WorkerEnd>,
    counts: Arc<Counts>,
    second_pass: Arc<SecondPassCounts>,
    stop: Arc<AtomicBool>,
    epoch: Instant,
}

/// Never 0, which is "never".
fn millis_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

impl RecogniserPool {
    /// Starts the workers and waits until each has loaded its model.
    pub fn start<F: EngineFactory>(config: PoolConfig, factory: F) -> Result<Self, RecogniserError> {
        let factory = Arc::new(factory);
        let mut pool = Self::empty(config, factory.second_pass_counts());
        let (counts, stop) = (pool.counts.clone(), pool.stop.clone());
        for _ in 0..config.workers.max(1) {
            let (factory, counts, stop) = (factory.clone(), counts.clone(), stop.clone());
            pool.add_worker(move |opened, woken, streams, alive, ready| {
                thread::Worker { config, factory, opened, woken, streams, alive, counts, stop }.run(&ready);
            })?;
        }
        Ok(pool)
    }

    /// Starts `processes` recogniser processes instead of threads of this one and waits until each has loaded its model.
    pub fn start_processes(
        config: PoolConfig,
        processes: usize,
        launcher: Arc<dyn Launch>,
    ) -> Result<Self, RecogniserError> {
        let mut pool = Self::empty(config, Arc::default());
        let (counts, second_pass, stop) = (pool.counts.clone(), pool.second_pass.clone(), pool.stop.clone());
        for _ in 0..processes.max(1) {
            let (launcher, counts, stop) = (launcher.clone(), counts.clone(), stop.clone());
            let second_pass = second_pass.clone();
            pool.add_worker(move |opened, woken, streams, alive, ready| {
                Bridge { config, launcher, opened, woken, streams, alive, counts, second_pass, stop }.run(&ready);
            })?;
        }
        Ok(pool)
    }

    fn empty(config: PoolConfig, second_pass: Arc<SecondPassCounts>) -> Self {
        let (counts, stop) = Default::default();
        Self { config, workers: Vec::new(), counts, second_pass, stop, epoch: Instant::now() }
    }

    fn add_worker(
        &mut self,
        run: impl FnOnce(Opened, Woken, Streams, Alive, Ready) + Send + 'static,
    ) -> Result<(), RecogniserError> {
        let (opens, opened) = bounded(OPEN_QUEUE);
        let (wake, woken) = bounded(1);
        let (ready, loaded) = bounded(1);
        let (streams, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
        let theirs = (streams.clone(), alive.clone());
        let join = std::thread::Builder::new()
            .name(format!("recogniser-{}", self.workers.len()))
            .spawn(move || run(opened, woken, theirs.0, theirs.1, ready))
            .map_err(|error| RecogniserError::Thread(error.to_string()))?;
        self.workers.push(WorkerEnd { opens, wake, streams, alive, join: Some(join) });
        loaded.recv().map_err(|_| RecogniserError::Thread("it ended while loading".to_owned()))?
    }

    /// A stream for this call on the worker with the fewest, leaning towards `bias`. Events come to `sink` until the feed is
    /// dropped.
    pub fn open(&self, call: CallId, bias: Arc<Bias>, sink: EventSink) -> Result<AudioFeed, RecogniserError> {
        let limit = self.config.streams_per_worker;
        let last = self.counts.last_drop_ms.load(Ordering::Relaxed);
        if last > 0 && millis_since(self.epoch).saturating_sub(last) < SHED_MS {
            self.counts.calls_shed.fetch_add(1, Ordering::Relaxed);
            return Err(RecogniserError::Overloaded);
        }
        let free = |w: &&WorkerEnd| w.alive.load(Ordering::Acquire) && w.streams.load(Ordering::Acquire) < limit;
        let full = || RecogniserError::Full { streams: self.streams(), limit };
        let worker = self.workers.iter().filter(free).min_by_key(|w| w.streams.load(Ordering::Acquire));
        let worker = worker.ok_or_else(full)?;
        let (frames, taken) = bounded(QUEUE_FRAMES);
        let (controls, asked) = bounded(CONTROL_QUEUE);
        let shared = Arc::new(Shared { closed: AtomicBool::new(false) });
        let oldest = taken.clone();
        let intake = Intake { call, bias, frames: taken, controls: asked, shared: shared.clone(), sink };
        worker.streams.fetch_add(1, Ordering::AcqRel);
        if worker.opens.try_send(intake).is_err() {
            worker.streams.fetch_sub(1, Ordering::AcqRel);
            return Err(full());
        }
        let _ = worker.wake.try_send(());
        let (wake, counts) = (worker.wake.clone(), self.counts.clone());
        let epoch = self.epoch;
        Ok(AudioFeed {
            frames,
            oldest,
            controls,
            wake,
            shared,
            counts,
            epoch,
            next: 0,
            dropped_in_a_row: 0,
            dropped: 0,
        })
    }

    /// Streams open now.
    pub fn streams(&self) -> usize {
        self.workers.iter().map(|w| w.streams.load(Ordering::Acquire)).sum()
    }

    /// True while at least one worker takes calls.
    pub fn is_alive(&self) -> bool {
        self.workers.iter().any(|w| w.alive.load(Ordering::Acquire))
    }

    /// Totals for metrics.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Totals of the second recogniser, where there is one.
    pub fn second_pass_counts(&self) -> &Arc<SecondPassCounts> {
        &self.second_pass
    }

    /// Ends all workers; their streams get [`EventKind::Lost`]. Waits for the threads.
    pub fn shut_down(mut self) {
        self.stop.store(true, Ordering::Release);
        for worker in &mut self.workers {
            let _ = worker.wake.try_send(());
            if let Some(join) = worker.join.take() {
                // A worker catches its own panics; one that got away has nothing left to tell.
                let _ = join.join();
            }
        }
    }
}
