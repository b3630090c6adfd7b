//! Uses bundles, offline.

#[cfg(test)]
pub(crate) mod cut;
pub mod facts;
pub mod host;
pub mod journal;
pub mod kernel_line;
pub mod machine;
pub mod plan;
pub mod settle;
pub mod state;
pub mod step;

use std::process::ExitCode;

/// Run the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
