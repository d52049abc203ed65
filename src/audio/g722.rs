//! G.722 at 64 kbit/s as the calls' 8 kHz sees it: the lower of its two bands, read alone; what is sent is widened first, its
//! upper band empty. By `audio-codec` (a port of libg722; interoperates, not bit-exact with the ITU's; its own mode for
//! 8 kHz writes wrong codes).
//!
//! Adaptive: each packet changes how the next one reads. A lost one is heard as its own gap and some noise after it.

use audio_codec::g722::{Bitrate, G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

/// Reads one stream.
pub struct Decoder(Box<G722Decoder>);

impl Default for Decoder {
    fn default() -> Self {
        Self(Box::new(G722Decoder::with_options(Bitrate::Mode1_64000, false, true)))
    }
}

impl Decoder {
    /// Decodes as many bytes as fit into `samples`, one sample a byte; returns how many.
    pub fn decode(&mut self, bytes: &[u8], samples: &mut [i16]) -> usize {
        let length = bytes.len().min(samples.len());
        self.0.decode_into(&bytes[..length], &mut samples[..length]).unwrap_or(0)
    }
}

/// Writes one stream.
#[derive(Default)]
pub struct Encoder(Box<G722Encoder>);

impl Encoder {
    /// Encodes samples of 16 kHz; returns how many bytes, one for two of them.
    pub fn encode(&mut self, wide: &[i16], bytes: &mut [u8]) -> usize {
        self.0.encode_into(wide, bytes).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frame;
    use super::super::resample::Upsampler8To16;
    use super::*;

    fn tone(length: usize) -> Vec<i16> {
        (0..length).map(|n| (8000.0 * (n as f32 * 500.0 / 8000.0 * std::f32::consts::TAU).sin()) as i16).collect()
    }

    /// Of the part of `heard` that fits `said` best within 10 ms, signal over difference, dB.
    fn likeness(said: &[i16], heard: &[i16], per_ms: usize) -> f32 {
        let from = said.len() / 2;
        let length = said.len() / 4;
        (0..10 * per_ms)
            .map(|delay| {
                let power: f32 = said[from..from + length].iter().map(|s| f32::from(*s).powi(2)).sum();
                let error: f32 = said[from..from + length]
                    .iter()
                    .zip(&heard[from + delay..])
                    .map(|(a, b)| (f32::from(*a) - f32::from(*b)).powi(2))
                    .sum();
                10.0 * (power / error.max(1.0)).log10()
            })
            .fold(f32::MIN, f32::max)
    }

    #[test]
    fn what_is_said_is_heard() {
        let said = tone(8000);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let mut widen = Upsampler8To16::new();
        let mut heard = Vec::new();
        for frame in Frame::split(&said) {
            let (mut bytes, mut samples) = ([0; 160], [0; 160]);
            assert_eq!(encoder.encode(&widen.process(&frame).0, &mut bytes), 160);
            assert_eq!(decoder.decode(&bytes, &mut samples), 160);
            heard.extend(samples);
        }
        let likeness = likeness(&said, &heard, 8);
        assert!(likeness > 15.0, "{likeness} dB");
    }

    #[test]
    fn wideband_sides_understand_it_both_ways() {
        let wide: Vec<i16> = (0..16_000)
            .map(|n| (8000.0 * (n as f32 * 500.0 / 16_000.0 * std::f32::consts::TAU).sin()) as i16)
            .collect();
        let narrow = tone(8000);
        // Theirs at 16 kHz, read by us.
        let mut bytes = vec![0; 8001];
        let length = G722Encoder::new().encode_into(&wide, &mut bytes).unwrap();
        let mut heard = vec![0; 8000];
        assert_eq!((length, Decoder::default().decode(&bytes[..length], &mut heard)), (8000, 8000));
        let said = likeness(&narrow, &heard, 8);
        assert!(said > 15.0, "{said} dB");
        // Ours, read by them.
        let (mut encoder, mut bytes) = (Encoder::default(), vec![0; 8000]);
        let mut widen = Upsampler8To16::new();
        for (frame, bytes) in Frame::split(&narrow).zip(bytes.chunks_mut(160)) {
            encoder.encode(&widen.process(&frame).0, bytes);
        }
        let mut heard = vec![0; 16_000];
        assert_eq!(G722Decoder::new().decode_into(&bytes, &mut heard).unwrap(), 16_000);
        let said = likeness(&wide, &heard, 16);
        assert!(said > 15.0, "{said} dB");
    }
}
