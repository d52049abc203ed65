//! 20 ms of audio: [`Frame`] at 8 kHz (the telephone's rate), [`WideFrame`] at 16 kHz (the recogniser's).

/// Length of a frame, ms.
pub const FRAME_MS: u32 = 20;
/// Rate of a [`Frame`], Hz.
pub const SAMPLE_RATE_HZ: u32 = 8_000;
/// Rate of a [`WideFrame`], Hz.
pub const WIDE_SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples of a [`Frame`].
pub const FRAME_SAMPLES: usize = 160;
/// Samples of a [`WideFrame`].
pub const WIDE_FRAME_SAMPLES: usize = 320;

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident, $samples:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub [i16; $samples]);

        impl $name {
            /// Nothing to hear.
            pub const SILENCE: Self = Self([0; $samples]);

            /// The first samples of `samples`, filled up with silence.
            pub fn from_slice(samples: &[i16]) -> Self {
                let mut frame = Self::SILENCE;
                let length = samples.len().min($samples);
                frame.0[..length].copy_from_slice(&samples[..length]);
                frame
            }

            /// All of `samples` as frames, the last one filled up with silence.
            pub fn split(samples: &[i16]) -> impl Iterator<Item = Self> + '_ {
                samples.chunks($samples).map(Self::from_slice)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::SILENCE
            }
        }
    };
}

frame!(
    /// 20 ms at 8 kHz.
    Frame,
    FRAME_SAMPLES
);
frame!(
    /// 20 ms at 16 kHz.
    WideFrame,
    WIDE_FRAME_SAMPLES
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree_with_the_rates() {
        assert_eq!(FRAME_SAMPLES as u32, SAMPLE_RATE_HZ * FRAME_MS / 1000);
        assert_eq!(WIDE_FRAME_SAMPLES as u32, WIDE_SAMPLE_RATE_HZ * FRAME_MS / 1000);
    }

    #[test]
    fn samples_are_split_and_filled_up() {
        let samples = vec![7i16; 170];
        let frames: Vec<Frame> = Frame::split(&samples).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0], Frame([7; 160]));
        assert_eq!((frames[1].0[9], frames[1].0[10]), (7, 0));
        assert_eq!(Frame::split(&[]).count(), 0);
        assert_eq!(Frame::from_slice(&[1; 500]).0, [1; 160]);
    }
}
