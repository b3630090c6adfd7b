//! The installer: applies bundles offline.

pub mod act;
pub mod boots;
pub mod cli;
mod commands;
pub mod component;
pub mod driver;
pub mod facts;
pub mod fit;
pub mod gpus;
pub mod guard;
pub mod kernel_line;
mod kernel_pin;
pub mod license;
pub mod machine;
mod menu;
pub mod packages;
pub mod plan;
#[cfg(test)]
mod power_cut;
mod proof;
mod report;
pub mod resume;
pub mod settle;
pub mod sriov;
pub mod step;
pub mod store;
pub mod trust;
pub mod ui;
mod unlock;
pub mod vgpu;

/// The modules that may open a [`Door`](host::Door): the journal and the host.
#[path = "."]
mod engine {
    pub mod host;
    pub mod journal;
}

pub(crate) use self::engine::host::own as state;
pub use self::engine::{host, journal};

use std::process::ExitCode;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    cli::main()
}
