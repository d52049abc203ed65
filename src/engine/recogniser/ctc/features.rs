//! Log-mel features of 16 kHz sound, frame by frame, as kaldi-native-fbank computes them for a NeMo model and as
//! `models/recipe/line.py` does in training: 25 ms Hann windows every 10 ms, centred, 80 Slaney filters to 8 kHz.
//!
//! Not here: normalisation (the network has its own) and the reflected last frames of a finished file: a stream is fed
//! silence after its end, so that no frame that matters touches the edge.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use crate::audio::frame::WideFrame;

/// Mel bins.
pub const BINS: usize = 80;
/// Samples from one feature frame to the next: 10 ms.
pub const HOP: usize = 160;
const WINDOW: usize = 400;
const FFT: usize = 512;
/// Samples by which the first window reaches before the sound.
const BEFORE: usize = 120;
const PRE_EMPHASIS: f32 = 0.97;
/// Least energy of a bin: f32's epsilon, as kaldi has it.
const FLOOR: f32 = 1.192_092_9e-7;
const RATE_HZ: f64 = 16_000.0;

/// One mel filter: its first FFT bin and its weights from there on.
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

/// What all streams share: window, filters, transform.
pub struct Features {
    window: [f32; WINDOW],
    filters: Vec<Filter>,
    transform: Arc<dyn RealToComplex<f32>>,
}

/// One stream's sound that has not become features yet, with the room to work in.
pub struct FeatureStream {
    shared: Arc<Features>,
    /// Samples from the start of the next window on.
    samples: Vec<f32>,
    started: bool,
    padded: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Features {
    /// Tables for 16 kHz.
    pub fn new() -> Arc<Self> {
        let turn = 2.0 * std::f64::consts::PI / WINDOW as f64;
        let window = std::array::from_fn(|n| (0.5 - 0.5 * (turn * n as f64).cos()) as f32);
        Arc::new(Self { window, filters: slaney_filters(), transform: RealFftPlanner::new().plan_fft_forward(FFT) })
    }

    /// A stream that has heard nothing.
    pub fn open(self: &Arc<Self>) -> FeatureStream {
        FeatureStream {
            shared: self.clone(),
            samples: Vec::with_capacity(WINDOW + 2 * WideFrame::SILENCE.0.len()),
            started: false,
            padded: self.transform.make_input_vec(),
            spectrum: self.transform.make_output_vec(),
            scratch: self.transform.make_scratch_vec(),
        }
    }
}

impl FeatureStream {
    /// Takes 20 ms in and hands out each feature frame that has become complete.
    pub fn push(&mut self, frame: &WideFrame, out: &mut dyn FnMut(&[f32; BINS])) {
        let scaled = frame.0.iter().map(|sample| f32::from(*sample) / 32768.0);
        if !self.started {
            self.started = true;
            // The first windows see the sound's beginning reflected.
            let mirrored: Vec<f32> = scaled.clone().take(BEFORE).collect();
            self.samples.extend(mirrored.iter().rev());
        }
        self.samples.extend(scaled);
        let mut start = 0;
        while self.samples.len() - start >= WINDOW {
            out(&self.window_at(start));
            start += HOP;
        }
        self.samples.drain(..start);
    }

    /// Forgets the sound.
    pub fn reset(&mut self) {
        self.samples.clear();
        self.started = false;
    }

    fn window_at(&mut self, start: usize) -> [f32; BINS] {
        let samples = &self.samples[start..start + WINDOW];
        let mut before = samples[0];
        for (at, (sample, weight)) in samples.iter().zip(&self.shared.window).enumerate() {
            self.padded[at] = (sample - PRE_EMPHASIS * before) * weight;
            before = *sample;
        }
        self.padded[WINDOW..].fill(0.0);
        let mut bins = [FLOOR.ln(); BINS];
        let transformed =
            self.shared.transform.process_with_scratch(&mut self.padded, &mut self.spectrum, &mut self.scratch);
        if transformed.is_err() {
            return bins; // only for buffers of other lengths, and these were made for it
        }
        for (bin, filter) in bins.iter_mut().zip(&self.shared.filters) {
            let powers = self.spectrum[filter.first..].iter().map(Complex32::norm_sqr);
            let energy: f32 = filter.weights.iter().zip(powers).map(|(weight, power)| weight * power).sum();
            *bin = energy.max(FLOOR).ln();
        }
        bins
    }
}

/// Slaney's mel scale (as librosa has it): linear below 1 kHz, logarithmic above; filters of equal area.
fn slaney_filters() -> Vec<Filter> {
    const LINEAR_HZ: f64 = 200.0 / 3.0;
    let step = 6.4_f64.ln() / 27.0;
    let to_mel = |hz: f64| if hz < 1000.0 { hz / LINEAR_HZ } else { 15.0 + (hz / 1000.0).ln() / step };
    let to_hz = |mel: f64| if mel < 15.0 { mel * LINEAR_HZ } else { 1000.0 * ((mel - 15.0) * step).exp() };
    let top = to_mel(RATE_HZ / 2.0);
    let edges: Vec<f64> = (0..BINS + 2).map(|n| to_hz(top * n as f64 / (BINS + 1) as f64)).collect();
    let filter = |edges: &[f64]| {
        let (low, middle, high) = (edges[0], edges[1], edges[2]);
        let weight = |bin: usize| {
            let hz = bin as f64 * RATE_HZ / FFT as f64;
            ((hz - low) / (middle - low)).min((high - hz) / (high - middle)).max(0.0) * 2.0 / (high - low)
        };
        let used: Vec<usize> = (0..=FFT / 2).filter(|bin| weight(*bin) > 0.0).collect();
        let first = used.first().copied().unwrap_or(0);
        Filter { first, weights: used.iter().map(|bin| weight(*bin) as f32).collect() }
    };
    edges.windows(3).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frame, bin, value: printed by `models/recipe/golden.py`.
    const GOLDEN: &[(usize, usize, f32)] = &include!("golden.in");

    #[test]
    fn are_what_the_recipe_trains_with() {
        // The same sound as in golden.py: two tones, a slow swell and a small pseudo-random noise.
        let mut seed = 1_u32;
        let samples: Vec<i16> = (0..16_000)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(seed >> 16) / 65_536.0 - 0.5;
                let t = f64::from(n) / RATE_HZ;
                let tone = |hz: f64| (2.0 * std::f64::consts::PI * hz * t).sin();
                ((tone(220.0) * 4000.0 + tone(1730.0) * 2000.0) * t + noise * 300.0).round() as i16
            })
            .collect();
        let features = Features::new();
        let mut stream = features.open();
        let mut all = Vec::new();
        for frame in WideFrame::split(&samples) {
            stream.push(&frame, &mut |bins| all.push(*bins));
        }
        assert_eq!(all.len(), 99, "the last window reaches beyond the sound");
        for (frame, bin, expected) in GOLDEN {
            let found = all[*frame][*bin];
            assert!((found - expected).abs() < 2e-3, "frame {frame} bin {bin}: {found}, expected {expected}");
        }
        stream.reset();
        let mut again = Vec::new();
        stream.push(&WideFrame::from_slice(&samples[..320]), &mut |bins| again.push(*bins));
        assert_eq!(again, all[..again.len()]);
    }
}
