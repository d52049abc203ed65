//! The jitter buffer for human ears and recordings: which sample is played when. It holds audio for as long as
//! [`DelayEstimate`] says, catches up by leaving out pitch periods or what was lost, slows down by repeating periods, and
//! conceals what is missing. The samples themselves lie in the [`Timeline`].
//!
//! Differs from the first contract: samples of any packet length come by way of the timeline, not as frames. The recogniser
//! does not read here but from [`super::arrival`].

use std::time::Instant;

use super::conceal::Concealer;
use super::delay::DelayEstimate;
use super::stretch;
use super::timeline::{Position, Timeline};
use crate::audio::frame::{FRAME_SAMPLES, Frame};

/// Samples in a millisecond.
const PER_MS: f32 = 8.0;
/// Audio is held this much longer than needed before it is played faster, ms.
const SLACK_MS: f32 = 15.0;
/// An excess over which samples are dropped rather than played faster, ms.
const RESYNC_MS: f32 = 240.0;
/// An error of delay over which any seam will do, ms.
const FORCE_MS: f32 = 60.0;
/// Frames between two changes of speed, so that they are not heard as roughness.
const REST_FRAMES: u32 = 5;
/// Frames after which a change of speed is tried again where no good seam was found.
const RETRY_FRAMES: u32 = 3;

/// What a pulled frame is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Audio as it was sent, perhaps faster or slower.
    Frame,
    /// Some of it was missing and is concealed.
    Concealed,
    /// Silence: nothing has come yet, or nothing has come for more than 60 ms.
    Waiting,
}

/// The buffer of one stream.
pub struct Jitter {
    estimate: DelayEstimate,
    concealer: Concealer,
    /// Where the packet that arrived last begins, and its length in samples.
    last_packet: Option<(Position, i64)>,
    cursor: Cursor,
    frames_since_change: u32,
    late: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// Nothing has arrived.
    Idle,
    /// Audio from here on is being held until the delay is reached.
    Holding(Position),
    /// The next sample to be played.
    Playing(Position),
}

impl Default for Jitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Jitter {
    /// Empty.
    pub fn new() -> Self {
        Self {
            estimate: DelayEstimate::new(),
            concealer: Concealer::new(),
            last_packet: None,
            cursor: Cursor::Idle,
            frames_since_change: 0,
            late: 0,
        }
    }

    /// The stream begins anew, at any timestamp: the delay is learnt again, what was played is merged into.
    pub fn restart(&mut self) {
        self.estimate = DelayEstimate::new();
        self.last_packet = None;
        self.cursor = Cursor::Idle;
        self.concealer.conceal(&mut []);
    }

    /// A packet was written to the timeline. Returns false when it is too late to be played.
    pub fn arrived(&mut self, now: Instant, at: Position, samples: usize) -> bool {
        let length = samples as i64;
        self.estimate.arrived(now, at);
        self.last_packet = Some((at, length));
        match self.cursor {
            Cursor::Idle => self.cursor = Cursor::Holding(at),
            Cursor::Holding(first) => self.cursor = Cursor::Holding(first.min(at)),
            Cursor::Playing(cursor) if at.after(length) <= cursor => {
                self.late += 1;
                return false;
            }
            Cursor::Playing(_) => {}
        }
        true
    }

    /// The next 20 ms.
    pub fn pull(&mut self, now: Instant, line: &Timeline, out: &mut Frame) -> Pulled {
        let cursor = match self.cursor {
            Cursor::Playing(cursor) => cursor,
            Cursor::Holding(first) if self.estimate.delay_ms(now, first) >= self.estimate.target_ms() => first,
            Cursor::Idle | Cursor::Holding(_) => {
                *out = Frame::SILENCE;
                self.concealer.conceal(&mut out.0);
                return Pulled::Waiting;
            }
        };
        self.frames_since_change = self.frames_since_change.saturating_add(1);
        let cursor = self.catch_up(now, line, cursor);
        let error_ms = self.error_ms(now, cursor);
        let (cursor, pulled) = match self.change_speed(line, cursor, error_ms, out) {
            Some(cursor) => (cursor, Pulled::Frame),
            None => self.play(line, cursor, out),
        };
        self.cursor = Cursor::Playing(cursor);
        pulled
    }

    /// By how much the audio at `cursor` is held longer than needed, ms. Counted at the packet that a frame from `cursor` on
    /// needs last, which may begin in the middle of the frame.
    fn error_ms(&self, now: Instant, cursor: Position) -> f32 {
        let into_frame = match self.last_packet {
            Some((at, length)) if length > 0 => {
                let last = FRAME_SAMPLES as i64 - 1;
                let phase = cursor.after(last).since(at).rem_euclid(length);
                (last - phase).max(0)
            }
            _ => 0,
        };
        self.estimate.delay_ms(now, cursor.after(into_frame)) - self.estimate.target_ms()
    }

    /// Steps over what is lost as far as audio is held too long, and over anything when far behind.
    fn catch_up(&mut self, now: Instant, line: &Timeline, cursor: Position) -> Position {
        let excess = (self.error_ms(now, cursor) * PER_MS) as i64;
        let ahead = line.end().since(cursor);
        if excess <= 0 || ahead <= 0 {
            return cursor;
        }
        let lost = line.hole(cursor, excess as usize) as i64;
        let step = if excess > (RESYNC_MS * PER_MS) as i64 {
            excess.min(ahead - FRAME_SAMPLES as i64).max(lost)
        } else {
            lost
        };
        if step > 0 {
            self.concealer.conceal(&mut []);
        }
        cursor.after(step)
    }

    fn change_speed(&mut self, line: &Timeline, cursor: Position, error_ms: f32, out: &mut Frame) -> Option<Position> {
        let forced = error_ms.abs() > FORCE_MS;
        if !(0.0..=SLACK_MS).contains(&error_ms) && (self.frames_since_change >= REST_FRAMES || forced) {
            let mut input = [0; FRAME_SAMPLES + stretch::SHIFT_MAX];
            let known = line.known_run(cursor, input.len());
            line.read(cursor, &mut input[..known]);
            let used = if error_ms > SLACK_MS {
                stretch::shorten(&input[..known], forced, &mut out.0)
            } else if known >= FRAME_SAMPLES {
                input.first_chunk().and_then(|input| stretch::lengthen(input, forced, &mut out.0))
            } else {
                None
            };
            // The search costs much more than a frame: where no seam is good, not every frame is searched.
            self.frames_since_change = if used.is_some() { 0 } else { REST_FRAMES - RETRY_FRAMES };
            let used = used?;
            self.concealer.good(&mut out.0);
            return Some(cursor.after(used as i64));
        }
        None
    }

    /// Plays at normal speed; what is missing is concealed. Where nothing follows yet, the cursor waits for it.
    fn play(&mut self, line: &Timeline, mut cursor: Position, out: &mut Frame) -> (Position, Pulled) {
        let mut pulled = Pulled::Frame;
        let mut rest = &mut out.0[..];
        while !rest.is_empty() {
            let known = line.known_run(cursor, rest.len());
            let hole = if known == 0 { line.hole(cursor, rest.len()) } else { 0 };
            let length = match (known, hole) {
                (0, 0) => rest.len(),
                (0, hole) => hole,
                (known, _) => known,
            };
            let (part, after) = rest.split_at_mut(length);
            if known > 0 {
                line.read(cursor, part);
                self.concealer.good(part);
            } else {
                self.concealer.conceal(part);
                pulled = if self.concealer.is_silent() { Pulled::Waiting } else { Pulled::Concealed };
            }
            cursor = cursor.after((known + hole) as i64);
            rest = after;
        }
        (cursor, pulled)
    }

    /// True before the first packet.
    pub fn is_idle(&self) -> bool {
        self.cursor == Cursor::Idle
    }

    /// How long audio is held at least, ms.
    pub fn target_ms(&self) -> f32 {
        self.estimate.target_ms()
    }

    /// Packets that came too late to be played.
    pub fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::rtp::Timestamp;

    /// A sender of a tone, a network, and the buffer. Time in ms from the start.
    struct Bench {
        start: Instant,
        line: Timeline,
        jitter: Jitter,
        /// Packets under way: arrival, timestamp, length.
        flying: Vec<(u64, u32, u32)>,
        pulled: Vec<Pulled>,
        audio: Vec<i16>,
        restarts_at: u32,
    }

    fn tone(timestamp: u32, length: u32) -> Vec<i16> {
        (timestamp..timestamp + length)
            .map(|n| (6000.0 * (n as f32 * 2.0 * std::f32::consts::PI / 64.0).sin()) as i16)
            .collect()
    }

    impl Bench {
        fn new() -> Self {
            Self {
                start: Instant::now(),
                line: Timeline::new(),
                jitter: Jitter::new(),
                flying: Vec::new(),
                pulled: Vec::new(),
                audio: Vec::new(),
                restarts_at: u32::MAX - 16_000,
            }
        }

        /// Packets of `length` samples from `from_ms` to `to_ms`; `fate` says of each number how late it is, or that it is lost.
        fn send(&mut self, from_ms: u64, to_ms: u64, length: u32, fate: impl Fn(u64) -> Option<u64>) -> &mut Self {
            let step = u64::from(length / 8);
            for n in from_ms / step..to_ms / step {
                if let Some(late) = fate(n) {
                    self.flying.push((n * step + 30 + late, n as u32 * length, length));
                }
            }
            self
        }

        fn run(&mut self, to_ms: u64) -> &mut Self {
            self.flying.sort_by_key(|&(arrival, ..)| arrival);
            // Pulls fall 7 ms after the fastest packets.
            for ms in self.pulled.len() as u64 * 20 + 17..to_ms {
                let now = self.start + Duration::from_millis(ms);
                while let Some(&(arrival, timestamp, length)) = self.flying.first() {
                    if arrival > ms {
                        break;
                    }
                    self.flying.remove(0);
                    let wire = Timestamp(self.restarts_at.wrapping_add(timestamp));
                    let at = self.line.place(wire);
                    self.line.write(wire, &tone(timestamp, length));
                    self.jitter.arrived(now, at, length as usize);
                }
                if ms % 20 == 17 {
                    let mut frame = Frame::SILENCE;
                    self.pulled.push(self.jitter.pull(now, &self.line, &mut frame));
                    self.audio.extend_from_slice(&frame.0);
                }
            }
            self
        }

        fn count(&self, wanted: Pulled) -> usize {
            self.pulled.iter().filter(|&&p| p == wanted).count()
        }

        /// How long the audio of the frame pulled at `now_ms` was held, ms.
        fn held_ms(&self, now_ms: u64) -> f32 {
            let Cursor::Playing(cursor) = self.jitter.cursor else { panic!("not playing") };
            self.jitter.estimate.delay_ms(self.start + Duration::from_millis(now_ms), cursor.after(-160))
        }

        /// Longest stretch of zeros in the audio since `from_ms`, samples.
        fn longest_gap(&self, from_ms: usize) -> usize {
            self.audio[from_ms * 8..].split(|&s| s != 0).map(<[i16]>::len).max().unwrap_or(0)
        }
    }

    #[test]
    fn a_calm_network_is_played_as_sent_whatever_the_packet_time() {
        for length in [80, 160, 240, 320, 480] {
            let mut bench = Bench::new();
            bench.send(0, 10_000, length, |_| Some(0)).run(9_900);
            assert_eq!(bench.count(Pulled::Concealed), 0, "{length}");
            assert!(bench.count(Pulled::Waiting) <= 4, "{length}: {}", bench.count(Pulled::Waiting));
            assert!(bench.longest_gap(200) <= 1, "{length}");
            let packet_ms = length as f32 / 8.0;
            assert!(bench.held_ms(9_897) <= packet_ms.max(20.0) + 25.0, "{length}: {}", bench.held_ms(9_897));
            assert_eq!(bench.jitter.late(), 0);
        }
    }

    #[test]
    fn lost_packets_are_concealed_once_each() {
        let mut bench = Bench::new();
        bench.send(0, 20_000, 160, |n| (n % 20 != 13).then_some(0)).run(20_000);
        let concealed = bench.count(Pulled::Concealed);
        // Each loss takes one frame, or two where the frames lie across the packets.
        assert!((50..=100).contains(&concealed), "{concealed} frames for 50 losses");
        assert!(bench.longest_gap(200) <= 1, "no hole is heard");
        assert!(bench.held_ms(19_997) < 45.0, "losses do not add delay: {}", bench.held_ms(19_997));
    }

    #[test]
    fn reordered_doubled_and_late_packets() {
        let mut bench = Bench::new();
        // Every tenth packet is 25 ms late and so comes after the next one; every seventh comes twice.
        bench.send(0, 20_000, 160, |n| Some(if n % 10 == 3 { 25 } else { 0 }));
        bench.send(0, 20_000, 160, |n| (n % 7 == 2).then_some(5)).run(20_000);
        let settled = bench.pulled[100..].iter().filter(|&&p| p != Pulled::Frame).count();
        assert_eq!(settled, 0, "the buffer has learnt to wait for them");
        let mut bench = Bench::new();
        // 1 % come 200 ms late: not waited for, counted.
        bench.send(0, 20_000, 160, |n| Some(if n % 100 == 50 { 200 } else { 0 })).run(20_000);
        assert_eq!(bench.jitter.late(), 10);
        assert!(bench.held_ms(19_997) < 45.0, "{}", bench.held_ms(19_997));
    }

    #[test]
    fn the_buffer_grows_and_shrinks_with_the_jitter() {
        let mut bench = Bench::new();
        let jittery = |n: u64| Some(n * 7919 % 61);
        bench.send(0, 10_000, 160, |_| Some(0)).run(10_000);
        bench.send(10_000, 30_000, 160, jittery).run(30_000);
        let held = bench.held_ms(29_997);
        assert!((55.0..95.0).contains(&held), "{held}");
        let concealed = bench.pulled[1000..].iter().filter(|&&p| p != Pulled::Frame).count();
        assert!(concealed <= 25, "{concealed} of 500 frames after the buffer has learnt");
        bench.send(30_000, 60_000, 160, |_| Some(0)).run(60_000);
        assert!(bench.held_ms(59_997) < 45.0, "{}", bench.held_ms(59_997));
    }

    #[test]
    fn a_pause_of_the_sender_is_silence_and_then_speech_again() {
        let mut bench = Bench::new();
        bench.send(0, 2000, 160, |_| Some(0)).send(5000, 8000, 160, |_| Some(0)).run(8000);
        assert!(bench.count(Pulled::Concealed) < 12, "{}", bench.count(Pulled::Concealed));
        let waiting = bench.count(Pulled::Waiting);
        assert!((140..155).contains(&waiting), "{waiting}");
        assert!(bench.held_ms(7997) < 60.0, "{}", bench.held_ms(7997));
        assert!(bench.longest_gap(5200) <= 1);
    }

    #[test]
    fn a_stalled_network_is_caught_up() {
        let mut bench = Bench::new();
        // Everything sent between 4.0 and 4.4 s arrives at 4.4 s.
        bench.send(0, 10_000, 160, |n| Some(if (200..220).contains(&n) { 20 * (220 - n) } else { 0 })).run(10_000);
        assert!(bench.held_ms(9_997) < 120.0, "{}", bench.held_ms(9_997));
        assert!(bench.longest_gap(4600) <= 1);
    }

    #[test]
    fn after_a_restart_another_stream_is_played() {
        let mut bench = Bench::new();
        bench.send(0, 3000, 160, |_| Some(0)).run(3000);
        bench.line.clear();
        bench.jitter.restart();
        bench.restarts_at = 77;
        bench.send(3000, 6000, 160, |_| Some(0)).run(6000);
        assert!(bench.longest_gap(3200) <= 1);
        assert!(bench.held_ms(5997) < 60.0);
    }

    #[test]
    fn nothing_ever_arrives() {
        let mut bench = Bench::new();
        bench.run(1000);
        assert_eq!(bench.count(Pulled::Waiting), bench.pulled.len());
        assert!(bench.audio.iter().all(|&s| s == 0));
    }

    #[test]
    fn the_same_inputs_give_the_same_audio() {
        let play = || {
            let mut bench = Bench::new();
            bench.send(0, 5000, 160, |n| (n % 17 != 3).then_some(n * 31 % 43)).run(5000);
            bench.audio
        };
        assert_eq!(play(), play());
    }
}
