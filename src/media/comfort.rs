//! Comfort noise (RFC 3389): what is heard while the other side says that it sends nothing. Of its packets the level is
//! followed; the spectrum is left white.

use crate::audio::frame::Frame;
use crate::audio::mix;

/// Louder noise is played at this, dBov: no level that a packet names may be a nuisance.
const LOUDEST: f32 = -35.0;
/// Softer noise is silence, dBov.
const SOFTEST: f32 = -78.0;

/// Noise of one stream.
pub struct ComfortNoise {
    /// Greatest sample, while there is a pause.
    amplitude: Option<f32>,
    random: fastrand::Rng,
}

impl ComfortNoise {
    /// No pause.
    pub fn new(seed: u64) -> Self {
        Self { amplitude: None, random: fastrand::Rng::with_seed(seed) }
    }

    /// A packet of comfort noise; its first byte is the level in -dBov.
    pub fn begin(&mut self, payload: &[u8]) {
        let level = payload.first().map_or(f32::MIN, |level| -f32::from(level & 0x7f));
        // The greatest of evenly spread samples is the root of 3 over their mean power's root.
        let amplitude = 32_768.0 * mix::db_to_gain(level.min(LOUDEST)) * 3f32.sqrt();
        self.amplitude = (level >= SOFTEST).then_some(amplitude);
    }

    /// Something is said again.
    pub fn end(&mut self) {
        self.amplitude = None;
    }

    /// 20 ms of it into a frame in which nothing is heard.
    pub fn fill(&mut self, frame: &mut Frame) {
        if let Some(amplitude) = self.amplitude {
            frame.0.fill_with(|| mix::to_sample(amplitude * (2.0 * self.random.f32() - 1.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::loudness;

    #[test]
    fn as_loud_as_was_said_and_never_loud() {
        // Level byte; what is heard, dBFS. (`loudness` is relative to a full square wave, as dBov.)
        for (level, expected) in
            [(40, Some(-40.0)), (60, Some(-60.0)), (3, Some(-35.0)), (127, None), (0x80 | 50, Some(-50.0))]
        {
            let mut noise = ComfortNoise::new(1);
            noise.begin(&[level, 0, 0]);
            let mut frame = Frame::SILENCE;
            noise.fill(&mut frame);
            match expected {
                Some(expected) => {
                    let heard = loudness::dbfs(&frame.0);
                    assert!((heard - expected).abs() < 2.0, "{level}: {heard}");
                }
                None => assert_eq!(frame, Frame::SILENCE),
            }
            noise.end();
            let mut frame = Frame::SILENCE;
            noise.fill(&mut frame);
            assert_eq!(frame, Frame::SILENCE);
        }
        let mut noise = ComfortNoise::new(1);
        noise.begin(&[]);
        let mut frame = Frame::SILENCE;
        noise.fill(&mut frame);
        assert_eq!(frame, Frame::SILENCE);
    }
}
