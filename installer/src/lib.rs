//! Uses bundles, offline.

pub mod host;
pub mod state;

use std::process::ExitCode;

/// Run the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
