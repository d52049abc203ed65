//! Makes all voices equally loud on the line, and begins at once: leading silence goes, level is set from the first half
//! second of speech, peaks are bent rather than clipped.

use crate::engine::synthesiser::RATE_HZ;

/// Level of the speaking parts, dB of full scale.
pub const TARGET_DBFS: f32 = -20.0;
const MOST_GAIN_DB: f32 = 18.0;
const BLOCK: usize = RATE_HZ as usize / 100;
/// Blocks below this level do not count as speech: -46 dBFS.
const SPEECH_RMS: f32 = 0.005;
/// Speech from which the level is judged: 0.5 s.
const JUDGED_BLOCKS: usize = 50;
/// What is kept before the first sound: 20 ms.
const KEPT_BLOCKS: usize = 2;
const KNEE: f32 = 0.7;

/// Works on one utterance, piece by piece, at 8 kHz.
#[derive(Debug, Default)]
pub struct Leveller {
    held: Vec<f32>,
    begun: bool,
    gain: Option<f32>,
}

impl Leveller {
    /// Takes samples of -1 to 1 and gives back what is ready; nothing until there is speech to judge by.
    pub fn push(&mut self, samples: &[f32]) -> Vec<i16> {
        self.held.extend_from_slice(samples);
        self.trim();
        if !self.begun {
            return Vec::new();
        }
        if self.gain.is_none() {
            let speaking = speaking_blocks(&self.held);
            if speaking.len() < JUDGED_BLOCKS {
                return Vec::new();
            }
            self.gain = Some(gain(&speaking));
        }
        self.release()
    }

    /// Gives back the rest.
    pub fn finish(&mut self) -> Vec<i16> {
        if !self.begun {
            self.held.clear();
        }
        self.gain.get_or_insert_with(|| gain(&speaking_blocks(&self.held)));
        self.release()
    }

    fn trim(&mut self) {
        if self.begun {
            return;
        }
        let first = self.held.chunks_exact(BLOCK).position(|block| rms(block) >= SPEECH_RMS);
        let blocks = self.held.len() / BLOCK;
        let cut = first.unwrap_or(blocks).saturating_sub(KEPT_BLOCKS);
        self.begun = first.is_some();
        self.held.drain(..cut * BLOCK);
    }

    fn release(&mut self) -> Vec<i16> {
        let gain = self.gain.unwrap_or(1.0);
        self.held.drain(..).map(|sample| (bend(sample * gain) * 32767.0) as i16).collect()
    }
}

/// A whole utterance.
pub fn level(samples: &[f32]) -> Vec<i16> {
    let mut leveller = Leveller { held: samples.to_vec(), ..Leveller::default() };
    leveller.trim();
    leveller.finish()
}

fn rms(block: &[f32]) -> f32 {
    (block.iter().map(|s| s * s).sum::<f32>() / block.len().max(1) as f32).sqrt()
}

fn speaking_blocks(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(BLOCK).map(rms).filter(|level| *level >= SPEECH_RMS).collect()
}

fn gain(speaking: &[f32]) -> f32 {
    if speaking.is_empty() {
        return 1.0;
    }
    let level = (speaking.iter().map(|l| l * l).sum::<f32>() / speaking.len() as f32).sqrt();
    let most = 10_f32.powf(MOST_GAIN_DB / 20.0);
    (10_f32.powf(TARGET_DBFS / 20.0) / level).clamp(1.0 / most, most)
}

fn bend(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 { sample } else { (KNEE + (1.0 - KNEE) * (over / (1.0 - KNEE)).tanh()).copysign(sample) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::loudness;

    fn tone(amplitude: f32, ms: usize) -> Vec<f32> {
        (0..ms * 8).map(|n| amplitude * (n as f32 * 0.5).sin()).collect()
    }

    #[test]
    fn loud_and_quiet_voices_come_out_alike_in_pieces_or_whole() {
        for amplitude in [0.04_f32, 0.2, 0.9] {
            let mut voice = vec![0.0; 8000];
            voice.extend(tone(amplitude, 1500));
            let mut leveller = Leveller::default();
            let mut out = Vec::new();
            for piece in voice.chunks(777) {
                out.extend(leveller.push(piece));
            }
            out.extend(leveller.finish());
            for all in [out, level(&voice)] {
                let dbfs = loudness::dbfs(&all[400..]);
                assert!((dbfs - TARGET_DBFS).abs() < 0.7, "amplitude {amplitude}: {dbfs} dBFS");
                // A second of silence went, 20 ms and at most a block of it stayed.
                assert!((12_000..=12_000 + 4 * BLOCK).contains(&all.len()), "{} samples", all.len());
            }
        }
    }

    #[test]
    fn silence_gives_nothing_and_a_short_word_is_not_lost() {
        assert_eq!(level(&[0.0; 5000]), Vec::<i16>::new());
        assert!(level(&tone(0.3, 60)).len() >= 480);
    }

    #[test]
    fn peaks_are_bent_and_never_wrap() {
        for sample in [-9.0_f32, -1.0, -0.5, 0.0, 0.5, 1.0, 9.0] {
            let bent = bend(sample);
            assert!(bent.abs() <= 1.0 && bent.signum() == sample.signum());
        }
        assert_eq!(bend(0.5), 0.5);
    }
}
