//! A call with arbitrary inputs: no panic, every call ends once, every leg is ended once.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/sim/arbitrary.rs"]
mod arbitrary;
#[path = "../../tests/sim/plan.rs"]
mod plan;

fuzz_target!(|data: &[u8]| arbitrary::run(data));
