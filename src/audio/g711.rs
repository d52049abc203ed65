//! G.711 (ITU-T G.711, RFC 3551 4.5.14): one byte a sample, mu-law or A-law. By the tables of `audio-codec`.

use audio_codec::pcma::{PcmaDecoder, PcmaEncoder};
use audio_codec::pcmu::{PcmuDecoder, PcmuEncoder};
use audio_codec::{Decoder, Encoder};

use super::frame::{FRAME_SAMPLES, Frame};

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// North America, Japan; RTP payload type 0.
    Mu,
    /// The rest of the world; RTP payload type 8.
    A,
}

impl Law {
    /// Decodes as many bytes as fit into `samples`; returns how many.
    pub fn decode(self, bytes: &[u8], samples: &mut [i16]) -> usize {
        let length = bytes.len().min(samples.len());
        let (bytes, samples) = (&bytes[..length], &mut samples[..length]);
        let decoded = match self {
            Self::Mu => PcmuDecoder::new().decode_into(bytes, samples),
            Self::A => PcmaDecoder::new().decode_into(bytes, samples),
        };
        decoded.unwrap_or(0)
    }

    /// Encodes as many samples as fit into `bytes`; returns how many.
    pub fn encode(self, samples: &[i16], bytes: &mut [u8]) -> usize {
        let length = bytes.len().min(samples.len());
        let (samples, bytes) = (&samples[..length], &mut bytes[..length]);
        let encoded = match self {
            Self::Mu => PcmuEncoder::new().encode_into(samples, bytes),
            Self::A => PcmaEncoder::new().encode_into(samples, bytes),
        };
        encoded.unwrap_or(0)
    }

    /// Decodes a payload of 20 ms; a shorter one is filled up with silence, the rest of a longer one is dropped.
    pub fn decode_frame(self, bytes: &[u8]) -> Frame {
        let mut frame = Frame::SILENCE;
        self.decode(bytes, &mut frame.0);
        frame
    }

    /// Encodes 20 ms.
    pub fn encode_frame(self, frame: &Frame) -> [u8; FRAME_SAMPLES] {
        let mut bytes = [0; FRAME_SAMPLES];
        self.encode(&frame.0, &mut bytes);
        bytes
    }

    /// The code of a sample of 0.
    pub fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 tables 2a/2b as arithmetic (mu-law, 14 bit scaled to 16).
    fn mu_expand(code: u8) -> i16 {
        let code = !code;
        let magnitude = (((i32::from(code & 0x0f) << 3) + 132) << ((code >> 4) & 7)) - 132;
        (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
    }

    /// G.711 tables 1a/1b as arithmetic (A-law, 13 bit scaled to 16).
    fn a_expand(code: u8) -> i16 {
        let code = code ^ 0x55;
        let (segment, step) = (i32::from(code >> 4) & 7, i32::from(code & 0x0f));
        let magnitude = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 264) << (segment - 1) };
        (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
    }

    #[test]
    fn every_code_is_that_of_the_standard_and_survives_a_round_trip() {
        for code in 0..=255u8 {
            for (law, expected) in [(Law::Mu, mu_expand(code)), (Law::A, a_expand(code))] {
                let mut sample = [0i16];
                let mut again = [0u8];
                assert_eq!(law.decode(&[code], &mut sample), 1);
                assert_eq!(sample[0], expected, "{law:?} {code:#x}");
                assert_eq!(law.encode(&sample, &mut again), 1);
                // Mu-law has two zeros, A-law two least values; the encoder writes the positive ones.
                let canonical = match (law, code) {
                    (Law::Mu, 0x7f) => 0xff,
                    (Law::A, 0x55) => 0xd5,
                    _ => code,
                };
                assert_eq!(again[0], canonical, "{law:?} {code:#x}");
            }
        }
    }

    #[test]
    fn every_sample_lands_within_half_a_step() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let mut code = [0];
                let mut back = [0];
                law.encode(&[sample], &mut code);
                law.decode(&code, &mut back);
                let error = (i32::from(back[0]) - i32::from(sample)).abs();
                let allowed = 16 + i32::from(sample).abs() / 30;
                assert!(error <= allowed, "{law:?} {sample} became {}", back[0]);
            }
        }
    }

    #[test]
    fn silence_is_silent() {
        assert_eq!(Law::Mu.encode_frame(&Frame::SILENCE), [Law::Mu.silence(); 160]);
        assert_eq!(Law::A.encode_frame(&Frame::SILENCE), [Law::A.silence(); 160]);
        assert_eq!(Law::Mu.decode_frame(&[Law::Mu.silence(); 160]), Frame::SILENCE);
    }

    #[test]
    fn odd_lengths_are_met() {
        let frame = Law::A.decode_frame(&[0x2a; 100]);
        assert_ne!(frame.0[99], 0);
        assert_eq!(frame.0[100], 0);
        assert_eq!(Law::A.decode_frame(&[0x2a; 400]).0.len(), 160);
        assert_eq!(Law::A.decode(&[0x2a; 5], &mut [0; 3]), 3);
        assert_eq!(Law::Mu.encode(&[1, 2, 3], &mut []), 0);
    }
}
