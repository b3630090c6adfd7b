//! What has changed between two locks, or between two bundles.
//!
//! A [`Change`] is complete, for programs. People get [`lines`], which name things where there are
//! few and count them where there are many, and leave out what follows from something else: that
//! the file of a driver has other bytes goes without saying when the driver is another one.

mod items;
mod outline;
mod records;
mod tell;
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

pub(crate) use self::outline::Outline;
pub(crate) use self::tell::lines;
use vgpu_manifest::ui::ByteSize;

/// Something that is another now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// A plain fact.
    Fact { what: &'static str, from: String, to: String },
    /// A driver is new, gone, or another.
    Driver { kind: DriverKind, from: Option<Driver>, to: Option<Driver> },
    /// A package is new, gone, or another.
    Package(PackageChange),
    /// An archive of packages is new, gone, or of another day.
    Archive { name: ArchiveName, from: Option<Archive>, to: Option<Archive> },
    /// A container image is new, gone, or another.
    Image { from: Option<Image>, to: Option<Image> },
    /// An unlock library is new, gone, or another.
    Unlock { from: Option<Unlock>, to: Option<Unlock> },
    /// An item is new.
    Added { item: ItemName, group: Group, to: Bytes },
    /// An item is gone.
    Removed { item: ItemName, group: Group, from: Bytes },
    /// An item has other bytes.
    Bytes { item: ItemName, group: Group, from: Bytes, to: Bytes },
    /// An item has another property.
    Property { item: ItemName, what: &'static str, from: String, to: String },
    /// The items that both have come in another order.
    Order,
    /// All items together have another size.
    Size { from: u64, to: u64 },
    /// Something more is asked of a host.
    HostAdded { what: String },
    /// Something is not asked of a host any more.
    HostRemoved { what: String },
}

/// What an item is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// Nothing: it is a file or a folder.
    File,
    /// The drivers and their patches.
    Driver,
    /// The packages, their archives, and kernel headers that are one.
    Package,
    /// The images.
    Image,
    /// The unlock libraries and their sources.
    Unlock,
    /// The catalogue, which every bundle has.
    Catalog,
}

/// The bytes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes {
    size: u64,
    sha256: Digest,
}

impl Bytes {
    fn of(item: &ItemFields) -> Self {
        Self { size: item.size, sha256: item.sha256 }
    }
}

/// A driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Driver {
    item: ItemName,
    version: DriverVersion,
    /// The releases of NVIDIA vGPU that it belongs to, if they are known.
    releases: Vec<String>,
    /// The patches, each with the digest of its bytes.
    patches: Vec<(ItemName, Digest)>,
    sha256: Digest,
}

/// A package is new, gone, or another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PackageChange {
    name: PackageName,
    arch: Name,
    step: PackageStep,
    /// Why it is, or was, in the bundle.
    reason: PackageReason,
    from: Option<PackageVersion>,
    to: Option<PackageVersion>,
}

/// What has become of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PackageStep {
    /// It has a newer version.
    Newer,
    /// It has an older version.
    Older,
    /// It has the same version and other bytes.
    Rebuilt,
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
}

/// An archive of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Archive {
    codename: ArchiveName,
    signed_by: Fingerprint,
    /// In seconds since 1970.
    dated: u64,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Image {
    reference: ImageReference,
    digest: Digest,
}

/// An unlock library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Unlock {
    source: ItemName,
    commit: CommitId,
    /// What the built library needs, if it was built beforehand.
    glibc: Option<GlibcVersion>,
}

/// What one has to know to get from `old` to `new`.
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
    items::items(old, new, &mut changes);
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

/// All that is in `new`, as if nothing had been there before.
pub(crate) fn all_of(new: &Outline) -> Vec<Change> {
    let mut changes = between(&new.emptied(), new);
    changes.retain(|change| !matches!(change, Change::Size { .. }));
    changes
}

/// The beginning of a digest tells two apart, for people.
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
