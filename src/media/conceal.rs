//! What to play where audio is missing: the last pitch periods again, fading to silence, merged into what comes after.
//!
//! After ITU-T G.711 Appendix I (pitch 66 to 200 Hz, one period for 10 ms, then two, then three, 20 % less each 10 ms, silence
//! after 60 ms), without its 3.75 ms of delay: the step at the start of a loss is levelled by a short ramp instead.

use super::stretch::dot;

/// Shortest and longest pitch period, samples at 8 kHz.
const PERIOD_MIN: usize = 40;
const PERIOD_MAX: usize = 120;
/// Stretch over which periods are compared: 20 ms.
const WINDOW: usize = 160;
/// Three longest periods and a quarter.
const HISTORY: usize = 3 * PERIOD_MAX + PERIOD_MAX / 4;
/// Samples of concealment before it begins to fade, and after which a further period is taken in: 10 ms.
const STEP: usize = 80;
/// Samples of concealment after which it is silent: 60 ms.
const SILENT_AFTER: usize = 480;
/// Longest merge into the audio after a loss: 10 ms.
const MERGE_MAX: usize = 80;

/// Where the concealer stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Erasure {
    /// Audio is coming in.
    None,
    /// Audio is missing.
    Running {
        /// Samples concealed since the loss began.
        lost: usize,
        /// Pitch period, samples.
        period: usize,
        /// Step between the last true sample and the first repeated one.
        step: f32,
    },
    /// Audio is back and being merged.
    Merging {
        lost: usize,
        period: usize,
        step: f32,
        /// Samples merged, of how many.
        done: usize,
        length: usize,
    },
}

/// Concealment of one stream of samples at 8 kHz. Feed it everything that is played, in order.
pub struct Concealer {
    /// The last samples given out.
    history: [i16; HISTORY],
    /// The history as it was when the loss began.
    source: [f32; HISTORY],
    erasure: Erasure,
}

impl Default for Concealer {
    fn default() -> Self {
        Self::new()
    }
}

impl Concealer {
    /// Nothing was played yet: concealment is silence.
    pub fn new() -> Self {
        Self { history: [0; HISTORY], source: [0.0; HISTORY], erasure: Erasure::None }
    }

    /// True samples, of any number. After a loss their beginning is merged with the concealment.
    pub fn good(&mut self, samples: &mut [i16]) {
        if let Erasure::Running { lost, period, step } = self.erasure {
            let length = (period / 4 + 32 * (lost / STEP)).min(MERGE_MAX);
            self.erasure = Erasure::Merging { lost, period, step, done: 0, length };
        }
        if let Erasure::Merging { lost, period, step, done, length } = self.erasure {
            let part = samples.len().min(length - done);
            for (index, sample) in samples[..part].iter_mut().enumerate() {
                let weight = (done + index + 1) as f32 / (length + 1) as f32;
                let old = self.synthetic(lost + done + index, period, step);
                *sample = (old + (f32::from(*sample) - old) * weight) as i16;
            }
            self.erasure = if done + part == length {
                Erasure::None
            } else {
                Erasure::Merging { lost, period, step, done: done + part, length }
            };
        }
        self.remember(samples);
    }

    /// Missing samples, of any number. With none, only announces that the next true samples do not follow on the last.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let (lost, period, step) = match self.erasure {
            Erasure::Running { lost, period, step } => (lost, period, step),
            // A merge that is cut short starts anew from what was played.
            Erasure::None | Erasure::Merging { .. } => self.begin(),
        };
        for (index, sample) in out.iter_mut().enumerate() {
            *sample = self.synthetic(lost + index, period, step) as i16;
        }
        // Far beyond silence nothing changes any more: the count stays small.
        let lost = (lost + out.len()).min(2 * SILENT_AFTER);
        self.erasure = Erasure::Running { lost, period, step };
        self.remember(out);
    }

    /// True when the present loss has lasted so long that silence is played.
    pub fn is_silent(&self) -> bool {
        matches!(self.erasure, Erasure::Running { lost, .. } if lost >= SILENT_AFTER)
    }

    fn begin(&mut self) -> (usize, usize, f32) {
        for (value, &sample) in self.source.iter_mut().zip(&self.history) {
            *value = f32::from(sample);
        }
        let period = pitch_period(&self.source);
        let step = self.source[HISTORY - 1] - self.source[HISTORY - 1 - period];
        (0, period, step)
    }

    /// Sample number `index` of the concealment.
    fn synthetic(&self, index: usize, period: usize, step: f32) -> f32 {
        if index >= SILENT_AFTER {
            return 0.0;
        }
        let quarter = period / 4;
        let periods = (index / STEP + 1).min(3);
        let mut value = self.repeated(index, period, periods);
        // A further period was taken in at each of the first two steps: cross over from the old cycle.
        let since = index % STEP;
        if (1..3).contains(&(index / STEP)) && since < quarter {
            let weight = (since + 1) as f32 / (quarter + 1) as f32;
            let old = self.repeated(index, period, periods - 1);
            value = old + (value - old) * weight;
        }
        if index < quarter {
            value += step * (1.0 - (index + 1) as f32 / (quarter + 1) as f32);
        }
        let faded = index.saturating_sub(STEP) as f32 / (SILENT_AFTER - STEP) as f32;
        value * (1.0 - faded)
    }

    /// The last `periods` periods as an endless cycle without a step at its seam.
    fn repeated(&self, index: usize, period: usize, periods: usize) -> f32 {
        let quarter = period / 4;
        let cycle = period * periods;
        let start = HISTORY - cycle;
        let phase = index % cycle;
        let value = self.source[start + phase];
        match (phase + quarter).checked_sub(cycle) {
            // The end of the cycle leads to what came before its start.
            Some(seam) => {
                let weight = (seam + 1) as f32 / (quarter + 1) as f32;
                value + (self.source[start - quarter + seam] - value) * weight
            }
            None => value,
        }
    }

    fn remember(&mut self, samples: &[i16]) {
        let kept = samples.len().min(HISTORY);
        self.history.copy_within(kept.., 0);
        self.history[HISTORY - kept..].copy_from_slice(&samples[samples.len() - kept..]);
    }
}

/// The shift at which the last 20 ms are most like what came before.
fn pitch_period(history: &[f32; HISTORY]) -> usize {
    let newest = &history[HISTORY - WINDOW..];
    let mut best = (f32::MIN, PERIOD_MIN);
    for shift in PERIOD_MIN..=PERIOD_MAX {
        let older = &history[HISTORY - WINDOW - shift..HISTORY - shift];
        let likeness = dot(newest, older) / (1.0 + dot(older, older)).sqrt();
        if likeness > best.0 {
            best = (likeness, shift);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vowel: pulses of `period` samples through two decaying resonances.
    fn vowel(period: f32, length: usize) -> Vec<i16> {
        (0..length)
            .map(|n| {
                let t = (n as f32 % period) / 8000.0;
                let ring = (-t * 300.0).exp() * (2.0 * std::f32::consts::PI * 700.0 * t).sin()
                    + 0.5 * (-t * 400.0).exp() * (2.0 * std::f32::consts::PI * 1200.0 * t).sin();
                (ring * 9000.0) as i16
            })
            .collect()
    }

    fn snr_db(truth: &[i16], played: &[i16]) -> f32 {
        let signal: f32 = truth.iter().map(|&s| f32::from(s).powi(2)).sum();
        let noise: f32 = truth.iter().zip(played).map(|(&a, &b)| (f32::from(a) - f32::from(b)).powi(2)).sum();
        10.0 * (signal / noise.max(1.0)).log10()
    }

    #[test]
    fn a_lost_frame_of_a_vowel_is_close_to_the_true_one() {
        // Pitches of 200, 133, 100, 80 and 67 Hz, some with no whole number of samples.
        for period in [40.0, 60.0, 80.0, 100.0, 119.0] {
            let truth = vowel(period, 1600);
            let mut played = truth.clone();
            let mut concealer = Concealer::new();
            concealer.good(&mut played[..960]);
            concealer.conceal(&mut played[960..1120]);
            concealer.good(&mut played[1120..]);
            let first = snr_db(&truth[960..1040], &played[960..1040]);
            let second = snr_db(&truth[1040..1120], &played[1040..1120]);
            assert!(first > 20.0, "period {period}: first 10 ms {first} dB");
            assert!(second > 10.0, "period {period}: second 10 ms {second} dB, faded by 20 % at its end");
            assert_eq!(truth[1300..], played[1300..], "true audio after the merge");
        }
    }

    #[test]
    fn block_length_makes_no_difference() {
        let truth = vowel(73.0, 1600);
        let (mut whole, mut pieces) = (truth.clone(), truth.clone());
        let mut concealer = Concealer::new();
        concealer.good(&mut whole[..800]);
        concealer.conceal(&mut whole[800..1100]);
        concealer.good(&mut whole[1100..]);
        let mut concealer = Concealer::new();
        pieces[..800].chunks_mut(7).for_each(|piece| concealer.good(piece));
        pieces[800..1100].chunks_mut(13).for_each(|piece| concealer.conceal(piece));
        pieces[1100..].chunks_mut(11).for_each(|piece| concealer.good(piece));
        assert_eq!(whole, pieces);
    }

    #[test]
    fn a_long_loss_fades_to_silence_and_back_in() {
        let mut concealer = Concealer::new();
        concealer.good(&mut vowel(80.0, 800));
        let mut lost = [0i16; 800];
        concealer.conceal(&mut lost[..400]);
        assert!(!concealer.is_silent());
        concealer.conceal(&mut lost[400..]);
        assert!(concealer.is_silent());
        let level = |part: &[i16]| part.iter().map(|&s| i32::from(s).abs()).max().unwrap_or(0);
        assert!(level(&lost[..80]) > 2 * level(&lost[320..400]));
        assert_eq!(level(&lost[480..]), 0);
        let mut back = [1000i16; 160];
        concealer.good(&mut back);
        assert!(back[0] < 50 && back[40] < 600 && back[100] == 1000);
        assert!(!concealer.is_silent());
    }

    #[test]
    fn the_edges_of_a_loss_have_no_clicks() {
        let truth = vowel(83.7, 1600);
        let steepest = truth.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
        for at in (800..900).step_by(9) {
            let mut played = truth.clone();
            let mut concealer = Concealer::new();
            concealer.good(&mut played[..at]);
            concealer.conceal(&mut played[at..at + 320]);
            concealer.good(&mut played[at + 320..]);
            for edge in [at, at + 320] {
                let step = (i32::from(played[edge]) - i32::from(played[edge - 1])).abs();
                assert!(step <= steepest, "step of {step} at {edge}, steepest of the vowel {steepest}");
            }
        }
    }

    #[test]
    fn silence_and_full_scale_are_met() {
        let mut concealer = Concealer::new();
        let mut out = [5i16; 200];
        concealer.conceal(&mut out);
        assert_eq!(out, [0; 200]);
        concealer.good(&mut [i16::MIN; 500]);
        concealer.conceal(&mut out);
        concealer.conceal(&mut []);
        concealer.good(&mut [i16::MAX; 500]);
        concealer.conceal(&mut out);
        assert!(out[..40].iter().all(|&s| s > 30_000));
    }
}
