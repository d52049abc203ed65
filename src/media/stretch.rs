//! Playing a frame faster or slower without changing its pitch (WSOLA, one step): a pitch period is left out or played
//! twice, and the seam is crossed over.

/// Shortest and longest change, samples: 2.5 to 15 ms.
const SHIFT_MIN: usize = 20;
pub(super) const SHIFT_MAX: usize = 120;
/// Length of the seam: 10 ms.
const SEAM: usize = 80;
/// How alike (1 is the same) both sides of the seam must be, unless the audio is quiet.
const ALIKE: f32 = 0.8;
/// Mean square under which any seam is inaudible: -50 dBFS.
const QUIET: f32 = 100.0 * 100.0;

/// Samples of the frame that is made.
const FRAME: usize = 160;

/// Fills `out` from more than a frame of `input`, leaving out at most `input.len() - FRAME` samples. Returns how many
/// samples of `input` were used up; `None`, with `out` untouched, when no seam is good and `forced` is not set.
pub(super) fn shorten(input: &[i16], forced: bool, out: &mut [i16; FRAME]) -> Option<usize> {
    let most = input.len().checked_sub(FRAME)?.min(SHIFT_MAX);
    let shift = best_shift(&input[..FRAME + most], most, forced, |shift| (0, shift))?;
    out.copy_from_slice(&input[shift..shift + FRAME]);
    cross_over(&input[..SEAM], &mut out[..SEAM]);
    Some(FRAME + shift)
}

/// Fills `out` from less than the frame `input`, playing some of it twice. Returns how many samples of `input` were used up.
pub(super) fn lengthen(input: &[i16; FRAME], forced: bool, out: &mut [i16; FRAME]) -> Option<usize> {
    let shift = best_shift(input, FRAME - SEAM, forced, |shift| (shift, 0))?;
    out[..shift].copy_from_slice(&input[..shift]);
    out[shift..].copy_from_slice(&input[..FRAME - shift]);
    cross_over(&input[shift..shift + SEAM], &mut out[shift..shift + SEAM]);
    Some(FRAME - shift)
}

/// Goes from `from` to what is in `to`.
fn cross_over(from: &[i16], to: &mut [i16]) {
    let length = to.len() as i32 + 1;
    for (index, (to, &from)) in to.iter_mut().zip(from).enumerate() {
        let weight = index as i32 + 1;
        *to = ((i32::from(from) * (length - weight) + i32::from(*to) * weight) / length) as i16;
    }
}

/// The shift at which the stretches of `SEAM` samples that begin where `sides` says are most alike.
fn best_shift(input: &[i16], most: usize, forced: bool, sides: impl Fn(usize) -> (usize, usize)) -> Option<usize> {
    let mut samples = [0.0f32; FRAME + SHIFT_MAX];
    for (value, &sample) in samples.iter_mut().zip(input) {
        *value = f32::from(sample);
    }
    let mut best = (f32::MIN, 0);
    for shift in SHIFT_MIN..=most {
        let (one, other) = sides(shift);
        let (one, other) = (&samples[one..one + SEAM], &samples[other..other + SEAM]);
        let (energy, energy_other) = (1.0 + dot(one, one), 1.0 + dot(other, other));
        let quiet = energy.max(energy_other) < QUIET * SEAM as f32;
        let likeness = if quiet { 1.0 } else { dot(one, other) / (energy * energy_other).sqrt() };
        // In quiet, where all are good, the longest one.
        if likeness >= best.0 {
            best = (likeness, shift);
        }
    }
    (best.1 > 0 && (forced || best.0 >= ALIKE)).then_some(best.1)
}

/// Sum of products, in eight lanes so that the compiler may use vector instructions.
pub(super) fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (mut ones, mut others) = (one.chunks_exact(8), other.chunks_exact(8));
    for (a, b) in (&mut ones).zip(&mut others) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(period: usize, length: usize) -> Vec<i16> {
        (0..length).map(|n| (8000.0 * (n as f32 * 2.0 * std::f32::consts::PI / period as f32).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_loses_or_gains_whole_periods() {
        let input = tone(50, 400);
        let mut out = [0; FRAME];
        let used = shorten(&input[..FRAME + 120], false, &mut out).unwrap();
        assert!(used == FRAME + 50 || used == FRAME + 100, "{used}: one period or two left out");
        for n in 0..FRAME {
            assert!((out[n] - input[n]).abs() <= 1, "still the same tone");
        }
        let used = lengthen(input[..FRAME].first_chunk().unwrap(), false, &mut out).unwrap();
        assert_eq!(used, FRAME - 50);
        for n in 0..FRAME {
            assert!((out[n] - input[n]).abs() <= 1, "still the same tone");
        }
    }

    #[test]
    fn no_good_seam_no_change_unless_forced() {
        let mut random = fastrand::Rng::with_seed(3);
        let noise: Vec<i16> = (0..280).map(|_| random.i16(-9000..9000)).collect();
        let mut out = [1; FRAME];
        assert_eq!(shorten(&noise, false, &mut out), None);
        assert_eq!(lengthen(noise[..FRAME].first_chunk().unwrap(), false, &mut out), None);
        assert_eq!(out, [1; FRAME]);
        assert!(shorten(&noise, true, &mut out).is_some());
        assert!(lengthen(noise[..FRAME].first_chunk().unwrap(), true, &mut out).is_some());
    }

    #[test]
    fn quiet_audio_takes_the_longest_change() {
        let mut out = [0; FRAME];
        assert_eq!(shorten(&[3; 280], false, &mut out), Some(280));
        assert_eq!(lengthen(&[3; FRAME], false, &mut out), Some(FRAME - 80));
        assert_eq!(out, [3; FRAME]);
    }

    #[test]
    fn too_little_input_is_refused() {
        let mut out = [0; FRAME];
        for length in [0, 100, 160, 179] {
            assert_eq!(shorten(&vec![0; length], true, &mut out), None);
        }
    }
}
