//! How loud audio is: RMS level in dB of full scale, and the peak. Not a loudness by hearing (no ITU-R BS.1770 weighting).

/// Level that stands for silence, dBFS. Nothing is reported below it.
pub const SILENCE_DBFS: f32 = -100.0;

/// RMS level, dBFS. A square wave of full amplitude is 0, a sine -3.01; no samples are silence.
pub fn dbfs(samples: &[i16]) -> f32 {
    let mut meter = Meter::default();
    meter.push(samples);
    meter.dbfs()
}

/// Largest magnitude, 0 to 32768.
pub fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

/// RMS level over all that was pushed since the start or the last [`Meter::take_dbfs`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    sum_of_squares: u64,
    samples: u64,
}

impl Meter {
    /// Takes in more samples.
    pub fn push(&mut self, samples: &[i16]) {
        let squares: u64 = samples.iter().map(|&sample| u64::from(i32::from(sample).pow(2).cast_unsigned())).sum();
        self.sum_of_squares = self.sum_of_squares.saturating_add(squares);
        self.samples = self.samples.saturating_add(samples.len() as u64);
    }

    /// Level so far, dBFS.
    pub fn dbfs(&self) -> f32 {
        if self.sum_of_squares == 0 {
            return SILENCE_DBFS;
        }
        let mean = self.sum_of_squares as f64 / self.samples as f64;
        ((10.0 * (mean / (32_768.0 * 32_768.0)).log10()) as f32).max(SILENCE_DBFS)
    }

    /// Level so far, dBFS; starts anew.
    pub fn take_dbfs(&mut self) -> f32 {
        let level = self.dbfs();
        *self = Self::default();
        level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 0.01
    }

    #[test]
    fn known_levels() {
        let sine: Vec<i16> =
            (0..800).map(|n| (32_767.0 * (n as f64 * std::f64::consts::TAU / 80.0).sin()).round() as i16).collect();
        assert!(near(dbfs(&sine), -3.01), "{}", dbfs(&sine));
        assert!(near(dbfs(&[i16::MIN; 160]), 0.0));
        assert!(near(dbfs(&[3277, -3277]), -20.0));
        assert_eq!(dbfs(&[0; 160]), SILENCE_DBFS);
        assert_eq!(dbfs(&[]), SILENCE_DBFS);
        assert_eq!(dbfs(&[1]), -20.0 * 32_768f32.log10());
    }

    #[test]
    fn the_meter_averages_power_and_starts_anew() {
        let mut meter = Meter::default();
        meter.push(&[3277; 160]);
        meter.push(&[0; 160]);
        assert!(near(meter.take_dbfs(), -23.01));
        assert_eq!(meter.dbfs(), SILENCE_DBFS);
    }

    #[test]
    fn the_peak_of_the_lowest_sample() {
        assert_eq!(peak(&[1, -5, 3]), 5);
        assert_eq!(peak(&[i16::MIN]), 32_768);
        assert_eq!(peak(&[]), 0);
    }
}
