//! Changing the sampling rate: [`half_band`] between 8 and 16 kHz on the live path, [`file`](mod@file) for files and
//! synthesisers of any rate.

mod file;
mod half_band;

pub use file::{FileResampler, MAX_RATE_HZ, MIN_RATE_HZ, ResampleError, resample_all, resample_all_f32};
pub use half_band::{Downsampler16To8, Upsampler8To16};

#[cfg(test)]
mod measure;
