//! Conversion between any two rates for prompt files and synthesisers, by `rubato` (windowed sinc, Blackman). Not for the
//! live path: it allocates, and takes samples in blocks. Its delay is taken out, so that output and input begin together.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use super::super::mix::to_sample;

/// Lowest rate that is converted, Hz.
pub const MIN_RATE_HZ: u32 = 4_000;
/// Highest rate that is converted, Hz.
pub const MAX_RATE_HZ: u32 = 192_000;

/// Samples taken at once.
const CHUNK: usize = 256;
/// Length of the sinc at the lower of the two rates.
const SINC_LEN: f64 = 128.0;

/// Why no resampler could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResampleError {
    /// A rate outside [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`].
    #[error("cannot convert from {from_hz} to {to_hz} Hz; rates are {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")]
    Rate {
        /// Rate of the input, Hz.
        from_hz: u32,
        /// Rate asked for, Hz.
        to_hz: u32,
    },
    /// The filter was refused by its library.
    #[error("the resampling filter could not be made")]
    Filter,
}

/// Converts a file or a synthesiser's speech piece by piece. Begin a new one for each: there is no way back.
pub struct FileResampler {
    /// `None` where both rates are the same.
    filter: Option<Filter>,
}

struct Filter {
    sinc: Async<f32>,
    /// Input that makes no whole chunk yet.
    pending: Vec<f32>,
    /// Room for the output of one chunk.
    room: Vec<f32>,
    /// Output still to be dropped: the filter's delay.
    to_drop: usize,
    taken: u64,
    given: u64,
    from_hz: u32,
    to_hz: u32,
}

impl FileResampler {
    /// Mono, from one rate to another.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, ResampleError> {
        let known = MIN_RATE_HZ..=MAX_RATE_HZ;
        if !known.contains(&from_hz) || !known.contains(&to_hz) {
            return Err(ResampleError::Rate { from_hz, to_hz });
        }
        if from_hz == to_hz {
            return Ok(Self { filter: None });
        }
        let ratio = f64::from(to_hz) / f64::from(from_hz);
        // rubato counts the length in input samples; lengthened so that the slope is as steep downwards as upwards.
        let sinc_len = (SINC_LEN / ratio.min(1.0)).ceil() as usize;
        let parameters = SincInterpolationParameters::new(sinc_len, WindowFunction::Blackman)
            .f_cutoff(rubato::calculate_cutoff(SINC_LEN as usize, WindowFunction::Blackman))
            .oversampling_factor(128)
            .interpolation(SincInterpolationType::Cubic);
        let sinc =
            Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input).map_err(|_| ResampleError::Filter)?;
        let room = vec![0.0; sinc.output_frames_max()];
        let to_drop = sinc.output_delay();
        let pending = Vec::with_capacity(2 * CHUNK);
        Ok(Self { filter: Some(Filter { sinc, pending, room, to_drop, taken: 0, given: 0, from_hz, to_hz }) })
    }

    /// Takes in `samples` and appends to `out` what is ready; some come only with later samples.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match &mut self.filter {
            None => out.extend_from_slice(samples),
            Some(filter) => filter.push(samples, &mut |sample| out.push(sample)),
        }
    }

    /// [`Self::push`] for 16-bit samples.
    pub fn push_i16(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        let Some(filter) = &mut self.filter else {
            out.extend_from_slice(samples);
            return;
        };
        let mut block = [0f32; CHUNK];
        for chunk in samples.chunks(CHUNK) {
            for (float, &sample) in block.iter_mut().zip(chunk) {
                *float = f32::from(sample);
            }
            filter.push(&block[..chunk.len()], &mut |sample| out.push(to_sample(sample)));
        }
    }

    /// Appends the rest: input and output are then equally long in time, to the sample.
    pub fn finish(self, out: &mut Vec<f32>) {
        if let Some(filter) = self.filter {
            filter.finish(&mut |sample| out.push(sample));
        }
    }

    /// [`Self::finish`] for 16-bit samples.
    pub fn finish_i16(self, out: &mut Vec<i16>) {
        if let Some(filter) = self.filter {
            filter.finish(&mut |sample| out.push(to_sample(sample)));
        }
    }
}

impl Filter {
    fn push(&mut self, mut samples: &[f32], give: &mut dyn FnMut(f32)) {
        self.taken += samples.len() as u64;
        while !samples.is_empty() {
            let (piece, rest) = samples.split_at(samples.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(piece);
            samples = rest;
            if self.pending.len() == CHUNK {
                self.run_chunk(u64::MAX, give);
            }
        }
    }

    fn finish(mut self, give: &mut dyn FnMut(f32)) {
        let from = u64::from(self.from_hz);
        let wanted = (self.taken * u64::from(self.to_hz) + from / 2) / from;
        // Each run gives about CHUNK * ratio samples, so that this many runs are more than enough.
        let missing = wanted.saturating_sub(self.given) + self.to_drop as u64;
        let runs = missing * from / u64::from(self.to_hz) / CHUNK as u64 + 3;
        for _ in 0..runs {
            if self.given >= wanted {
                break;
            }
            self.pending.resize(CHUNK, 0.0);
            self.run_chunk(wanted, give);
        }
    }

    /// Filters the pending chunk, gives its output up to `limit` samples in all.
    fn run_chunk(&mut self, limit: u64, give: &mut dyn FnMut(f32)) {
        let room = self.room.len();
        let written = InterleavedSlice::new(self.pending.as_slice(), 1, CHUNK).ok().and_then(|input| {
            let mut output = InterleavedSlice::new_mut(self.room.as_mut_slice(), 1, room).ok()?;
            self.sinc.process_into_buffer(&input, &mut output, Some(&Indexing::new())).ok()
        });
        self.pending.clear();
        let ready = written.map_or(0, |(_, written)| written);
        let dropped = self.to_drop.min(ready);
        self.to_drop -= dropped;
        for &sample in &self.room[dropped..ready] {
            if self.given < limit {
                give(sample);
                self.given += 1;
            }
        }
    }
}

/// Converts all of `samples` at once.
pub fn resample_all(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, ResampleError> {
    let mut resampler = FileResampler::new(from_hz, to_hz)?;
    let mut out = Vec::with_capacity(output_len(samples.len(), from_hz, to_hz));
    resampler.push_i16(samples, &mut out);
    resampler.finish_i16(&mut out);
    Ok(out)
}

/// [`resample_all`] for samples as numbers of any scale.
pub fn resample_all_f32(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, ResampleError> {
    let mut resampler = FileResampler::new(from_hz, to_hz)?;
    let mut out = Vec::with_capacity(output_len(samples.len(), from_hz, to_hz));
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    Ok(out)
}

fn output_len(samples: usize, from_hz: u32, to_hz: u32) -> usize {
    (samples as u64 * u64::from(to_hz) / u64::from(from_hz.max(1))) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::super::measure::{delay_ms, level_db, sine};
    use super::*;

    const SYNTHESISER_RATES: [u32; 5] = [16_000, 22_050, 24_000, 44_100, 48_000];

    #[test]
    fn synthesiser_rates_come_down_clean_to_8_khz() {
        for from_hz in SYNTHESISER_RATES {
            let level = |hz: f64, at: f64| {
                level_db(&resample_all(&sine(hz, from_hz, 30_000.0), from_hz, 8_000).unwrap(), at, 8_000, 30_000.0)
            };
            let pass = [300.0, 1_000.0, 3_000.0, 3_400.0].map(|hz| level(hz, hz));
            let aliases = [4_300.0, 4_600.0, 5_000.0, 6_000.0, 7_000.0].map(|hz| level(hz, 8_000.0 - hz));
            println!("{from_hz} -> 8000 Hz: pass {pass:.3?} dB, aliases {aliases:.1?} dB");
            assert!(pass.iter().all(|db| db.abs() < 0.05), "{from_hz}: {pass:?}");
            assert!(aliases.iter().all(|&db| db < -80.0), "{from_hz}: {aliases:?}");
        }
    }

    #[test]
    fn upwards_images_stay_out() {
        let wide = resample_all(&sine(3_000.0, 8_000, 30_000.0), 8_000, 16_000).unwrap();
        let (pass, image) = (level_db(&wide, 3_000.0, 16_000, 30_000.0), level_db(&wide, 5_000.0, 16_000, 30_000.0));
        println!("8000 -> 16000 Hz: pass {pass:.3} dB, image {image:.1} dB");
        assert!(pass.abs() < 0.05 && image < -80.0, "{pass} {image}");
    }

    #[test]
    fn the_delay_is_taken_out() {
        for from_hz in SYNTHESISER_RATES {
            let mut click = vec![0i16; from_hz as usize / 2];
            let sent = from_hz as usize / 4;
            click[sent] = 30_000;
            let out = resample_all(&click, from_hz, 8_000).unwrap();
            let delay = delay_ms(&out, 8_000, 250.0 + (sent as f64 / f64::from(from_hz) - 0.25) * 1000.0);
            assert!(delay.abs() < 0.2, "{from_hz}: {delay} ms");
        }
    }

    #[test]
    fn lengths_are_exact_and_pieces_make_the_whole() {
        let mut random = fastrand::Rng::with_seed(2);
        for (from_hz, to_hz) in [(22_050, 8_000), (8_000, 22_050), (24_000, 16_000), (48_000, 8_000), (8_000, 8_000)] {
            for length in [0, 1, 100, 256, 257, 5_000] {
                let samples: Vec<i16> = (0..length).map(|_| random.i16(-9_000..9_000)).collect();
                let whole = resample_all(&samples, from_hz, to_hz).unwrap();
                let expected = (length as f64 * f64::from(to_hz) / f64::from(from_hz)).round() as usize;
                assert_eq!(whole.len(), expected, "{length} samples, {from_hz} -> {to_hz}");

                let mut resampler = FileResampler::new(from_hz, to_hz).unwrap();
                let (mut pieces, mut rest) = (Vec::new(), samples.as_slice());
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(random.usize(1..700).min(rest.len()));
                    resampler.push_i16(piece, &mut pieces);
                    rest = after;
                }
                resampler.finish_i16(&mut pieces);
                assert_eq!(pieces, whole);
            }
        }
    }

    #[test]
    fn floats_agree_with_integers() {
        let samples = sine(700.0, 22_050, 12_000.0);
        let floats: Vec<f32> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let integers = resample_all(&samples, 22_050, 8_000).unwrap();
        let converted = resample_all_f32(&floats, 22_050, 8_000).unwrap();
        assert_eq!(integers.len(), converted.len());
        for (&integer, &float) in integers.iter().zip(&converted) {
            assert!((f32::from(integer) - float * 32_768.0).abs() < 0.6, "{integer} {float}");
        }
    }

    #[test]
    fn strange_rates_are_refused() {
        for (from_hz, to_hz) in [(0, 8_000), (8_000, 0), (3_999, 8_000), (8_000, u32::MAX)] {
            assert_eq!(resample_all(&[1], from_hz, to_hz), Err(ResampleError::Rate { from_hz, to_hz }));
        }
    }
}
