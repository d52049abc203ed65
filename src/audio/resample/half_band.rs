//! Streaming conversion between 8 and 16 kHz by one half-band FIR filter, split in its two phases.
//!
//! The filter is a sinc with its cut-off at a quarter of the upper rate (4 kHz at 16 kHz) under a Kaiser window:
//! ideal response sin(pi d / 2) / (pi d), 0 at every even d but 0, where it is 1/2. So one phase is a mere delay and the
//! other a symmetric filter of 40 taps, 20 multiplications a sample at the lower rate.
//!
//! Order by Kaiser's formulas (J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974;
//! Oppenheim and Schafer, Discrete-Time Signal Processing, 7.6): rejection A = 90 dB and a transition from 3.4 to 4.6 kHz
//! (0.471 rad) ask for (A - 8) / (2.285 * 0.471) = 76 taps' span; 79 taps is the next half-band length above, beta =
//! 0.1102 (A - 8.7) = 8.96. Group delay 39 samples at 16 kHz up, 38 down: 2.44 and 2.375 ms. Constant, as the phase is
//! linear. The tests print and hold the figures that come of it.

use super::super::frame::{FRAME_SAMPLES, Frame, WIDE_FRAME_SAMPLES, WideFrame};
use super::super::mix::to_sample;

/// Taps of the phase that filters.
const PHASE_TAPS: usize = 40;
/// Samples kept from before: the filter's length less one, at the lower rate.
const HISTORY: usize = PHASE_TAPS - 1;
/// How far the phase that only delays lies back, samples at the lower rate.
const CENTRE: usize = PHASE_TAPS / 2 - 1;
/// Most samples (at the lower rate) treated at once.
const BLOCK: usize = FRAME_SAMPLES;

const KAISER_BETA: f64 = 8.96;

/// One half of the filtering phase, from the centre outwards: distances 1, 3, 5 .. 39 of the whole filter, gain 2 for the
/// two phases of an upsampler included.
static HALF: [f32; PHASE_TAPS / 2] = half_band();

/// Bessel function I0 of an argument x, given (x / 2)^2, by its power series.
const fn bessel_i0(quarter_square: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while k < 60.0 {
        term *= quarter_square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

const fn half_band() -> [f32; PHASE_TAPS / 2] {
    let mut taps = [0f64; PHASE_TAPS / 2];
    let last = (PHASE_TAPS - 1) as f64;
    let mut sum = 0.0;
    let mut k = 0;
    while k < taps.len() {
        let distance = (2 * k + 1) as f64;
        let sinc = (if k.is_multiple_of(2) { 1.0 } else { -1.0 }) / (std::f64::consts::PI * distance);
        let place = distance / last;
        taps[k] = sinc * bessel_i0(KAISER_BETA * KAISER_BETA / 4.0 * (1.0 - place * place));
        sum += taps[k];
        k += 1;
    }
    // Both halves together pass a constant unchanged; this scaling takes the window's own factor 1 / I0(beta) with it.
    let mut scaled = [0f32; PHASE_TAPS / 2];
    k = 0;
    while k < taps.len() {
        scaled[k] = (taps[k] / (2.0 * sum)) as f32;
        k += 1;
    }
    scaled
}

/// The symmetric filter over `line`, whose first [`HISTORY`] samples came before: `out[n]` weighs `line[n ..= n + 39]`.
fn filter(line: &[f32; HISTORY + BLOCK], out: &mut [f32; BLOCK]) {
    out.fill(0.0);
    for (k, &tap) in HALF.iter().enumerate() {
        let early = &line[CENTRE - k..][..BLOCK];
        let late = &line[CENTRE + 1 + k..][..BLOCK];
        for ((sum, &a), &b) in out.iter_mut().zip(early).zip(late) {
            *sum += tap * (a + b);
        }
    }
}

/// A line of samples that begins with what came before, and the history that the next block needs.
fn line_of(history: &mut [f32; HISTORY], block: impl Iterator<Item = i16>, length: usize) -> [f32; HISTORY + BLOCK] {
    let mut line = [0f32; HISTORY + BLOCK];
    line[..HISTORY].copy_from_slice(history);
    for (slot, sample) in line[HISTORY..].iter_mut().zip(block) {
        *slot = f32::from(sample);
    }
    history.copy_from_slice(&line[length..length + HISTORY]);
    line
}

/// 8 to 16 kHz.
#[derive(Clone, Debug)]
pub struct Upsampler8To16 {
    history: [f32; HISTORY],
}

impl Upsampler8To16 {
    /// Delay, µs.
    pub const DELAY_US: u32 = 2_438;

    /// Begins after silence.
    pub const fn new() -> Self {
        Self { history: [0.0; HISTORY] }
    }

    /// Forgets what came before, as at a new stream.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// One frame.
    pub fn process(&mut self, frame: &Frame) -> WideFrame {
        let mut wide = WideFrame::SILENCE;
        self.process_slice(&frame.0, &mut wide.0);
        wide
    }

    /// Any number of samples; `out` takes twice as many, and what does not fit is not treated.
    pub fn process_slice(&mut self, samples: &[i16], out: &mut [i16]) {
        for (block, out) in samples.chunks(BLOCK).zip(out.chunks_mut(2 * BLOCK)) {
            let length = block.len().min(out.len() / 2);
            let line = line_of(&mut self.history, block[..length].iter().copied(), length);
            let mut filtered = [0f32; BLOCK];
            filter(&line, &mut filtered);
            for ((pair, &sum), &delayed) in
                out.chunks_exact_mut(2).zip(&filtered).zip(&line[HISTORY - CENTRE..]).take(length)
            {
                pair[0] = to_sample(sum);
                pair[1] = to_sample(delayed);
            }
        }
    }
}

impl Default for Upsampler8To16 {
    fn default() -> Self {
        Self::new()
    }
}

/// 16 to 8 kHz.
#[derive(Clone, Debug)]
pub struct Downsampler16To8 {
    odd: [f32; HISTORY],
    even: [f32; HISTORY],
}

impl Downsampler16To8 {
    /// Delay, µs.
    pub const DELAY_US: u32 = 2_375;

    /// Begins after silence.
    pub const fn new() -> Self {
        Self { odd: [0.0; HISTORY], even: [0.0; HISTORY] }
    }

    /// Forgets what came before, as at a new stream.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// One frame.
    pub fn process(&mut self, wide: &WideFrame) -> Frame {
        let mut frame = Frame::SILENCE;
        self.process_slice(&wide.0, &mut frame.0);
        frame
    }

    /// An even number of samples; `out` takes half as many, and what does not fit is not treated.
    pub fn process_slice(&mut self, samples: &[i16], out: &mut [i16]) {
        for (block, out) in samples.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
            let length = (block.len() / 2).min(out.len());
            let block = &block[..2 * length];
            let odd = line_of(&mut self.odd, block.iter().skip(1).step_by(2).copied(), length);
            let even = line_of(&mut self.even, block.iter().step_by(2).copied(), length);
            let mut filtered = [0f32; BLOCK];
            filter(&odd, &mut filtered);
            for ((sample, &sum), &delayed) in out.iter_mut().zip(&filtered).zip(&even[HISTORY - CENTRE..]).take(length)
            {
                *sample = to_sample(0.5 * (sum + delayed));
            }
        }
    }
}

impl Default for Downsampler16To8 {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = assert!(WIDE_FRAME_SAMPLES == 2 * FRAME_SAMPLES);

#[cfg(test)]
mod tests {
    use super::super::measure::{delay_ms, level_db, sine};
    use super::*;

    fn up(samples: &[i16]) -> Vec<i16> {
        let mut out = vec![0; samples.len() * 2];
        Upsampler8To16::new().process_slice(samples, &mut out);
        out
    }

    fn down(samples: &[i16]) -> Vec<i16> {
        let mut out = vec![0; samples.len() / 2];
        Downsampler16To8::new().process_slice(samples, &mut out);
        out
    }

    /// Worst of the levels that `of` gives over frequencies of `from` to `to` Hz in steps of 50.
    fn worst(from: u32, to: u32, mut of: impl FnMut(f64) -> f64, pick: fn(f64, f64) -> f64) -> f64 {
        (from..=to).step_by(50).map(|hz| of(f64::from(hz))).reduce(pick).unwrap()
    }

    #[test]
    fn delay_is_under_three_ms_and_as_stated() {
        let mut click = vec![0i16; 800];
        click[400] = 20_000;
        let up_ms = delay_ms(&up(&click), 16_000, 400.0 / 8.0);
        let down_ms = delay_ms(&down(&click), 8_000, 400.0 / 16.0);
        println!("delay: 8->16 kHz {up_ms:.3} ms, 16->8 kHz {down_ms:.3} ms");
        assert!((up_ms - f64::from(Upsampler8To16::DELAY_US) / 1000.0).abs() < 0.01, "{up_ms}");
        assert!((down_ms - f64::from(Downsampler16To8::DELAY_US) / 1000.0).abs() < 0.01, "{down_ms}");
        assert!(up_ms < 3.0 && down_ms < 3.0);
    }

    #[test]
    fn flat_to_3_4_khz() {
        let up_gain = |hz| level_db(&up(&sine(hz, 8_000, 30_000.0)), hz, 16_000, 30_000.0);
        let down_gain = |hz| level_db(&down(&sine(hz, 16_000, 30_000.0)), hz, 8_000, 30_000.0);
        for (name, low, high) in [
            ("8->16", worst(100, 3_400, up_gain, f64::min), worst(100, 3_400, up_gain, f64::max)),
            ("16->8", worst(100, 3_400, down_gain, f64::min), worst(100, 3_400, down_gain, f64::max)),
        ] {
            println!("pass-band {name} kHz, 100 to 3400 Hz: {low:+.4} to {high:+.4} dB");
            assert!(low > -0.01 && high < 0.01, "{name}: {low} {high}");
        }
    }

    #[test]
    fn images_and_aliases_are_80_db_down() {
        let image = |hz: f64| level_db(&up(&sine(hz, 8_000, 30_000.0)), 8_000.0 - hz, 16_000, 30_000.0);
        let alias = |hz: f64| level_db(&down(&sine(hz, 16_000, 30_000.0)), 8_000.0 - hz, 8_000, 30_000.0);
        let (worst_image, worst_alias) = (worst(100, 3_400, image, f64::max), worst(4_600, 7_900, alias, f64::max));
        println!(
            "worst image of 100 to 3400 Hz: {worst_image:.1} dB; worst alias of 4600 to 7900 Hz: {worst_alias:.1} dB"
        );
        println!("alias of 5 kHz: {:.1} dB", alias(5_000.0));
        assert!(worst_image < -80.0 && worst_alias < -80.0, "{worst_image} {worst_alias}");
    }

    #[test]
    fn the_cut_of_the_stream_is_not_heard() {
        let mut random = fastrand::Rng::with_seed(5);
        let samples: Vec<i16> = (0..4_000).map(|_| random.i16(..)).collect();
        let (whole_up, whole_down) = (up(&samples), down(&samples));
        let (mut upsampler, mut downsampler) = (Upsampler8To16::new(), Downsampler16To8::new());
        let (mut cut_up, mut cut_down) = (Vec::new(), Vec::new());
        let mut rest = samples.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((2 * random.usize(0..200)).min(rest.len()));
            let mut wide = vec![0; piece.len() * 2];
            upsampler.process_slice(piece, &mut wide);
            cut_up.extend(wide);
            let mut narrow = vec![0; piece.len() / 2];
            downsampler.process_slice(piece, &mut narrow);
            cut_down.extend(narrow);
            rest = after;
        }
        assert_eq!(cut_up, whole_up);
        assert_eq!(cut_down, whole_down);
        upsampler.reset();
        assert_eq!(upsampler.process(&Frame::SILENCE), WideFrame::SILENCE);
    }

    #[test]
    fn full_amplitude_saturates_and_never_wraps() {
        let square: Vec<i16> = (0..800).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        for (wide, index) in up(&square)[200..].chunks(40).zip(0..) {
            let mean = wide.iter().map(|&s| i32::from(s)).sum::<i32>() / wide.len() as i32;
            assert!(mean.abs() > 15_000 || index == 0, "half-wave {index} has a mean of {mean}");
        }
        assert_eq!(down(&[i16::MAX; 640])[200..], [i16::MAX; 120]);
        assert_eq!(down(&[i16::MIN; 640])[200..], [i16::MIN; 120]);
    }
}
