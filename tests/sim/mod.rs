//! One simulated world on a simulated clock: a real [`tingwa::call::Call`] between scripted telephones with real streams,
//! a lossy network, a PBX, a recogniser that listens to the energy of what it is given, and a synthesiser that hums.
//! No socket, no thread, no sleep: `world.run_until(..)`.

#![allow(clippy::disallowed_methods, reason = "a simulated clock has to begin at some time")]

pub mod arbitrary;
pub mod engine;
pub mod hands;
pub mod network;
pub mod pbx;
pub mod phone;
pub mod plan;
pub mod signal;
pub mod wire;
pub mod world;

#[cfg(feature = "shell")]
mod browser;
mod call_events;
mod media;
mod passing;
mod privacy;
mod quality;
mod replacing;
mod talk;
mod transfers;
mod wired;
