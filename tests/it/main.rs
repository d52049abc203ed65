//! The one integration binary. Each module line says what belongs there.

/// Calls in a simulated world on a simulated clock: whole conversations, transfers, bad networks.
#[path = "../sim/mod.rs"]
mod sim;
