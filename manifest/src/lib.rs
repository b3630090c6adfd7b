//! What a bundle is, how to read one without trusting the medium it came on, and whether what it
//! holds fits a host.
//!
//! A bundle is a plain ustar archive whose second member, `SHA256SUMS`, is signed. `docs/FORMAT.md`
//! describes it for people who want to write another reader; this crate is the one we use.

mod bundle;
pub mod catalog;
mod copy;
mod cosign;
mod damage;
mod digest;
mod header;
mod host_path;
pub mod inventory;
mod item;
mod layout;
pub mod limits;
mod manifest;
mod measure;
mod mode;
mod name;
mod object;
mod parallel;
mod parts;
pub mod patch;
pub mod platform;
mod printable;
pub mod profile;
mod read;
mod text;
pub mod ui;
pub mod verdict;
mod wants;
mod write;

pub use crate::bundle::{Bundle, FrameDamage, Place, Unverified, Verified, VerifyError};
pub use crate::copy::CopyError;
pub use crate::cosign::CosignError;
pub use crate::digest::{CHUNK, Digest, Hasher, ItemId, ParseDigestError, tree_digest};
pub use crate::host_path::{HostPath, PathError};
pub use crate::item::{
    CatalogRecord, Chunk, Item, ItemError, ItemFields, ItemMode, Kind, Origin, Tree, driver,
    headers, image, package, unlock,
};
pub use crate::layout::{SIGNATURES_AT, TooLarge};
pub use crate::manifest::{FORMAT, Manifest, ManifestError};
pub use crate::measure::{Measure, Measured};
pub use crate::mode::{Mode, ParseModeError};
pub use crate::name::{BundleName, ItemName, MAX_NAME, NameCollision};
pub use crate::parts::{PartSize, PartsError};
pub use crate::printable::{printable, shell_word};
pub use crate::read::{Damage, PIECE, PartFault, Progress, ReadError, Sink};
pub use crate::text::{ParseTextError, ProgramVersion};
pub use crate::wants::{
    DropInName, GuestTool, Iommu, KernelWord, ModprobeLine, ModuleName, PackageWants,
    RepositoryStyle, UnitName, WantedDropIn, WantedFile, WantedUnit, Wants,
};
pub use crate::write::{Source, Target, WriteError, write_bundle};
