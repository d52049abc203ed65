//! The one integration binary. Each module line says what belongs there.

/// The house rules of ARCHITECTURE.md, held against `src/`.
mod architecture;

/// Calls in a simulated world on a simulated clock: whole conversations, transfers, bad networks.
#[path = "../sim/mod.rs"]
mod sim;
