//! Samples in, samples out: frames, G.711, G.722, Opus, resampling, mixing, tones, levels, WAV headers.
//!
//! Values and small filters; no file, clock or network here. All audio is mono `i16`; the live path is 8 kHz in frames of
//! 20 ms, the recogniser's is 16 kHz. Nothing on the live path (`frame`, `g711`, `resample::half_band`, `mix`, `loudness`,
//! `tone`, `dtmf`) allocates.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod dtmf;
pub mod frame;
pub mod g711;
pub mod g722;
pub mod loudness;
pub mod mix;
pub mod music;
pub mod opus;
pub mod resample;
pub mod tone;
pub mod wav;
