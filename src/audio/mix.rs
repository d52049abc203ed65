//! Adding frames and changing their level. Saturates, never wraps.

use super::frame::{FRAME_SAMPLES, Frame};

/// Adds `other` to `into`.
pub fn add(into: &mut Frame, other: &Frame) {
    for (sample, &more) in into.0.iter_mut().zip(&other.0) {
        *sample = sample.saturating_add(more);
    }
}

/// The sum of `frames`, saturated once at the end, so that opposite peaks cancel first.
pub fn sum<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Frame {
    let mut total = [0i32; FRAME_SAMPLES];
    for frame in frames {
        for (sum, &sample) in total.iter_mut().zip(&frame.0) {
            *sum += i32::from(sample);
        }
    }
    let mut mixed = Frame::SILENCE;
    for (sample, &sum) in mixed.0.iter_mut().zip(&total) {
        *sample = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    }
    mixed
}

/// Multiplies by `factor`, 1 leaving it as it is.
pub fn gain(frame: &mut Frame, factor: f32) {
    fade(frame, factor, factor);
}

/// Multiplies by a factor that goes in a straight line from `from` at the first sample to `to` just after the last, so that
/// the next frame's ramp can begin with `to`.
pub fn fade(frame: &mut Frame, from: f32, to: f32) {
    fade_slice(&mut frame.0, from, to);
}

/// [`fade`] over any number of samples.
pub fn fade_slice(samples: &mut [i16], from: f32, to: f32) {
    let step = if samples.is_empty() { 0.0 } else { (to - from) / samples.len() as f32 };
    for (index, sample) in samples.iter_mut().enumerate() {
        *sample = to_sample(f32::from(*sample) * (from + step * index as f32));
    }
}

/// Fades to silence over the frame.
pub fn fade_out(frame: &mut Frame) {
    fade(frame, 1.0, 0.0);
}

/// Fades from silence over the frame.
pub fn fade_in(frame: &mut Frame) {
    fade(frame, 0.0, 1.0);
}

/// Factor of a change of level by `db`.
pub fn db_to_gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Rounds (ties to even) and saturates; NaN becomes silence.
///
/// Adding 1.5 * 2^23 leaves the whole number in the low bits of the `f32` itself. The compiler makes vector instructions of
/// this, where `round` would be a call and `as i32` a dozen instructions.
pub fn to_sample(value: f32) -> i16 {
    const WHOLE_NUMBERS: f32 = 12_582_912.0;
    let low_bits = (value.clamp(-32_768.0, 32_767.0) + WHOLE_NUMBERS).to_bits() as u16;
    low_bits.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        let mut loud = Frame([30_000; 160]);
        add(&mut loud, &Frame([10_000; 160]));
        assert_eq!(loud, Frame([i16::MAX; 160]));
        let low = Frame([-30_000; 160]);
        assert_eq!(sum([&low, &low]), Frame([i16::MIN; 160]));
        assert_eq!(sum([&loud, &loud, &low, &low]), Frame([(2 * 32_767 - 60_000) as i16; 160]));
        assert_eq!(sum([]), Frame::SILENCE);
    }

    #[test]
    fn a_fade_is_a_straight_line() {
        let mut frame = Frame([16_000; 160]);
        fade_out(&mut frame);
        assert_eq!((frame.0[0], frame.0[80], frame.0[159]), (16_000, 8_000, 100));
        let mut frame = Frame([16_000; 160]);
        fade_in(&mut frame);
        assert_eq!((frame.0[0], frame.0[80]), (0, 8_000));
        fade_slice(&mut [], 1.0, 0.0);
    }

    #[test]
    fn gain_rounds_and_saturates() {
        let mut frame = Frame([20_000; 160]);
        gain(&mut frame, db_to_gain(6.0));
        assert_eq!(frame, Frame([i16::MAX; 160]));
        let mut frame = Frame([1_003; 160]);
        gain(&mut frame, 0.5);
        assert_eq!(frame.0[0], 502);
        let mut same = Frame([-12_345; 160]);
        gain(&mut same, 1.0);
        assert_eq!(same, Frame([-12_345; 160]));
        assert!((db_to_gain(-20.0) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn to_sample_rounds_like_round() {
        for value in [-40_000.0, -32_768.4, -2.6, -2.4, -0.4, 0.0, 0.4, 0.6, 2.4, 32_766.6, 40_000.0f32] {
            assert_eq!(to_sample(value), value.round().clamp(-32_768.0, 32_767.0) as i16, "{value}");
        }
        assert_eq!(to_sample(f32::NAN), 0);
    }

    #[test]
    fn every_whole_value_stays() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(to_sample(f32::from(sample)), sample);
        }
    }
}
