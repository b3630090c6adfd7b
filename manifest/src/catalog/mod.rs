//! Facts about GPUs, drivers, patches and kernels, each row with its evidence.
//!
//! The rows are written by hand in `catalog/*.toml`, are embedded in the programs, and are included
//! in every bundle, so that a new GPU needs no new installer. Where sources contradict each other
//! the row is *unproven*: its evidence names both, and the verdict names the check that decides.

mod extend;
mod load;
mod newer;
mod query;
mod range;
mod rows;
mod validate;

pub use self::extend::ExtensionError;
pub use self::load::CatalogError;
pub use self::query::{BuildState, Card, Catalog, NameOf, Overrides};
pub use self::range::{DeviceId, IdRange, Release, ReleaseRange, SeriesRange};
pub use self::rows::{
    Apicv, Architecture, ArchitectureId, Branch, BranchUnlock, Build, BuildReason, BuildRow,
    Bulletin, CardUnlock, Display, Driver, DriverFile, DriverVersion, Evidence, EvidenceId,
    EvidenceKind, Exposure, Gpu, GuestRoot, Identity, IdentityId, Kernel, Layout, Library,
    LibraryId, Md5, Mediation, Modules, Month, Patch, Platform, ReasonId, Role, Rows, Rule,
    RuleRow, SrIov, State, Subsystem, UnlockState,
};
pub(crate) use self::validate::validate;

#[cfg(test)]
mod tests;
