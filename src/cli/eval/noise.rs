//! Noises by the sample: white, pink and babble. Seeded, so that two engines hear the same.

use clap::ValueEnum;

/// What is laid under the speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NoiseKind {
    /// The same power at every frequency.
    #[default]
    White,
    /// The same power in every octave.
    Pink,
    /// Many voices of the set itself, at once.
    Babble,
}

impl NoiseKind {
    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Pink => "pink",
            Self::Babble => "babble",
        }
    }
}

/// Voices that make a babble.
const VOICES: usize = 8;

/// White noise of a deviation of 1: the sum of twelve even numbers is near enough to a normal one.
pub fn white(random: &mut fastrand::Rng) -> f32 {
    (0..12).map(|_| random.f32()).sum::<f32>() - 6.0
}

/// Pink noise by the Voss-McCartney way: rows of numbers that change half as often each, and one that always does.
#[derive(Clone, Debug)]
pub struct Pink {
    rows: [f32; Self::ROWS],
    count: u32,
}

impl Pink {
    const ROWS: usize = 12;

    /// Warm at once.
    pub fn new(random: &mut fastrand::Rng) -> Self {
        let mut rows = [0.0; Self::ROWS];
        rows.iter_mut().for_each(|row| *row = white(random));
        Self { rows, count: 0 }
    }

    /// The next sample, of a deviation of about 1.
    pub fn next(&mut self, random: &mut fastrand::Rng) -> f32 {
        self.count = self.count.wrapping_add(1);
        if let Some(row) = self.rows.get_mut(self.count.trailing_zeros() as usize) {
            *row = white(random);
        }
        let sum: f32 = self.rows.iter().sum::<f32>() + white(random);
        sum / ((Self::ROWS + 1) as f32).sqrt()
    }
}

/// So many samples of a kind, of a power of 1. Babble is made of `voices`, each from a place of its own; without voices it
/// is pink noise.
pub fn make(kind: NoiseKind, length: usize, voices: &[Vec<f32>], random: &mut fastrand::Rng) -> Vec<f32> {
    let mut out: Vec<f32> = match kind {
        NoiseKind::White => (0..length).map(|_| white(random)).collect(),
        NoiseKind::Babble if voices.iter().any(|voice| !voice.is_empty()) => babble(length, voices, random),
        NoiseKind::Pink | NoiseKind::Babble => {
            let mut pink = Pink::new(random);
            (0..length).map(|_| pink.next(random)).collect()
        }
    };
    let power = super::degrade::power(&out);
    let gain = if power > 0.0 { power.sqrt().recip() } else { 0.0 };
    out.iter_mut().for_each(|sample| *sample *= gain);
    out
}

fn babble(length: usize, voices: &[Vec<f32>], random: &mut fastrand::Rng) -> Vec<f32> {
    let mut out = vec![0.0; length];
    let able: Vec<&Vec<f32>> = voices.iter().filter(|voice| !voice.is_empty()).collect();
    for _ in 0..VOICES {
        // The first begins in its middle, so that not all begin at once.
        let (mut at, mut is_first) = (0, true);
        while at < length {
            let voice = able[random.usize(0..able.len())];
            let from = if is_first { random.usize(0..voice.len()) } else { 0 };
            is_first = false;
            let gain = super::degrade::active_power(voice).max(1e-9).sqrt().recip();
            for (sample, more) in out[at..].iter_mut().zip(&voice[from..]) {
                *sample += gain * more;
            }
            at += voice.len() - from;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power of the band around `hz` of 16 kHz, by single frequencies.
    fn band(samples: &[f32], hz: f64) -> f64 {
        let mut power = 0.0;
        for step in -20..=20 {
            let hz = hz * (1.0 + f64::from(step) / 200.0);
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in samples.iter().enumerate() {
                let (sin, cos) = (std::f64::consts::TAU * hz * n as f64 / 16_000.0).sin_cos();
                re += f64::from(*sample) * cos;
                im += f64::from(*sample) * sin;
            }
            power += re * re + im * im;
        }
        power
    }

    #[test]
    fn noises_have_their_power_and_colour_and_come_again() {
        let voices = vec![vec![0.5; 700], vec![-0.25; 300]];
        for kind in [NoiseKind::White, NoiseKind::Pink, NoiseKind::Babble] {
            let made = make(kind, 8000, &voices, &mut fastrand::Rng::with_seed(3));
            assert!((super::super::degrade::power(&made) - 1.0).abs() < 1e-3, "{kind:?}");
            assert_eq!(made, make(kind, 8000, &voices, &mut fastrand::Rng::with_seed(3)));
            assert_ne!(made, make(kind, 8000, &voices, &mut fastrand::Rng::with_seed(4)));
        }
        let tilt = |kind| {
            let made = make(kind, 8000, &[], &mut fastrand::Rng::with_seed(5));
            10.0 * (band(&made, 250.0) / band(&made, 4000.0)).log10()
        };
        assert!(tilt(NoiseKind::White).abs() < 3.0, "{}", tilt(NoiseKind::White));
        // 16 times the frequency: 12 dB.
        assert!((tilt(NoiseKind::Pink) - 12.0).abs() < 4.0, "{}", tilt(NoiseKind::Pink));
    }

    #[test]
    fn babble_without_voices_is_pink_noise() {
        let pink = make(NoiseKind::Pink, 500, &[], &mut fastrand::Rng::with_seed(1));
        assert_eq!(make(NoiseKind::Babble, 500, &[vec![]], &mut fastrand::Rng::with_seed(1)), pink);
    }
}
