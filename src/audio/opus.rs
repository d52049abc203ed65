//! Opus (RFC 6716) at the calls' 8 kHz: the codec itself brings any stream down to it. By `opus-rs`, in Rust, whose decoder
//! equals libopus; pauses are found elsewhere and said by [`NOTHING`].

use opus_rs::{Application, OpusDecoder, OpusEncoder};

const RATE_HZ: i32 = 8000;
/// Bits a second of what we send: narrow-band speech with redundancy for a lost packet.
const BITRATE: i32 = 20_000;
/// Of 10. Above it the ear gains little and the processor loses much.
const COMPLEXITY: i32 = 5;
/// Losses that our redundancy is meant for, per cent.
const EXPECTED_LOSS: i32 = 5;
/// Packet of 20 ms narrow-band in which nothing is sent (RFC 6716 3.1).
pub const NOTHING: u8 = 0x08;
/// Longest packet: 120 ms (RFC 6716 2), samples.
pub const LONGEST: usize = 960;

/// Reads one stream.
pub struct Decoder(Box<OpusDecoder>);

impl Decoder {
    /// `None` where the codec refuses its settings, which it does not.
    pub fn new() -> Option<Self> {
        OpusDecoder::new(RATE_HZ, 1).ok().map(|decoder| Self(Box::new(decoder)))
    }

    /// Decodes a packet; returns how many samples it holds, 0 where it is none of Opus.
    pub fn decode(&mut self, packet: &[u8], samples: &mut [i16]) -> usize {
        let mut out = [0.0; LONGEST];
        match self.0.decode(packet, LONGEST, &mut out) {
            Ok(length) => to_samples(&out[..length.min(LONGEST)], samples),
            Err(_) => 0,
        }
    }

    /// Before [`Self::decode`] of `next`: makes up the samples that were lost right before it, from its redundancy where it
    /// has some. They fill `samples`, whose length must be of whole 2.5 ms; returns how many there are.
    pub fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> usize {
        let mut out = [0.0; LONGEST];
        let length = samples.len().min(LONGEST);
        match self.0.decode_fec(next, length, &mut out) {
            Ok(made) => to_samples(&out[..made.min(length)], samples),
            Err(_) => 0,
        }
    }
}

fn to_samples(from: &[f32], to: &mut [i16]) -> usize {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = (from * 32_768.0).clamp(-32_768.0, 32_767.0) as i16);
    from.len().min(to.len())
}

/// Writes one stream.
pub struct Encoder(Box<OpusEncoder>);

impl Encoder {
    /// `None` where the codec refuses its settings, which it does not.
    pub fn new() -> Option<Self> {
        let mut encoder = OpusEncoder::new(RATE_HZ, 1, Application::Voip).ok()?;
        encoder.bitrate_bps = BITRATE;
        encoder.complexity = COMPLEXITY;
        encoder.use_inband_fec = true;
        encoder.packet_loss_perc = EXPECTED_LOSS;
        Some(Self(Box::new(encoder)))
    }

    /// Encodes 10, 20, 40 or 60 ms; returns the packet's length. Where that fails it says that nothing is said.
    pub fn encode(&mut self, samples: &[i16], packet: &mut [u8]) -> usize {
        match self.0.encode_i16(samples, samples.len(), packet) {
            Ok(length) if length > 0 => length,
            Ok(_) | Err(_) => packet.first_mut().map_or(0, |first| {
                *first = NOTHING;
                1
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::loudness;

    /// Frame n of a vowel-like sound. A pure tone fares worse after a loss than any voice.
    fn vowel(n: usize) -> Vec<i16> {
        let sample = |n: usize| {
            let t = n as f32 / 8000.0 * std::f32::consts::TAU;
            let parts = [(4000.0, 150.0), (3000.0, 300.0), (3000.0, 450.0), (2000.0, 900.0)];
            parts.iter().map(|(level, hz)| level * (t * hz).sin()).sum::<f32>() as i16
        };
        (n * 160..(n + 1) * 160).map(sample).collect()
    }

    #[test]
    fn what_is_said_is_heard_and_a_lost_packet_is_made_up_from_the_next() {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut lost = false;
        for n in 0..100 {
            let (mut packet, mut samples) = ([0; 400], [0; LONGEST]);
            let length = encoder.encode(&vowel(n), &mut packet);
            assert!((10..200).contains(&length), "{n}: {length} bytes");
            if n % 10 == 7 {
                lost = true;
                continue;
            }
            if std::mem::take(&mut lost) {
                assert_eq!(decoder.recover(&packet[..length], &mut samples[..160]), 160);
                // A hole would be -100.
                assert!(loudness::dbfs(&samples[..160]) > -25.0, "{n}: {}", loudness::dbfs(&samples[..160]));
            }
            assert_eq!(decoder.decode(&packet[..length], &mut samples), 160);
            let level = loudness::dbfs(&samples[..160]);
            assert!(n < 5 || (-25.0..-9.0).contains(&level), "{n}: {level}");
        }
    }

    #[test]
    fn packets_of_any_width_and_length_become_8_khz() {
        for (rate, samples) in [(16_000, 320), (48_000, 960), (48_000, 480), (48_000, 2880), (16_000, 960)] {
            let mut encoder = OpusEncoder::new(rate, 1, Application::Voip).unwrap();
            let mut decoder = Decoder::new().unwrap();
            let mut packet = [0; 1276];
            let wide: Vec<i16> = (0..samples)
                .map(|n| (8000.0 * (n as f32 * 300.0 / rate as f32 * std::f32::consts::TAU).sin()) as i16)
                .collect();
            for _ in 0..5 {
                let length = encoder.encode_i16(&wide, samples, &mut packet).unwrap();
                let mut out = [0; LONGEST];
                assert_eq!(
                    decoder.decode(&packet[..length], &mut out),
                    samples * 8000 / rate as usize,
                    "{rate} {samples}"
                );
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut decoder = Decoder::new().unwrap();
        for _ in 0..5_000 {
            let mut bytes = [0; 200];
            random.fill(&mut bytes);
            let length = random.usize(..200);
            let mut out = [0; LONGEST];
            assert!(decoder.decode(&bytes[..length], &mut out) <= LONGEST);
            assert!(decoder.recover(&bytes[..length], &mut out[..160]) <= 160);
        }
    }
}
