//! One worker thread: loads its engines, serves its calls in batches, and after a panic tells its calls that they are
//! lost and begins anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};

use super::hearing::Hearing;
use super::{Counts, EngineFactory, Intake, PoolConfig};
use crate::engine::recogniser::{Recogniser, RecogniserError};
use crate::engine::vad::Vad;

/// Panics in a row, without a tick between them, after which a worker gives up.
const PANICS_IN_A_ROW: u32 = 3;

pub(super) struct Worker<F> {
    pub(super) config: PoolConfig,
    pub(super) factory: Arc<F>,
    pub(super) opened: Receiver<Intake>,
    pub(super) woken: Receiver<()>,
    pub(super) streams: Arc<AtomicUsize>,
    pub(super) alive: Arc<AtomicBool>,
    pub(super) counts: Arc<Counts>,
    pub(super) stop: Arc<AtomicBool>,
}

impl<F: EngineFactory> Worker<F> {
    /// Loads, says so on `ready`, and serves until the pool is shut down or the engine cannot be had any more.
    pub(super) fn run(self, ready: &Sender<Result<(), RecogniserError>>) {
        let mut engines = match self.factory.make() {
            Ok(engines) => engines,
            Err(error) => {
                self.alive.store(false, Ordering::Release);
                // The pool waits for exactly one answer.
                let _ = ready.send(Err(error));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        let mut panics = 0;
        while !self.stop.load(Ordering::Acquire) {
            let mut hearings = Vec::new();
            let served = catch_unwind(AssertUnwindSafe(|| self.serve(&mut engines, &mut hearings, &mut panics)));
            self.lose_all(hearings);
            if served.is_ok() {
                break;
            }
            panics += 1;
            self.counts.worker_panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(panics, "a recogniser worker panicked; its calls are told and it starts anew");
            if panics >= PANICS_IN_A_ROW {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| self.factory.make())) {
                Ok(Ok(anew)) => engines = anew,
                Ok(Err(error)) => {
                    tracing::error!(%error, "a recogniser worker could not start anew");
                    break;
                }
                Err(_) => break,
            }
        }
        self.alive.store(false, Ordering::Release);
        while let Ok(mut intake) = self.opened.try_recv() {
            self.streams.fetch_sub(1, Ordering::AcqRel);
            intake.lose();
        }
    }

    fn lose_all<R: Recogniser, V: Vad>(&self, hearings: Vec<Hearing<R, V>>) {
        for hearing in hearings {
            self.counts.streams_lost.fetch_add(1, Ordering::Relaxed);
            self.streams.fetch_sub(1, Ordering::AcqRel);
            hearing.lose();
        }
    }

    fn serve<R: Recogniser, V: Vad>(&self, engines: &mut (R, V), hearings: &mut Vec<Hearing<R, V>>, panics: &mut u32) {
        let mut next_tick = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            if hearings.is_empty() {
                select! {
                    recv(self.opened) -> intake => match intake {
                        Ok(intake) => self.admit(intake, engines, hearings),
                        Err(_) => return,
                    },
                    recv(self.woken) -> _ => {}
                }
                next_tick = Instant::now();
            } else {
                // Woken or not, the queues are looked at.
                let _ = self.woken.recv_deadline(next_tick);
            }
            while let Ok(intake) = self.opened.try_recv() {
                self.admit(intake, engines, hearings);
            }
            let began = Instant::now();
            self.tick(engines, hearings);
            *panics = 0;
            let busy = began.elapsed();
            self.counts.busy_us.fetch_add(u64::try_from(busy.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            next_tick = (next_tick + self.config.tick).max(began + Duration::from_millis(1));
        }
    }

    fn admit<R: Recogniser, V: Vad>(
        &self,
        mut intake: Intake,
        engines: &mut (R, V),
        hearings: &mut Vec<Hearing<R, V>>,
    ) {
        match engines.0.open(&intake.bias) {
            Ok(stream) => hearings.push(Hearing::new(intake, stream, engines.1.open(), self.config.feeding)),
            Err(error) => {
                tracing::error!(%error, call = %intake.call, "no recogniser stream");
                self.streams.fetch_sub(1, Ordering::AcqRel);
                intake.lose();
            }
        }
    }

    /// One round over all calls; again while a call asked for something and may have asked for more.
    fn tick<R: Recogniser, V: Vad>(&self, engines: &mut (R, V), hearings: &mut Vec<Hearing<R, V>>) {
        loop {
            let (mut failed, mut again) = (None, false);
            for (at, hearing) in hearings.iter_mut().enumerate() {
                if let Err(error) = hearing.absorb(&mut engines.1) {
                    failed = Some((at, error));
                    break;
                }
                // A transcript that is asked for does not wait for the guesses of others.
                again |= hearing.is_asked() && hearing.answer();
            }
            if let Some((at, error)) = failed {
                tracing::error!(%error, "voice activity failed; the call is told");
                self.lose_all(vec![hearings.swap_remove(at)]);
                continue;
            }
            let mut fed: Vec<&mut R::Stream> = hearings.iter_mut().filter(|h| h.fed).map(Hearing::stream).collect();
            engines.0.decode(&mut fed);
            for hearing in hearings.iter_mut().filter(|h| h.fed) {
                hearing.fed = false;
                hearing.answer();
            }
            let before = hearings.len();
            hearings.retain(|h| !h.gone);
            self.streams.fetch_sub(before - hearings.len(), Ordering::AcqRel);
            if !again {
                return;
            }
        }
    }
}
