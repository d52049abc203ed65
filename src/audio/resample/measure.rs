//! Tones in and levels out, for the resamplers' tests.

use std::f64::consts::TAU;

/// Two seconds of a sine.
pub fn sine(hz: f64, rate_hz: u32, amplitude: f64) -> Vec<i16> {
    (0..2 * rate_hz)
        .map(|n| (amplitude * (TAU * hz * f64::from(n) / f64::from(rate_hz)).sin()).round() as i16)
        .collect()
}

/// Level of the sine of `hz` within `samples`, dB relative to a sine of `amplitude`. Measured over one second after the
/// first quarter second, so that `hz` must be whole.
pub fn level_db(samples: &[i16], hz: f64, rate_hz: u32, amplitude: f64) -> f64 {
    let second = &samples[rate_hz as usize / 4..][..rate_hz as usize];
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, &sample) in second.iter().enumerate() {
        let (sin, cos) = (TAU * hz * n as f64 / f64::from(rate_hz)).sin_cos();
        real += f64::from(sample) * cos;
        imaginary += f64::from(sample) * sin;
    }
    let found = 2.0 * real.hypot(imaginary) / f64::from(rate_hz);
    20.0 * (found.max(1e-6) / amplitude).log10()
}

/// Delay of the response to a click that was sent at `sent_ms`: its centre of gravity, ms.
pub fn delay_ms(response: &[i16], rate_hz: u32, sent_ms: f64) -> f64 {
    let weight: f64 = response.iter().map(|&sample| f64::from(sample)).sum();
    let moment: f64 = response.iter().enumerate().map(|(n, &sample)| n as f64 * f64::from(sample)).sum();
    moment / weight * 1000.0 / f64::from(rate_hz) - sent_ms
}
