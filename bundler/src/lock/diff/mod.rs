//! The changes between two locks or two bundles.
//!
//! [`Change`] is complete, for programs. [`lines`] is a summary for people: it lists names if there
//! are few and counts otherwise, and it omits consequences of other changes. If a driver changed,
//! the different bytes of its file are not listed.

mod explain;
mod outline;
mod records;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::image::ImageReference;
use vgpu_manifest::inventory::{Name, PackageName, PackageVersion};
use vgpu_manifest::package::{ArchiveName, Fingerprint, PackageReason};
use vgpu_manifest::unlock::{CommitId, GlibcVersion};
use vgpu_manifest::{Digest, ItemFields, ItemName};

pub(crate) use self::explain::lines;
pub(crate) use self::outline::{Outline, host_changes};
use vgpu_manifest::ui::ByteSize;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "change", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// A property of the bundle.
    Fact { what: &'static str, from: String, to: String },
    /// A driver was added, removed or changed.
    Driver { kind: DriverKind, from: Option<Driver>, to: Option<Driver> },
    /// A package was added, removed or changed.
    Package(PackageChange),
    /// A package archive was added, removed or updated.
    Archive { name: ArchiveName, from: Option<Archive>, to: Option<Archive> },
    /// A container image was added, removed or changed.
    Image { from: Option<Image>, to: Option<Image> },
    /// An unlock library was added, removed or changed.
    Unlock { from: Option<Unlock>, to: Option<Unlock> },
    /// An item was added.
    Added { item: ItemName, group: Group, to: Bytes },
    /// An item was removed.
    Removed { item: ItemName, group: Group, from: Bytes },
    /// The bytes of an item changed.
    Bytes { item: ItemName, group: Group, from: Bytes, to: Bytes },
    /// Another property of an item changed.
    Property { item: ItemName, what: &'static str, from: String, to: String },
    /// The order of the common items changed.
    Order,
    /// The total size changed.
    Size { from: u64, to: u64 },
    /// A change to the host was added.
    HostAdded { what: String },
    /// A change to the host was removed.
    HostRemoved { what: String },
}

/// The group of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// None: a file or a folder.
    File,
    /// Drivers and patches.
    Driver,
    /// Packages, archives and kernel headers.
    Package,
    /// Images.
    Image,
    /// Unlock libraries and their sources.
    Unlock,
    /// The catalog, which every bundle has.
    Catalog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Bytes {
    /// The size in bytes.
    size: u64,
    /// The digest.
    sha256: Digest,
}

impl Bytes {
    fn of(item: &ItemFields) -> Self {
        Self { size: item.size, sha256: item.sha256 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Driver {
    /// The item.
    item: ItemName,
    /// The version of the driver.
    version: DriverVersion,
    /// Its NVIDIA vGPU releases, if known.
    releases: Vec<String>,
    /// The patches, each with its digest.
    patches: Vec<(ItemName, Digest)>,
    /// The digest of its file.
    sha256: Digest,
}

/// A package was added, removed or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PackageChange {
    /// The name of the package.
    name: PackageName,
    /// The architecture.
    arch: Name,
    /// The kind of the change.
    step: PackageStep,
    /// Why it is, or was, in the bundle.
    reason: PackageReason,
    /// The version before; `null` if it was added.
    from: Option<PackageVersion>,
    /// The version after; `null` if it was removed.
    to: Option<PackageVersion>,
}

/// The change of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum PackageStep {
    /// The package was upgraded.
    Newer,
    /// The package was downgraded.
    Older,
    /// The version is the same, but the bytes changed.
    Rebuilt,
    /// The package was added.
    Added,
    /// The package was removed.
    Removed,
}

/// A package archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Archive {
    codename: ArchiveName,
    signed_by: Fingerprint,
    /// In seconds since 1970.
    dated: u64,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Image {
    reference: ImageReference,
    digest: Digest,
}

/// An unlock library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Unlock {
    source: ItemName,
    commit: CommitId,
    /// The requirements of the library, if it was built beforehand.
    glibc: Option<GlibcVersion>,
}

/// Returns the changes from `old` to `new`.
pub(crate) fn between(old: &Outline, new: &Outline) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((what, from), (_, to)) in old.facts.iter().zip(&new.facts) {
        if from != to {
            changes.push(Change::Fact { what, from: from.clone(), to: to.clone() });
        }
    }
    records::drivers(old, new, &mut changes);
    records::unlock(old, new, &mut changes);
    records::packages(old, new, &mut changes);
    records::archives(old, new, &mut changes);
    records::images(old, new, &mut changes);
    records::items(old, new, &mut changes);
    let [from, to] = [old, new].map(Outline::size);
    if from != to {
        changes.push(Change::Size { from, to });
    }
    let gone = old.host.iter().filter(|line| !new.host.contains(line));
    changes.extend(gone.map(|what| Change::HostRemoved { what: what.clone() }));
    let come = new.host.iter().filter(|line| !old.host.contains(line));
    changes.extend(come.map(|what| Change::HostAdded { what: what.clone() }));
    changes
}

/// Returns the contents of `new` as additions to an empty bundle.
pub(crate) fn all_of(new: &Outline) -> Vec<Change> {
    let mut changes = between(&new.emptied(), new);
    changes.retain(|change| !matches!(change, Change::Size { .. }));
    changes
}

/// Returns an abbreviated digest.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", ByteSize::new(self.size), short(&self.sha256))
    }
}

fn short(digest: &Digest) -> String {
    let mut hex = digest.to_string();
    hex.truncate(12);
    hex
}
