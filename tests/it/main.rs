//! The one integration binary. Each module line says what belongs there.

#![allow(clippy::disallowed_methods, reason = "a test reads files and takes an epoch from the clock")]

/// The house rules of ARCHITECTURE.md, held against `src/`.
mod architecture;

/// Calls in a simulated world on a simulated clock: whole conversations, transfers, bad networks.
#[path = "../sim/mod.rs"]
mod sim;

/// The hotlines that ship: their scenarios, and sentences that they were not taught.
#[cfg(feature = "shell")]
mod hotlines;

/// SRTP beside Debian's libsrtp2, byte by byte.
#[cfg(feature = "shell")]
mod libsrtp;

/// Recognition in a process of its own: the real program, really killed.
#[cfg(feature = "shell")]
mod interfaces;
#[cfg(feature = "shell")]
mod recogniser_process;
