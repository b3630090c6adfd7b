//! Debian packages from the bundle, by the real apt.
//!
//! What undo promises here is less than for files that we put, and more than a purge: afterwards
//! there are the same packages in the same versions and states, with the same marks. What a
//! maintainer script has written is the package's own business, as it is for everybody.

pub(crate) mod apt;
mod area;
mod error;
mod file;
mod outcome;
mod simulation;
mod version;

pub use self::error::PackageError;
pub use self::file::{PackageFile, index};

pub(crate) use self::apt::configure;
pub(crate) use self::area::Area;
pub(crate) use self::outcome::{find, is_satisfied, lacking};
pub(crate) use self::simulation::Simulation;
pub(crate) use self::version::compare;
