//! What the recogniser hears: frames in RTP order as soon as they are there, not when they would be played (0 ms of buffer
//! instead of 17 to 80). A missing packet is waited for until two more frames have come, then concealed. While nothing
//! comes at all, frames of fading concealment and silence keep the recogniser's time running, and are credited against the
//! gap when audio goes on.

use std::time::{Duration, Instant};

use super::conceal::Concealer;
use super::timeline::{Position, Timeline};
use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES, Frame};

/// How much audio beyond a hole makes it a loss: two frames.
const HOLD: i64 = 2 * FRAME_SAMPLES as i64;
/// Holes longer than this are stepped over, not concealed: 200 ms.
const LONGEST_HOLE: usize = 10 * FRAME_SAMPLES;
/// Frames are made up once nothing has come for this long.
const PATIENCE: Duration = Duration::from_millis(100);
const FRAME_TIME: Duration = Duration::from_millis(FRAME_MS as u64);
const FRAME_LENGTH: i64 = FRAME_SAMPLES as i64;

/// The recogniser's reading of one stream.
#[derive(Default)]
pub struct Arrival {
    /// First sample not given out yet; `None` before the first packet.
    cursor: Option<Position>,
    concealer: Concealer,
    /// When the next frame is made up, if nothing comes.
    fill_at: Option<Instant>,
    /// Samples that were made up and may yet turn out to be a gap in the stream.
    credit: i64,
}

impl Arrival {
    /// Nothing has arrived.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stream begins anew at any timestamp.
    pub fn restart(&mut self) {
        self.cursor = None;
        self.credit = 0;
        self.concealer.conceal(&mut []);
    }

    /// A packet was written to the timeline. Take frames by [`Self::next`] afterwards.
    pub fn arrived(&mut self, now: Instant, at: Position) {
        self.cursor.get_or_insert(at);
        self.fill_at = Some(now + PATIENCE);
    }

    /// Stops making up frames until a packet comes: the other side is not to send.
    pub fn rest(&mut self) {
        self.fill_at = None;
    }

    /// The next frame that is ready; false when there is none, `out` being untouched.
    pub fn next(&mut self, line: &Timeline, out: &mut Frame) -> bool {
        self.take(line, false, out)
    }

    /// Makes up a frame when one is due; what waits behind a hole comes first.
    pub fn fill(&mut self, now: Instant, line: &Timeline, out: &mut Frame) -> bool {
        let Some(due) = self.fill_at.filter(|&due| due <= now) else { return false };
        // After a long sleep of the caller there is no rush of silence.
        self.fill_at = Some((due + FRAME_TIME).max(now));
        if !self.take(line, true, out) {
            self.concealer.conceal(&mut out.0);
            self.credit += FRAME_LENGTH;
        }
        true
    }

    /// When a frame is to be made up.
    pub fn deadline(&self) -> Option<Instant> {
        self.fill_at
    }

    fn take(&mut self, line: &Timeline, forced: bool, out: &mut Frame) -> bool {
        let Some(mut cursor) = self.cursor else { return false };
        if line.known_run(cursor, FRAME_SAMPLES) < FRAME_SAMPLES {
            let ahead = line.end().since(cursor);
            if ahead <= 0 || (!forced && ahead < FRAME_LENGTH + HOLD) {
                return false;
            }
            cursor = self.step_over(line, cursor);
            self.cursor = Some(cursor);
            if !forced && line.end().since(cursor) < FRAME_LENGTH {
                return false;
            }
        }
        let cursor = self.compose(line, cursor, out);
        self.cursor = Some(cursor);
        true
    }

    /// Leaves out of the hole at `cursor` what was made up for it, or all of it when it is long.
    fn step_over(&mut self, line: &Timeline, cursor: Position) -> Position {
        let ahead = line.end().since(cursor).max(0) as usize;
        let hole = line.hole(cursor, ahead);
        let step = if hole > LONGEST_HOLE { hole } else { hole.min(self.credit.max(0) as usize) };
        if step > 0 {
            self.credit = (self.credit - step as i64).max(0);
            self.concealer.conceal(&mut []);
        }
        cursor.after(step as i64)
    }

    fn compose(&mut self, line: &Timeline, mut cursor: Position, out: &mut Frame) -> Position {
        let mut rest = &mut out.0[..];
        while !rest.is_empty() {
            let known = line.known_run(cursor, rest.len());
            let hole = if known == 0 { line.hole(cursor, rest.len()) } else { 0 };
            let length = if known + hole == 0 { rest.len() } else { known + hole };
            let (part, after) = rest.split_at_mut(length);
            if known > 0 {
                line.read(cursor, part);
                self.concealer.good(part);
                // What was made up before was no gap but a delay: the recogniser has lost nothing.
                self.credit = 0;
            } else {
                self.concealer.conceal(part);
            }
            cursor = cursor.after((known + hole) as i64);
            rest = after;
        }
        cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp::Timestamp;

    struct Bench {
        start: Instant,
        line: Timeline,
        arrival: Arrival,
        frames: Vec<(u64, Frame)>,
    }

    impl Bench {
        fn new() -> Self {
            Self { start: Instant::now(), line: Timeline::new(), arrival: Arrival::new(), frames: Vec::new() }
        }

        /// Packet number `n` of `length` samples, each holding its number, arrives at `ms`.
        fn packet(&mut self, ms: u64, n: u32, length: usize) -> &mut Self {
            self.wait(ms);
            let timestamp = Timestamp(u32::MAX - 500).add(n * length as u32);
            let at = self.line.place(timestamp);
            self.line.write(timestamp, &vec![1000 + n as i16; length]);
            self.arrival.arrived(self.start + Duration::from_millis(ms), at);
            let mut frame = Frame::SILENCE;
            while self.arrival.next(&self.line, &mut frame) {
                self.frames.push((ms, frame.clone()));
            }
            self
        }

        /// Lets time go on to `ms`.
        fn wait(&mut self, ms: u64) -> &mut Self {
            let to = self.start + Duration::from_millis(ms);
            while let Some(due) = self.arrival.deadline().filter(|&due| due < to) {
                let mut frame = Frame::SILENCE;
                if self.arrival.fill(due, &self.line, &mut frame) {
                    self.frames.push(((due - self.start).as_millis() as u64, frame));
                }
            }
            self
        }

        /// When each frame came and the sample in its middle, as the number of its packet; -1 is made up.
        fn seen(&self) -> Vec<(u64, i32)> {
            let number = |frame: &Frame| {
                let [first, .., last] = frame.0;
                let middle = i32::from(frame.0[80]) - 1000;
                if middle >= 0 && (first - last).abs() < 1000 { middle } else { -1 }
            };
            self.frames.iter().map(|(ms, frame)| (*ms, number(frame))).collect()
        }
    }

    #[test]
    fn in_order_nothing_waits() {
        let mut bench = Bench::new();
        for n in 0..500 {
            bench.packet(20 * u64::from(n), n, 160);
        }
        let expected: Vec<_> = (0..500).map(|n| (20 * n as u64, n)).collect();
        assert_eq!(bench.seen(), expected);
    }

    #[test]
    fn other_packet_times_become_frames() {
        for length in [80usize, 240, 320, 480] {
            let mut bench = Bench::new();
            for n in 0..60 {
                bench.packet(u64::from(n) * length as u64 / 8, n, length);
            }
            let joined: Vec<i16> = bench.frames.iter().flat_map(|(_, frame)| frame.0).collect();
            assert_eq!(joined.len(), 60 * length);
            assert!(joined.iter().enumerate().all(|(i, &s)| s == 1000 + (i / length) as i16), "{length}");
        }
    }

    #[test]
    fn reordered_packets_are_put_right_and_doubles_dropped() {
        let mut bench = Bench::new();
        bench.packet(0, 0, 160).packet(20, 2, 160).packet(30, 1, 160).packet(31, 1, 160).packet(60, 3, 160);
        assert_eq!(bench.seen(), [(0, 0), (30, 1), (30, 2), (60, 3)]);
    }

    #[test]
    fn a_loss_is_concealed_when_two_more_have_come() {
        let mut bench = Bench::new();
        bench.packet(0, 0, 160).packet(40, 2, 160).packet(60, 3, 160).packet(80, 4, 160).packet(85, 1, 160);
        let numbers: Vec<_> = bench.seen().iter().map(|&(ms, n)| (ms, n.max(0))).collect();
        // The frame in place of packet 1 repeats packet 0; packet 1 itself comes too late.
        assert_eq!(numbers, [(0, 0), (60, 0), (60, 2), (60, 3), (80, 4)]);
    }

    #[test]
    fn while_nothing_comes_time_goes_on() {
        let mut bench = Bench::new();
        bench.packet(0, 0, 160).wait(1001);
        let times: Vec<u64> = bench.frames.iter().map(|&(ms, _)| ms).collect();
        assert_eq!(times[..4], [0, 100, 120, 140]);
        assert_eq!(times.len(), 1 + 46);
        assert_eq!(bench.frames.last().unwrap().1, Frame::SILENCE);
        bench.arrival.rest();
        bench.wait(2000);
        assert_eq!(bench.frames.len(), 47, "told not to expect anything");
    }

    #[test]
    fn a_gap_that_was_filled_is_not_filled_again() {
        let mut bench = Bench::new();
        // The sender pauses from 0.02 to 2 s (its timestamps go on): 95 frames are made up, and no more when it goes on.
        bench.packet(0, 0, 160).packet(2000, 100, 160).packet(2020, 101, 160).packet(2040, 102, 160);
        assert_eq!(bench.frames.len(), 1 + 95 + 3, "{:?}", bench.seen());
        assert_eq!(bench.seen()[96..].iter().map(|&(_, n)| n).max(), Some(102));
        // A short loss that ran into the filling: 5 packets, of which 2 frames were made up, 3 remain.
        let mut bench = Bench::new();
        bench.packet(0, 0, 160).packet(121, 6, 160).packet(140, 7, 160).packet(160, 8, 160);
        assert_eq!(bench.frames.len(), 9, "{:?}", bench.seen());
    }

    #[test]
    fn audio_that_was_only_delayed_is_heard_whole() {
        let mut bench = Bench::new();
        bench.packet(0, 0, 160);
        for n in 1..10 {
            bench.packet(200, n, 160);
        }
        let numbers: Vec<_> = bench.seen().iter().filter(|&&(ms, _)| ms >= 200).map(|&(_, n)| n).collect();
        assert_eq!(numbers[numbers.len() - 8..], [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_waits_behind_a_hole_comes_before_made_up_frames() {
        let mut bench = Bench::new();
        bench.packet(0, 0, 160).packet(40, 2, 160).wait(190);
        let times: Vec<u64> = bench.frames.iter().map(|&(ms, _)| ms).collect();
        assert_eq!(times, [0, 140, 160, 180]);
        assert_eq!(bench.seen()[2], (160, 2));
    }

    #[test]
    fn after_a_restart_any_timestamp_is_next() {
        let mut bench = Bench::new();
        bench.packet(0, 0, 160);
        bench.line.clear();
        bench.arrival.restart();
        bench.packet(20, 90_000, 160).packet(40, 90_001, 160);
        assert_eq!(bench.frames.len(), 3);
    }
}
