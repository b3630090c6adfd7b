use serde::{Deserialize, Serialize};

use super::driver::{DriverRecord, PatchRecord};
use super::headers::HeadersRecord;
use super::image::ImageRecord;
use super::package::PackageRecord;
use super::unlock::{LibraryRecord, UnlockRecord};
use crate::ItemName;
use crate::types::object::object;

/// The kind of an item, with its record.
///
/// Its JSON is an object whose one member is named after the kind and holds the record. A plain
/// item has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Bytes without further metadata.
    #[default]
    #[serde(skip)]
    Plain,
    /// A tree of files.
    Tree(#[serde(deserialize_with = "object")] Tree),
    /// A driver, or its `vgpuConfig.xml`.
    Driver(#[serde(deserialize_with = "object")] DriverRecord),
    /// A patch of a driver.
    Patch(#[serde(deserialize_with = "object")] PatchRecord),
    /// A Debian package from an archive.
    Package(#[serde(deserialize_with = "object")] PackageRecord),
    /// A Debian package of kernel headers that is not from an archive.
    Headers(#[serde(deserialize_with = "object")] HeadersRecord),
    /// A container image.
    Image(#[serde(deserialize_with = "object")] ImageRecord),
    /// The sources of an unlock library.
    UnlockSource(#[serde(deserialize_with = "object")] UnlockRecord),
    /// An unlock library.
    UnlockLibrary(#[serde(deserialize_with = "object")] LibraryRecord),
    /// The catalog of GPUs, drivers and kernels, as a SQLite file: [`crate::database`].
    Catalog(#[serde(deserialize_with = "object")] CatalogRecord),
    /// Signed policies for hosts that have an older one. It is the first item, named `policies`.
    Policies(#[serde(deserialize_with = "object")] PoliciesRecord),
}

/// The record of a tree of files: a zstd-compressed tar archive that the bundler made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tree {
    /// The length of the decompressed archive in bytes, and the limit for decoders.
    pub unpacked: u64,
    /// The binary logarithm of the window that decoding needs, at most 27.
    pub window_log: u8,
}

/// The record of a catalog, which is self-describing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CatalogRecord {}

/// The record of signed policies, which are self-describing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PoliciesRecord {}

impl Kind {
    /// Checks whether there is no record.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }

    /// Returns how the item is unpacked, if it is an archive that the bundler made.
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        match self {
            Self::Tree(tree) | Self::UnlockSource(UnlockRecord { tree, .. }) => Some(*tree),
            _ => None,
        }
    }

    /// Returns the record of a driver.
    #[must_use]
    pub fn driver(&self) -> Option<&DriverRecord> {
        if let Self::Driver(record) = self { Some(record) } else { None }
    }

    /// Returns the record of a patch of this driver.
    #[must_use]
    pub fn patch_of(&self, driver: &ItemName) -> Option<&PatchRecord> {
        match self {
            Self::Patch(record) if record.driver == *driver => Some(record),
            _ => None,
        }
    }

    /// Returns the record of a package from an archive.
    #[must_use]
    pub fn package(&self) -> Option<&PackageRecord> {
        if let Self::Package(record) = self { Some(record) } else { None }
    }

    /// Returns the record of kernel headers, from an archive or not.
    #[must_use]
    pub fn headers(&self) -> Option<&HeadersRecord> {
        match self {
            Self::Headers(record) => Some(record),
            Self::Package(package) => package.headers.as_ref(),
            _ => None,
        }
    }

    /// Returns the record of a container image.
    #[must_use]
    pub fn image(&self) -> Option<&ImageRecord> {
        if let Self::Image(record) = self { Some(record) } else { None }
    }

    /// Returns the record of the sources of an unlock library.
    #[must_use]
    pub fn unlock(&self) -> Option<&UnlockRecord> {
        if let Self::UnlockSource(record) = self { Some(record) } else { None }
    }

    /// Returns the record of the unlock library that was built from these sources.
    #[must_use]
    pub fn library_of(&self, source: &ItemName) -> Option<&LibraryRecord> {
        match self {
            Self::UnlockLibrary(record) if record.source == *source => Some(record),
            _ => None,
        }
    }
}
