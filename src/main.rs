//! The `tingwa` program: arguments to an exit code.
fn main() {}
