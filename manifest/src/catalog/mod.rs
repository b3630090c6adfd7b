//! What is known about GPUs, drivers, patches and kernels, each row with its evidence.
//!
//! The rows are written by people in `catalog/*.toml`, are embedded in the program, and travel in
//! a bundle, so that a new GPU needs no new installer. Where sources contradict each other both
//! stand in the row's evidence and the row is *unproven*: the verdict then names what decides.

pub mod database;
mod load;
mod problem;
mod query;
mod range;
mod refresh;
mod rows;
mod validate;

pub use self::load::CatalogError;
pub use self::problem::Problem;
pub use self::query::{BuildState, Card, Catalog, NameOf, Overrides};
pub use self::range::{DeviceId, IdRange, Release, ReleaseRange, SeriesRange};
pub use self::refresh::{Named, Refreshed, graphics_devices, refresh};
pub use self::rows::{
    Apicv, Architecture, ArchitectureId, Branch, BranchUnlock, Build, BuildReason, BuildRow,
    CardUnlock, Display, Driver, DriverFile, DriverVersion, Evidence, EvidenceId, EvidenceKind,
    Gpu, GuestRoot, Identity, IdentityId, Kernel, Layout, Library, LibraryId, Md5, Mediation,
    Modules, Patch, Platform, ReasonId, Role, Rows, Rule, RuleRow, SrIov, State, Subsystem,
    UnlockState,
};
pub use self::validate::validate;

#[cfg(test)]
mod tests;
