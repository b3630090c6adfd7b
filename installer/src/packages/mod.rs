//! Debian packages from the bundle, installed by the host's apt.
//!
//! An undo guarantees less than for files written by this program, and more than a purge:
//! afterwards the same packages are present in the same versions and states, with the same marks.
//! Changes by maintainer scripts are the responsibility of the packages.

pub(crate) mod apt;
mod area;
mod error;
mod file;
mod outcome;
mod simulation;

pub(crate) use self::error::PackageError;
pub use self::file::{PackageFile, index};

pub(crate) use self::apt::configure;
pub(crate) use self::area::Area;
pub(crate) use self::outcome::{find, is_satisfied, lacking};
pub(crate) use self::simulation::Simulation;
