//! Makes bundles, online: recipe → lock → cache → signed archive.

use std::process::ExitCode;

mod cache;
mod dirs;
mod exit;
mod fetch;
mod net;
mod parallel;
mod size;
mod source;
mod tree;
mod ui;

/// Run the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
