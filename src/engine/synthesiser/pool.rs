//! Threads that speak for all calls. Queue: `synthesiser`, one for all, newest refused when full (the call then speaks
//! its recorded fall-back or says so), counted in [`SpeakCounts::refused`]. Sinks are called on the pool's threads and
//! must not wait.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::cache::{Cache, Key};
use super::recorded::Recordings;
use super::{Cancel, SpeakEvent, SpeakEventKind, SpeakRequest, Synthesiser, SynthesiserError, Words};
use crate::speech::Language;

/// Takes the events of one act of speaking.
pub type SpeakSink = Box<dyn FnMut(SpeakEvent) + Send>;

/// How the threads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeakConfig {
    /// Threads, and so the most synthesiser processes at once.
    pub workers: usize,
    /// Requests that may wait.
    pub queue: usize,
}

impl Default for SpeakConfig {
    fn default() -> Self {
        Self { workers: 2, queue: 256 }
    }
}

/// Totals since the start, for metrics.
#[derive(Debug, Default)]
pub struct SpeakCounts {
    /// Requests refused because the queue was full.
    pub refused: AtomicU64,
    /// Requests answered from memory or recordings.
    pub remembered: AtomicU64,
    /// Requests that an engine spoke.
    pub spoken: AtomicU64,
    /// Requests that failed.
    pub failed: AtomicU64,
}

/// The way to stop one act of speaking.
#[derive(Clone, Debug)]
pub struct SpeakHandle {
    cancel: Cancel,
}

impl SpeakHandle {
    /// No more is needed. Pieces already under way may still come; `Done` will not.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many prompts are waiting to be spoken")]
pub struct SpeakRefused;

struct Job {
    request: SpeakRequest,
    sink: SpeakSink,
    cancel: Cancel,
}

struct Voices {
    engine: Arc<dyn Synthesiser>,
    recordings: Recordings,
    cache: Arc<Cache>,
    counts: Arc<SpeakCounts>,
}

/// All synthesiser threads.
pub struct SynthesiserPool {
    jobs: Sender<Job>,
    voices: Arc<Voices>,
    joins: Vec<std::thread::JoinHandle<()>>,
}

impl SynthesiserPool {
    /// Starts the threads.
    pub fn start(
        config: SpeakConfig,
        engine: Arc<dyn Synthesiser>,
        recordings: Recordings,
        cache: Arc<Cache>,
    ) -> Result<Self, SynthesiserError> {
        let (jobs, taken) = bounded::<Job>(config.queue.max(1));
        let voices = Arc::new(Voices { engine, recordings, cache, counts: Arc::default() });
        let mut joins = Vec::with_capacity(config.workers);
        for number in 0..config.workers.max(1) {
            let (voices, taken) = (voices.clone(), taken.clone());
            let thread = std::thread::Builder::new().name(format!("synthesiser-{number}"));
            let started = thread.spawn(move || voices.serve(&taken));
            joins.push(started.map_err(|error| SynthesiserError::Thread(error.to_string()))?);
        }
        Ok(Self { jobs, voices, joins })
    }

    /// Speaks for a call. Pieces come to `sink`, then `Done` or `Failed`. Never waits.
    pub fn speak(&self, request: SpeakRequest, sink: SpeakSink) -> Result<SpeakHandle, SpeakRefused> {
        let cancel = Cancel::default();
        let job = Job { request, sink, cancel: cancel.clone() };
        if self.jobs.try_send(job).is_err() {
            self.voices.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(SpeakRefused);
        }
        Ok(SpeakHandle { cancel })
    }

    /// Speaks fixed prompts beforehand, on this thread, into the memory and its folder. `progress` gets how many of how
    /// many are done. Prompts that a recording covers need not be given.
    pub fn prepare(
        &self,
        prompts: &[(String, Language)],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), SynthesiserError> {
        for (done, (text, language)) in prompts.iter().enumerate() {
            progress(done, prompts.len());
            let key = Key::new(&self.voices.engine.fingerprint(*language), text);
            if self.voices.cache.get(key).is_some() {
                continue;
            }
            let mut all = Vec::new();
            let mut sink = |piece: Arc<[i16]>| {
                all.extend_from_slice(&piece);
                ControlFlow::Continue(())
            };
            self.voices.engine.speak(Words { text, language: *language }, &Cancel::default(), &mut sink)?;
            if let Err(error) = self.voices.cache.put_for_good(key, all.into()) {
                tracing::warn!(%error, "a prompt could not be kept in the prompt folder");
            }
        }
        progress(prompts.len(), prompts.len());
        Ok(())
    }

    /// Recordings that are played instead of synthesis.
    pub fn recordings(&self) -> &Recordings {
        &self.voices.recordings
    }

    /// Totals for metrics.
    pub fn counts(&self) -> &Arc<SpeakCounts> {
        &self.voices.counts
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Speaks what waits, then ends the threads.
    pub fn shut_down(self) {
        drop(self.jobs);
        for join in self.joins {
            // The threads catch panics of their jobs; one that got away has nothing left to tell.
            let _ = join.join();
        }
    }
}

impl Voices {
    fn serve(&self, jobs: &Receiver<Job>) {
        for mut job in jobs {
            if job.cancel.is_cancelled() {
                continue;
            }
            let spoken = catch_unwind(AssertUnwindSafe(|| self.speak(&mut job)));
            let end = match spoken {
                Ok(Ok(())) => SpeakEventKind::Done,
                Ok(Err(error)) => SpeakEventKind::Failed(error.to_string()),
                Err(_) => SpeakEventKind::Failed("the synthesiser panicked".to_owned()),
            };
            if job.cancel.is_cancelled() {
                continue;
            }
            if let SpeakEventKind::Failed(why) = &end {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(call = %job.request.call, why, "a prompt could not be spoken");
            }
            // A sink that panics loses its own event and no one else's.
            let _ = catch_unwind(AssertUnwindSafe(|| job.tell(end)));
        }
    }

    fn speak(&self, job: &mut Job) -> Result<(), SynthesiserError> {
        let language = job.request.language;
        let recorded = job.request.recording.as_deref().and_then(|name| self.recordings.get(name, language));
        let key = Key::new(&self.engine.fingerprint(language), job.request.text.reveal());
        if let Some(samples) = recorded.or_else(|| self.cache.get(key)) {
            self.counts.remembered.fetch_add(1, Ordering::Relaxed);
            job.tell(SpeakEventKind::Piece(samples));
            return Ok(());
        }
        self.counts.spoken.fetch_add(1, Ordering::Relaxed);
        let (text, cancel) = (job.request.text.clone(), job.cancel.clone());
        let mut all = Vec::new();
        let mut sink = |piece: Arc<[i16]>| {
            all.extend_from_slice(&piece);
            job.tell(SpeakEventKind::Piece(piece));
            ControlFlow::Continue(())
        };
        self.engine.speak(Words { text: text.reveal(), language }, &cancel, &mut sink)?;
        if !cancel.is_cancelled() {
            self.cache.put(key, all.into());
        }
        Ok(())
    }
}

impl Job {
    fn tell(&mut self, kind: SpeakEventKind) {
        (self.sink)(SpeakEvent { call: self.request.call, speak: self.request.speak, kind });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::engine::synthesiser::cache::CacheConfig;
    use crate::ids::{CallId, SpeakId};

    /// Speaks every text as two pieces; "hang" waits for `gate`, "panic" panics, "fail" fails.
    #[derive(Default)]
    struct Fake {
        spoken: AtomicU64,
        gate: Arc<Mutex<()>>,
    }

    impl Synthesiser for Fake {
        fn fingerprint(&self, language: Language) -> String {
            format!("fake {language}")
        }
        fn speak(
            &self,
            words: Words<'_>,
            _: &Cancel,
            sink: &mut super::super::PieceSink<'_>,
        ) -> Result<(), SynthesiserError> {
            self.spoken.fetch_add(1, Ordering::SeqCst);
            assert_ne!(words.text, "panic");
            if words.text == "hang" {
                drop(self.gate.lock().unwrap());
            }
            if words.text == "fail" {
                return Err(SynthesiserError::TooLong { characters: 9, limit: 1 });
            }
            let length = words.text.len();
            let _ = sink(vec![1; length].into());
            let _ = sink(vec![2; length].into());
            Ok(())
        }
    }

    struct Room {
        pool: SynthesiserPool,
        engine: Arc<Fake>,
        heard: Receiver<SpeakEventKind>,
        ear: Sender<SpeakEventKind>,
    }

    fn room(queue: usize) -> Room {
        let engine = Arc::new(Fake::default());
        let cache = Arc::new(Cache::new(CacheConfig::default()));
        let config = SpeakConfig { workers: 1, queue };
        let pool = SynthesiserPool::start(config, engine.clone(), Recordings::default(), cache).unwrap();
        let (ear, heard) = bounded(100);
        Room { pool, engine, heard, ear }
    }

    impl Room {
        fn speak(&self, text: &str) -> Result<SpeakHandle, SpeakRefused> {
            let call = CallId(ulid::Ulid(1));
            let (text, language, recording) = (text.into(), Language::English, None);
            let request = SpeakRequest { call, speak: SpeakId(4), text, language, recording };
            let ear = self.ear.clone();
            let sink = move |event: SpeakEvent| {
                assert_eq!((event.call, event.speak), (call, SpeakId(4)));
                ear.send(event.kind).unwrap();
            };
            self.pool.speak(request, Box::new(sink))
        }
        fn next(&self) -> SpeakEventKind {
            self.heard.recv_timeout(Duration::from_secs(10)).expect("an event in time")
        }
    }

    fn piece(samples: &[i16]) -> SpeakEventKind {
        SpeakEventKind::Piece(samples.into())
    }

    #[test]
    fn speaks_piece_by_piece_and_the_second_time_from_memory() {
        let room = room(8);
        room.speak("abc").unwrap();
        assert_eq!([room.next(), room.next(), room.next()], [piece(&[1; 3]), piece(&[2; 3]), SpeakEventKind::Done]);
        room.speak("abc").unwrap();
        assert_eq!([room.next(), room.next()], [piece(&[1, 1, 1, 2, 2, 2]), SpeakEventKind::Done]);
        assert_eq!(room.engine.spoken.load(Ordering::SeqCst), 1);
        assert_eq!(room.pool.counts().remembered.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn failures_and_panics_are_told_and_the_thread_goes_on() {
        let room = room(8);
        room.speak("fail").unwrap();
        assert_eq!(room.next(), SpeakEventKind::Failed("the text has 9 characters; a prompt may have 1".to_owned()));
        room.speak("panic").unwrap();
        assert_eq!(room.next(), SpeakEventKind::Failed("the synthesiser panicked".to_owned()));
        room.speak("x").unwrap();
        assert_eq!(room.next(), piece(&[1]));
        assert_eq!(room.pool.counts().failed.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_full_queue_refuses_and_what_was_cancelled_is_not_spoken() {
        let room = room(1);
        let held = room.engine.gate.lock().unwrap();
        room.speak("hang").unwrap();
        // Taken from the queue before the next one is put into it.
        while room.pool.waiting() > 0 {
            std::thread::yield_now();
        }
        let waiting = room.speak("never").unwrap();
        assert_eq!(room.speak("x").unwrap_err(), SpeakRefused);
        waiting.cancel();
        drop(held);
        assert_eq!([room.next(), room.next(), room.next()], [piece(&[1; 4]), piece(&[2; 4]), SpeakEventKind::Done]);
        let engine = room.engine.clone();
        room.pool.shut_down();
        assert_eq!((engine.spoken.load(Ordering::SeqCst), room.heard.try_recv().is_err()), (1, true));
    }

    #[test]
    fn fixed_prompts_are_spoken_beforehand_once() {
        let room = room(1);
        let prompts = [("welcome".to_owned(), Language::English), ("welcome".to_owned(), Language::Cantonese)];
        let mut seen = Vec::new();
        room.pool.prepare(&prompts, &mut |done, all| seen.push((done, all))).unwrap();
        room.pool.prepare(&prompts, &mut |_, _| {}).unwrap();
        assert_eq!(seen, [(0, 2), (1, 2), (2, 2)]);
        assert_eq!(room.engine.spoken.load(Ordering::SeqCst), 2);
        room.speak("welcome").unwrap();
        assert_eq!(room.next(), piece(&[1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2]));
    }
}
