//! Received audio laid out by its RTP timestamps: a ring of the last second of samples and which of them are known. Packets
//! of any length, reordered, doubled or overlapping come to the same picture, so the packet time of the other side
//! (10, 20, 30, 60 ms) matters to no reader. Two read it, each with a cursor of its own: [`super::jitter`] for ears,
//! [`super::arrival`] for the recogniser.
//!
//! Not here: when to read, and what to play where nothing is known.

use crate::wire::rtp::Timestamp;

/// Samples kept: 1.024 s at 8 kHz. A power of two.
pub const CAPACITY: usize = 8192;

/// Where the first packet is placed, far from zero so that earlier packets have a place too.
const START: i64 = 1 << 40;

/// Position of a sample: its RTP timestamp, unwrapped. Only differences mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(i64);

impl Position {
    /// The position `samples` later.
    #[must_use]
    pub fn after(self, samples: i64) -> Self {
        Self(self.0.saturating_add(samples))
    }

    /// Samples from `earlier` to here.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What became of samples that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// They are new, or some of them.
    Stored,
    /// All were known already.
    Known,
    /// Older than the ring reaches.
    TooOld,
}

/// The ring.
pub struct Timeline {
    samples: Box<[i16]>,
    known: Box<[bool]>,
    /// One past the newest position, and the timestamp that belongs to it.
    end: Position,
    end_timestamp: Option<Timestamp>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeline {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            samples: vec![0; CAPACITY].into_boxed_slice(),
            known: vec![false; CAPACITY].into_boxed_slice(),
            end: Position(START),
            end_timestamp: None,
        }
    }

    /// Forgets everything: the next timestamp may be any.
    pub fn clear(&mut self) {
        self.known.fill(false);
        self.end = self.end.after(CAPACITY as i64);
        self.end_timestamp = None;
    }

    /// One past the newest known sample.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Where a packet with this timestamp belongs.
    pub fn place(&self, timestamp: Timestamp) -> Position {
        match self.end_timestamp {
            None => self.end,
            Some(end) => self.end.after(i64::from(timestamp.since(end))),
        }
    }

    /// Writes the samples of a packet; what was known before stays as it is.
    pub fn write(&mut self, timestamp: Timestamp, samples: &[i16]) -> Written {
        let at = self.place(timestamp);
        let Some(at) = self.make_room(timestamp, at, samples.len()) else { return Written::TooOld };
        let mut written = Written::Known;
        let mut from = 0;
        for (start, length) in segments(at, samples.len()) {
            let part = &samples[from..from + length];
            let known = &mut self.known[start..start + length];
            let stored = &mut self.samples[start..start + length];
            if !known.iter().fold(false, |any, &known| any | known) {
                stored.copy_from_slice(part);
                known.fill(true);
                written = Written::Stored;
            } else {
                for ((known, stored), &sample) in known.iter_mut().zip(stored).zip(part) {
                    if !*known {
                        (*stored, *known) = (sample, true);
                        written = Written::Stored;
                    }
                }
            }
            from += length;
        }
        written
    }

    /// Silence for `length` samples where nothing is known: the time of a key press, in which no audio is sent.
    pub fn write_silence(&mut self, timestamp: Timestamp, length: usize) {
        const SILENCE: [i16; 160] = [0; 160];
        let (mut at, mut left) = (timestamp, length.min(CAPACITY / 2));
        while left > 0 {
            let part = left.min(SILENCE.len());
            self.write(at, &SILENCE[..part]);
            at = at.add(part as u32);
            left -= part;
        }
    }

    /// Makes the ring reach to `at + length`; `None` when that is too old or too long for it.
    fn make_room(&mut self, timestamp: Timestamp, at: Position, length: usize) -> Option<Position> {
        if length > CAPACITY / 2 || self.end.since(at) > CAPACITY as i64 {
            return None;
        }
        let new_end = at.after(length as i64);
        let growth = new_end.since(self.end);
        if growth > 0 || self.end_timestamp.is_none() {
            for (start, length) in segments(self.end, growth.clamp(0, CAPACITY as i64) as usize) {
                self.known[start..start + length].fill(false);
            }
            if growth > CAPACITY as i64 {
                self.known.fill(false);
            }
            self.end = new_end;
            self.end_timestamp = Some(timestamp.add(length as u32));
        }
        Some(at)
    }

    fn holds(&self, at: Position) -> bool {
        let age = self.end.since(at);
        age > 0 && age <= CAPACITY as i64
    }

    /// How many samples from `at` on are known without a hole, at most `limit`.
    pub fn known_run(&self, at: Position, limit: usize) -> usize {
        self.run(at, limit, true)
    }

    /// How long the hole at `at` is, at most `limit` and never beyond the end.
    pub fn hole(&self, at: Position, limit: usize) -> usize {
        let age = self.end.since(at);
        if age <= 0 {
            return 0;
        }
        let forgotten = (age - CAPACITY as i64).max(0);
        if forgotten >= limit as i64 {
            return limit;
        }
        forgotten as usize + self.run(at.after(forgotten), limit - forgotten as usize, false)
    }

    fn run(&self, at: Position, limit: usize, wanted: bool) -> usize {
        if !self.holds(at) {
            return 0;
        }
        let limit = limit.min(self.end.since(at) as usize);
        let mut run = 0;
        for (start, length) in segments(at, limit) {
            let part = &self.known[start..start + length];
            // Most often all are known, and this is checked by vector instructions.
            if part.iter().fold(true, |all, &known| all & (known == wanted)) {
                run += length;
                continue;
            }
            match part.iter().position(|&known| known != wanted) {
                Some(stop) => return run + stop,
                None => run += length,
            }
        }
        run
    }

    /// Copies samples, known or not; call it for a known run.
    pub fn read(&self, at: Position, out: &mut [i16]) {
        let mut from = 0;
        for (start, length) in segments(at, out.len().min(CAPACITY)) {
            out[from..from + length].copy_from_slice(&self.samples[start..start + length]);
            from += length;
        }
    }
}

/// The one or two pieces of the ring that a stretch of positions lies in: index and length.
fn segments(at: Position, length: usize) -> impl Iterator<Item = (usize, usize)> {
    let start = at.0.rem_euclid(CAPACITY as i64) as usize;
    let first = length.min(CAPACITY - start);
    [(start, first), (0, length - first)].into_iter().filter(|&(_, length)| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(from: u32, length: u32) -> Vec<i16> {
        (from..from + length).map(|n| (n % 30_000) as i16).collect()
    }

    /// Reads `length` samples at `timestamp` and checks that they are those written by [`samples`].
    fn check(line: &Timeline, origin: Timestamp, from: u32, length: u32) {
        let at = line.place(origin.add(from));
        assert_eq!(line.known_run(at, length as usize), length as usize);
        let mut out = vec![0; length as usize];
        line.read(at, &mut out);
        assert_eq!(out, samples(from, length));
    }

    #[test]
    fn packets_of_any_length_and_order_make_one_line() {
        // Packet lengths of 10, 20, 30 and 60 ms, each over the wrap of the timestamp and of the ring.
        for length in [80u32, 160, 240, 480] {
            let origin = Timestamp(u32::MAX - 1000);
            let mut line = Timeline::new();
            let packets = 20_000 / length / 2 * 2;
            for pair in 0..packets / 2 {
                let first = pair * 2 * length;
                assert_eq!(line.write(origin.add(first + length), &samples(first + length, length)), Written::Stored);
                assert_eq!(line.write(origin.add(first), &samples(first, length)), Written::Stored);
                assert_eq!(line.write(origin.add(first), &samples(first, length)), Written::Known);
            }
            let total = packets * length;
            check(&line, origin, total - 8000, 8000);
        }
    }

    #[test]
    fn holes_are_seen_and_filled() {
        let mut line = Timeline::new();
        let origin = Timestamp(5000);
        line.write(origin, &samples(0, 160));
        line.write(origin.add(480), &samples(480, 160));
        let start = line.place(origin);
        assert_eq!(line.known_run(start, 1000), 160);
        assert_eq!(line.hole(start.after(160), 1000), 320);
        assert_eq!(line.hole(start.after(160), 100), 100);
        line.write(origin.add(160), &samples(160, 320));
        check(&line, origin, 0, 640);
        assert_eq!(line.known_run(start, 1000), 640);
        assert_eq!(line.hole(line.end(), 100), 0);
    }

    #[test]
    fn old_laps_of_the_ring_are_not_read() {
        let mut line = Timeline::new();
        let origin = Timestamp(0);
        line.write(origin, &samples(0, 160));
        let first = line.place(origin);
        line.write(origin.add(8192), &samples(8192, 160));
        assert_eq!(line.known_run(first, 160), 0, "that place is the newest packet's now");
        assert_eq!(line.hole(first, 10_000), 8192);
        assert_eq!(line.write(origin, &samples(0, 160)), Written::TooOld);
        line.write(origin.add(100_000), &samples(1, 160));
        assert_eq!(line.hole(first, 200_000), 100_000);
        assert_eq!(line.known_run(line.end().after(-160), 500), 160);
    }

    #[test]
    fn after_clear_any_timestamp_is_next() {
        let mut line = Timeline::new();
        line.write(Timestamp(1_000_000), &samples(0, 160));
        line.clear();
        assert_eq!(line.write(Timestamp(7), &samples(3, 160)), Written::Stored);
        assert_eq!(line.known_run(line.place(Timestamp(7)), 999), 160);
    }

    #[test]
    fn silence_fills_only_what_is_unknown() {
        let mut line = Timeline::new();
        line.write(Timestamp(100), &[9; 160]);
        line.write_silence(Timestamp(180), 500);
        let at = line.place(Timestamp(100));
        assert_eq!(line.known_run(at, 2000), 580);
        let mut out = [1; 580];
        line.read(at, &mut out);
        assert!(out[..160].iter().all(|&s| s == 9) && out[160..].iter().all(|&s| s == 0));
    }

    #[test]
    fn no_write_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut line = Timeline::new();
        let (noise, mut out) = ([7i16; 5000], [0i16; 400]);
        for _ in 0..200_000 {
            let near = line.end_timestamp.unwrap_or_default().add(random.i32(-9000..9000).cast_unsigned());
            let timestamp = if random.u8(..20) == 0 { Timestamp(random.u32(..)) } else { near };
            line.write(timestamp, &noise[..random.usize(..5000)]);
            let at = line.end().after(random.i64(-20_000..1000));
            let run = line.known_run(at, 400);
            line.read(at, &mut out[..run]);
            assert!(out[..run].iter().all(|&s| s == 7));
            assert!(run == 0 || line.hole(at, 400) == 0);
        }
    }
}
