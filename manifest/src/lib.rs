//! Bundles: their format, readers that do not trust the medium, and the verdict whether a bundle fits
//! a host.
//!
//! A bundle is a plain ustar archive whose second member, `SHA256SUMS`, is signed. `docs/FORMAT.md`
//! describes the format for authors of other readers.
//!
//! ```text
//! types/    names, digests, paths, and the macros that define such types
//! host/     the properties of a host, and the inventory that describes one
//! bundle/   reading, verifying and writing the archive
//! catalog/  facts about GPUs, drivers, patches and kernels
//! database/ the catalog as the SQLite file of a bundle
//! debian/   the signed documents of a package archive
//! verdict/  whether a GPU, a driver and a host work together
//! ui/       output and exit classes of both programs
//! ```

mod bundle;
pub mod catalog;
pub mod database;
pub mod debian;
mod host;
mod item;
mod manifest;
pub mod patch;
pub mod profile;
#[cfg(feature = "schema")]
pub mod schema;
mod types;
pub mod ui;
pub mod verdict;
mod wants;

pub use crate::bundle::{
    Bundle, CopyError, CosignError, Damage, FrameDamage, Measure, Measured, PIECE, PartFault,
    PartSize, PartsError, Place, PoliciesError, Progress, ReadError, SIGNATURES_AT, Sink, Source,
    Target, TooLarge, Unverified, Verified, VerifyError, WriteError, parallel, write_bundle,
};
pub use crate::host::{inventory, mapping, platform};
pub use crate::item::{
    Base, CatalogRecord, Chunk, Expected, Holding, Item, ItemError, ItemFields, ItemMode, Kind,
    Origin, PoliciesRecord, Tree, driver, headers, image, package, unlock,
};
pub use crate::manifest::{FORMAT, Manifest, ManifestError};
pub use crate::types::{
    BundleName, CHUNK, DebVersion, Digest, Hasher, HostPath, ItemId, ItemName, Mode, NameCollision,
    POLICIES, ParseTextError, PathError, ProgramVersion, is_word, limits, printable, shell_word,
    tree_digest,
};
pub use crate::wants::{
    DropInName, GuestTool, Iommu, KernelWord, ModprobeLine, ModuleName, PackageWants,
    RepositoryStyle, UnitName, WantedDropIn, WantedFile, WantedUnit, Wants, WantsError,
};
