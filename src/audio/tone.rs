//! Tones of the telephone network: ringback, busy, call waiting; and the sine oscillator that `dtmf` shares.
//!
//! Frequencies and cadences after ITU-T E.180 Supplement 2 (Various tones used in national networks). Levels in dBm0, where
//! 0 dBm0 is 3.17 dB under a sine of full amplitude (G.711 mu-law; 3.14 for A-law).

use super::frame::{Frame, SAMPLE_RATE_HZ};
use super::mix::to_sample;

/// Amplitude of a sine of `dbm0`, in samples.
pub fn amplitude(dbm0: f64) -> f64 {
    32_767.0 * 10f64.powf((dbm0 - 3.17) / 20.0)
}

/// A sine by rotating a vector: two multiplications and two additions a sample, no call to `sin`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Oscillator {
    cos: f64,
    sin: f64,
    step_cos: f64,
    step_sin: f64,
}

impl Oscillator {
    pub(super) fn new(hz: f64) -> Self {
        let (step_sin, step_cos) = (std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE_HZ)).sin_cos();
        Self { cos: 1.0, sin: 0.0, step_cos, step_sin }
    }

    /// The present value, -1 to 1; then one sample on. The vector's length drifts by about 1e-16 a sample: in a day of
    /// sound that is nothing.
    pub(super) fn next(&mut self) -> f64 {
        let value = self.sin;
        (self.cos, self.sin) =
            (self.cos * self.step_cos - self.sin * self.step_sin, self.sin * self.step_cos + self.cos * self.step_sin);
        value
    }
}

/// A tone as a country defines it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies that sound together, Hz; 0 for none.
    pub frequencies_hz: [u16; 2],
    /// Level of each frequency, dBm0.
    pub level_dbm0: i8,
    /// On, off, on, off: ms. Repeats for ever. 0 leaves a part out.
    pub cadence_ms: [u16; 4],
}

impl Tone {
    /// What the caller hears while the other side rings; Hong Kong.
    pub const RINGBACK: Self = Self { frequencies_hz: [440, 480], level_dbm0: -16, cadence_ms: [400, 200, 400, 3_000] };
    /// Busy; Hong Kong.
    pub const BUSY: Self = Self { frequencies_hz: [480, 620], level_dbm0: -16, cadence_ms: [500, 500, 0, 0] };
    /// Another call waits: a short beep every ten seconds; Hong Kong.
    pub const CALL_WAITING: Self = Self { frequencies_hz: [440, 0], level_dbm0: -13, cadence_ms: [300, 10_000, 0, 0] };
    /// Ringback of mainland China.
    pub const RINGBACK_CN: Self = Self { frequencies_hz: [450, 0], level_dbm0: -13, cadence_ms: [1_000, 4_000, 0, 0] };
    /// Busy of mainland China.
    pub const BUSY_CN: Self = Self { frequencies_hz: [450, 0], level_dbm0: -13, cadence_ms: [350, 350, 0, 0] };
}

/// Sounds a [`Tone`] frame by frame, without end.
#[derive(Clone, Debug)]
pub struct ToneSource {
    tone: Tone,
    oscillators: [Oscillator; 2],
    /// Samples since the cadence began.
    position: u32,
}

/// Length of the rise and fall at each edge, samples: no clicks.
const EDGE: u32 = SAMPLE_RATE_HZ / 200;

impl ToneSource {
    /// Begins with the first "on".
    pub fn new(tone: Tone) -> Self {
        let oscillators = tone.frequencies_hz.map(|hz| Oscillator::new(f64::from(hz)));
        Self { tone, oscillators, position: 0 }
    }

    /// The next 20 ms.
    pub fn next_frame(&mut self) -> Frame {
        let amplitude = amplitude(f64::from(self.tone.level_dbm0));
        let [on, off, on_again, off_again] = self.tone.cadence_ms.map(|ms| u32::from(ms) * SAMPLE_RATE_HZ / 1000);
        let period = (on + off + on_again + off_again).max(1);
        let mut frame = Frame::SILENCE;
        for sample in &mut frame.0 {
            let second = on + off;
            let envelope = if self.position < second {
                edge_gain(self.position, on)
            } else {
                edge_gain(self.position - second, on_again)
            };
            let [first, other] = &mut self.oscillators;
            *sample = to_sample((amplitude * envelope * (first.next() + other.next())) as f32);
            self.position = (self.position + 1) % period;
        }
        frame
    }
}

/// Gain at `position` of a sound of `length` samples that rises and falls over [`EDGE`] samples; 0 after its end.
pub(super) fn edge_gain(position: u32, length: u32) -> f64 {
    let to_end = length.saturating_sub(position);
    f64::from(position.min(to_end).min(EDGE)) / f64::from(EDGE)
}

#[cfg(test)]
mod tests {
    use super::super::loudness::{Meter, SILENCE_DBFS, dbfs, peak};
    use super::*;

    fn frames(tone: Tone, count: usize) -> Vec<Frame> {
        let mut source = ToneSource::new(tone);
        (0..count).map(|_| source.next_frame()).collect()
    }

    /// Lengths of sound and silence by turns, in frames.
    fn cadence(frames: &[Frame]) -> Vec<usize> {
        let mut runs = vec![0];
        let mut sounding = true;
        for frame in frames {
            if (dbfs(&frame.0) > SILENCE_DBFS) != sounding {
                sounding = !sounding;
                runs.push(0);
            }
            *runs.last_mut().unwrap() += 1;
        }
        runs
    }

    #[test]
    fn cadences_are_those_of_the_country() {
        assert_eq!(cadence(&frames(Tone::RINGBACK, 400)), [20, 10, 20, 150, 20, 10, 20, 150]);
        assert_eq!(cadence(&frames(Tone::BUSY, 100)), [25, 25, 25, 25]);
        assert_eq!(cadence(&frames(Tone::CALL_WAITING, 600)), [15, 500, 15, 70]);
        assert_eq!(cadence(&frames(Tone::RINGBACK_CN, 500)), [50, 200, 50, 200]);
    }

    #[test]
    fn the_level_is_as_stated() {
        let mut meter = Meter::default();
        for frame in &frames(Tone::BUSY, 20)[1..] {
            meter.push(&frame.0);
        }
        // Two sines of -16 dBm0 are -13 dBm0 together; a sine of 0 dBm0 is -3.17 - 3.01 dBFS.
        assert!((meter.dbfs() - (-13.0 - 6.18)).abs() < 0.1, "{}", meter.dbfs());
        assert!(frames(Tone::RINGBACK, 200).iter().all(|frame| peak(&frame.0) < 12_000));
    }

    #[test]
    fn an_empty_cadence_is_silence() {
        let tone = Tone { cadence_ms: [0; 4], ..Tone::BUSY };
        assert_eq!(frames(tone, 3), vec![Frame::SILENCE; 3]);
    }

    #[test]
    fn no_clicks_at_the_edges() {
        for tone in [Tone::RINGBACK, Tone::BUSY, Tone::CALL_WAITING, Tone::BUSY_CN] {
            let samples: Vec<i16> = frames(tone, 600).iter().flat_map(|frame| frame.0).collect();
            let step = samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap();
            assert!(step < 5_000, "{tone:?}: {step}");
        }
    }

    #[test]
    fn the_oscillator_keeps_its_length() {
        let mut oscillator = Oscillator::new(697.0);
        let worst = (0..8_000 * 600).map(|_| {
            oscillator.next();
            (oscillator.cos.hypot(oscillator.sin) - 1.0).abs()
        });
        assert!(worst.fold(0.0, f64::max) < 1e-9);
    }
}
