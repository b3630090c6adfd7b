//! The installer: applies bundles offline.

use std::process::ExitCode;

mod act;
mod cli;
mod component;
mod date;
mod driver;
mod facts;
mod fit;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gpus;
mod kernel;
mod kernel_guard;
mod license;
mod locked_host;
mod packages;
mod plan;
#[cfg(test)]
mod power_cut;
mod repair;
#[cfg(feature = "schema")]
pub mod schema;
mod settle;
mod status;
mod step;
mod store;
mod trust;
mod ui;

/// The modules that may open a [`Door`](host::Door): the journal and the host.
#[path = "."]
mod engine {
    pub mod host;
    pub(crate) mod journal;
}

pub use self::engine::host;
pub(crate) use self::engine::host::own as state;
pub(crate) use self::engine::journal;

pub use self::cli::{MANUAL, command};
pub use self::facts::{Serials, inventory};
pub use self::packages::{PackageFile, index};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    // DKMS, update-initramfs and NVIDIA's installer inherit it: with another one, their files would
    // be writable for everyone, or unreadable for other programs.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    cli::main()
}
