//! The `tingwa` program: arguments to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    tingwa::cli::run()
}
