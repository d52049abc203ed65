//! What the engines have counted since the start, in one place: for the log line of [`tell`] and for any face that shows figures.
//! What a recogniser process counts comes to the gateway as what was added since its last report, so that a replaced process
//! loses a second of it and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::recogniser::second_pass::SecondPassCounts;
use super::synthesiser::SynthesiserPool;
use super::synthesiser::pool::SpeakCounts;
use super::worker::{Counts, RecogniserPool};

/// Of the recogniser workers; see [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hearing {
    /// Frames dropped because an audio queue was full.
    pub frames_dropped: u64,
    /// New calls refused because frames were being dropped.
    pub calls_shed: u64,
    /// Controls refused because a control queue was full.
    pub controls_refused: u64,
    /// Feeds that were lost.
    pub streams_lost: u64,
    /// Recogniser processes replaced.
    pub restarts: u64,
    /// Feeds that lost the utterance in hand to that.
    pub interrupted: u64,
    /// Worker panics survived.
    pub worker_panics: u64,
    /// Time spent working, us.
    pub busy_us: u64,
}

/// Of the second recogniser; see [`SecondPassCounts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecondPass {
    /// Utterances worked on.
    pub heard: u64,
    /// Refused: the queue was full, or too long to be done in time.
    pub refused: u64,
    /// Nobody waited for them when their turn came.
    pub void: u64,
    /// Came too late.
    pub late: u64,
    /// Lost to a panic.
    pub failed: u64,
    /// No word heard where the first recogniser heard some.
    pub wordless: u64,
}

/// Of the synthesiser; see [`SpeakCounts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Speaking {
    /// Requests refused because the queue was full.
    pub refused: u64,
    /// Answered from memory or recordings.
    pub remembered: u64,
    /// Spoken by an engine.
    pub spoken: u64,
    /// Failed.
    pub failed: u64,
}

/// All of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Recogniser workers.
    pub hearing: Hearing,
    /// Second recogniser.
    pub second_pass: SecondPass,
    /// Synthesiser.
    pub speaking: Speaking,
}

/// What a recogniser process reports: numbers added since its last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Frames that its own queues dropped.
    pub frames_dropped: u64,
    /// Worker panics survived.
    pub worker_panics: u64,
    /// Time spent working, us.
    pub busy_us: u64,
    /// Second recogniser.
    pub second_pass: SecondPass,
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Hearing {
    fn of(counts: &Counts) -> Self {
        Self {
            frames_dropped: read(&counts.frames_dropped),
            calls_shed: read(&counts.calls_shed),
            controls_refused: read(&counts.controls_refused),
            streams_lost: read(&counts.streams_lost),
            restarts: read(&counts.restarts),
            interrupted: read(&counts.interrupted),
            worker_panics: read(&counts.worker_panics),
            busy_us: read(&counts.busy_us),
        }
    }
}

impl SecondPass {
    fn of(counts: &SecondPassCounts) -> Self {
        Self {
            heard: read(&counts.heard),
            refused: read(&counts.refused),
            void: read(&counts.void),
            late: read(&counts.late),
            failed: read(&counts.failed),
            wordless: read(&counts.wordless),
        }
    }

    /// As numbers in the order of the fields, for the wire.
    pub(super) fn numbers(self) -> [u64; 6] {
        [self.heard, self.refused, self.void, self.late, self.failed, self.wordless]
    }

    /// Back from the wire.
    pub(super) fn of_numbers([heard, refused, void, late, failed, wordless]: [u64; 6]) -> Self {
        Self { heard, refused, void, late, failed, wordless }
    }

    fn since(self, before: Self) -> Self {
        let (now, before) = (self.numbers(), before.numbers());
        Self::of_numbers(std::array::from_fn(|n| now[n].saturating_sub(before[n])))
    }
}

impl Speaking {
    fn of(counts: &SpeakCounts) -> Self {
        Self {
            refused: read(&counts.refused),
            remembered: read(&counts.remembered),
            spoken: read(&counts.spoken),
            failed: read(&counts.failed),
        }
    }
}

impl Added {
    /// All that a pool has counted: what was added since nothing.
    pub(super) fn of(counts: &Counts, second_pass: &SecondPassCounts) -> Self {
        Self {
            frames_dropped: read(&counts.frames_dropped),
            worker_panics: read(&counts.worker_panics),
            busy_us: read(&counts.busy_us),
            second_pass: SecondPass::of(second_pass),
        }
    }

    /// What this has more than it had.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            frames_dropped: self.frames_dropped.saturating_sub(before.frames_dropped),
            worker_panics: self.worker_panics.saturating_sub(before.worker_panics),
            busy_us: self.busy_us.saturating_sub(before.busy_us),
            second_pass: self.second_pass.since(before.second_pass),
        }
    }

    /// Adds it to a pool's own counts.
    pub(super) fn add_to(self, counts: &Counts, second_pass: &SecondPassCounts) {
        add(&counts.frames_dropped, self.frames_dropped);
        add(&counts.worker_panics, self.worker_panics);
        add(&counts.busy_us, self.busy_us);
        let all = [
            &second_pass.heard,
            &second_pass.refused,
            &second_pass.void,
            &second_pass.late,
            &second_pass.failed,
            &second_pass.wordless,
        ];
        all.into_iter().zip(self.second_pass.numbers()).for_each(|(count, more)| add(count, more));
    }
}

/// A way to the counts that outlives the pools and keeps none of them alive.
#[derive(Clone)]
pub struct EngineCounts {
    hearing: Arc<Counts>,
    second_pass: Arc<SecondPassCounts>,
    speaking: Arc<SpeakCounts>,
}

impl EngineCounts {
    /// Of these engines.
    pub fn of(recognisers: &RecogniserPool, synthesiser: &SynthesiserPool) -> Self {
        Self {
            hearing: recognisers.counts().clone(),
            second_pass: recognisers.second_pass_counts().clone(),
            speaking: synthesiser.counts().clone(),
        }
    }

    /// What they have counted by now.
    pub fn totals(&self) -> Totals {
        Totals {
            hearing: Hearing::of(&self.hearing),
            second_pass: SecondPass::of(&self.second_pass),
            speaking: Speaking::of(&self.speaking),
        }
    }
}

/// Writes the totals to the log where they are not the same as `before`; returns them.
pub fn tell(counts: &EngineCounts, before: &Totals) -> Totals {
    let totals = counts.totals();
    if totals != *before {
        let Totals { hearing, second_pass, speaking } = totals;
        tracing::info!(?hearing, ?second_pass, ?speaking, "engine totals since the start");
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_adds_is_counted_once_and_outlives_it() {
        let (counts, second_pass) = (Counts::default(), SecondPassCounts::default());
        let child = (Counts::default(), SecondPassCounts::default());
        let mut told = Added::default();
        for _ in 0..2 {
            add(&child.0.worker_panics, 1);
            add(&child.1.heard, 3);
            add(&child.1.wordless, 2);
            let all = Added::of(&child.0, &child.1);
            all.since(told).add_to(&counts, &second_pass);
            told = all;
        }
        // Nothing new, then a process of its own that begins at nothing.
        Added::of(&child.0, &child.1).since(told).add_to(&counts, &second_pass);
        let next = SecondPassCounts::default();
        add(&next.heard, 1);
        Added::of(&Counts::default(), &next).since(Added::default()).add_to(&counts, &second_pass);
        assert_eq!(Hearing::of(&counts), Hearing { worker_panics: 2, ..Hearing::default() });
        assert_eq!(SecondPass::of(&second_pass), SecondPass { heard: 7, wordless: 4, ..SecondPass::default() });
    }
}
