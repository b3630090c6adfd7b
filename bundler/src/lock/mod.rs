//! The lock, `bundle.lock`: what the recipe turned out to be, by digest.
//!
//! Only `lock` and `update` write it. Everything that ends up in a bundle stands in it, so that
//! the same lock gives the same bundle, anywhere and at any time.

mod file;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vgpu_keys::Channel;
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::driver::DriverRecord;
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::package::{ArchiveRecord, PackageRecord};
use vgpu_manifest::unlock::UnlockRecord;
use vgpu_manifest::verdict::{Contents, Purpose, Targets};
use vgpu_manifest::{BundleName, Content, Digest, ItemMode, ItemName, ProgramVersion, Wants};

use crate::apt::LockedApt;
use crate::recipe::{Entry, Recipe};
use crate::source::{Obtained, Origin};
use crate::unlock::BuildRecord;

/// What a recipe turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Lock {
    /// The version of the format of locks: [`VERSION`].
    version: u32,
    /// The bundler that made it. Another one may make another bundle of it.
    pub(crate) bundler: ProgramVersion,
    /// Stands for the recipe that it was made from.
    pub(crate) recipe: Digest,
    /// The bundle's name.
    pub(crate) name: BundleName,
    /// The line of bundles that it belongs to.
    pub(crate) channel: Channel,
    /// Its place in that line. It grows by one whenever the bundle becomes another.
    pub(crate) sequence: u64,
    /// When it became what it is, in seconds since 1970.
    pub(crate) created: u64,
    /// What it asks of a host.
    #[serde(default, skip_serializing_if = "wants_nothing")]
    pub(crate) host: Wants,
    /// The machines that it is made for, if the recipe declares them, and what speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<Purpose>,
    /// What is known of the drivers among the items.
    #[serde(default, rename = "driver", skip_serializing_if = "Vec::is_empty")]
    pub(crate) drivers: Vec<DriverRecord>,
    /// What is known of the kernel headers among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<HeadersRecord>,
    /// The tables of packages, which are pinned as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) apt: Vec<LockedApt>,
    /// The archives that packages among the items come from.
    #[serde(default, rename = "archive", skip_serializing_if = "Vec::is_empty")]
    pub(crate) archives: Vec<ArchiveRecord>,
    /// The Debian packages among the items.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub(crate) packages: Vec<PackageRecord>,
    /// The unlock libraries among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unlock: Vec<UnlockRecord>,
    /// The container images among the items.
    #[serde(default, rename = "image", skip_serializing_if = "Vec::is_empty")]
    pub(crate) images: Vec<ImageRecord>,
    /// How the unlock libraries and their sources were made.
    #[serde(default, rename = "build", skip_serializing_if = "Vec::is_empty")]
    pub(crate) builds: Vec<BuildRecord>,
    /// The items, in the order in which they are applied.
    #[serde(default, rename = "item")]
    pub(crate) items: Vec<LockedItem>,
}

/// An item, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LockedItem {
    /// Its name.
    pub(crate) name: ItemName,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its SHA-256.
    pub(crate) sha256: Digest,
    /// Whether it is a program.
    pub(crate) mode: ItemMode,
    /// How its bytes are to be understood.
    #[serde(default = "plain", skip_serializing_if = "is_plain")]
    pub(crate) content: Content,
    /// Where its bytes come from.
    pub(crate) origin: Origin,
}

/// What the bytes of an item turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    /// How many there are.
    pub(crate) size: u64,
    /// Their SHA-256.
    pub(crate) sha256: Digest,
    /// How they are to be understood.
    pub(crate) content: Content,
}

impl From<&Obtained> for Pin {
    fn from(obtained: &Obtained) -> Self {
        let Obtained { measured, content } = obtained;
        Self { size: measured.size, sha256: measured.sha256, content: *content }
    }
}

/// What was found out by looking into the items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Of the drivers.
    pub(crate) drivers: Vec<DriverRecord>,
    /// Of the kernel headers.
    pub(crate) headers: Vec<HeadersRecord>,
    /// Of the tables of packages.
    pub(crate) apt: Vec<LockedApt>,
    /// Of the archives that packages come from.
    pub(crate) archives: Vec<ArchiveRecord>,
    /// Of the Debian packages.
    pub(crate) packages: Vec<PackageRecord>,
    /// Of the unlock libraries.
    pub(crate) unlock: Vec<UnlockRecord>,
    /// Of how those were made.
    pub(crate) builds: Vec<BuildRecord>,
    /// Of the container images.
    pub(crate) images: Vec<ImageRecord>,
}

impl Found {
    /// What the bundle is made for, with all that speaks against it.
    fn purpose(&self, targets: Targets) -> Purpose {
        let contents = Contents { drivers: &self.drivers, headers: &self.headers };
        let unsuitable = targets.judge(&Catalog::embedded(), contents).against();
        Purpose { targets, unsuitable }
    }
}

/// The version of the format of locks that this program writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 1;

fn plain() -> Content {
    Content::Plain
}

fn is_plain(content: &Content) -> bool {
    *content == Content::Plain
}

fn wants_nothing(wants: &Wants) -> bool {
    *wants == Wants::default()
}

/// Why a lock does not serve a recipe any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stale {
    /// The recipe says something else now.
    #[error("the recipe has changed since it was locked")]
    Recipe,
    /// This program is another one.
    #[error(
        "the lock was made by version {0} of this program, which would have made another bundle"
    )]
    Bundler(ProgramVersion),
}

impl Lock {
    /// What `recipe` turned out to be: its `entries`, with all packages among them, and one pin for
    /// each.
    ///
    /// If that is the same bundle as that of the `previous` lock, it keeps its number and date;
    /// otherwise it gets the next number, and `now`, in seconds since 1970.
    #[must_use]
    pub(crate) fn new(
        recipe: &Recipe,
        entries: &[Entry],
        pins: &[Pin],
        found: Found,
        previous: Option<&Self>,
        now: u64,
    ) -> Self {
        let items = entries.iter().zip(pins).map(|(entry, pin)| LockedItem {
            name: entry.name.clone(),
            size: pin.size,
            sha256: pin.sha256,
            mode: entry.mode,
            content: pin.content,
            origin: entry.origin.clone(),
        });
        let mut lock = Self {
            version: VERSION,
            bundler: ProgramVersion::current(),
            recipe: recipe.digest(),
            name: recipe.name.clone(),
            channel: recipe.channel.clone(),
            sequence: previous.map_or(1, |previous| previous.sequence),
            created: previous.map_or(now, |previous| previous.created),
            host: recipe.host.clone(),
            purpose: recipe.targets.clone().map(|targets| found.purpose(targets)),
            drivers: found.drivers,
            headers: found.headers,
            apt: found.apt,
            archives: found.archives,
            packages: found.packages,
            unlock: found.unlock,
            builds: found.builds,
            images: found.images,
            items: items.collect(),
        };
        if previous.is_some_and(|previous| !lock.is_same_bundle(previous)) {
            lock.sequence += 1;
            lock.created = now;
        }
        lock
    }

    /// Would a bundle of this lock be the same as one of `other`, byte for byte?
    fn is_same_bundle(&self, other: &Self) -> bool {
        let essence = |lock: &Self| {
            let items = lock.items.iter().map(|item| {
                let origin = item.origin.for_manifest();
                (item.name.clone(), item.size, item.sha256, item.mode, item.content, origin)
            });
            let items: Vec<_> = items.collect();
            let said = (lock.name.clone(), lock.channel.clone(), lock.host.clone());
            (lock.bundler, said, lock.purpose.clone(), items)
        };
        essence(self) == essence(other) && self.found() == other.found()
    }

    /// What was found out by looking into the items.
    fn found(&self) -> Found {
        Found {
            drivers: self.drivers.clone(),
            headers: self.headers.clone(),
            // What was asked for is not in a bundle.
            apt: Vec::new(),
            archives: self.archives.clone(),
            packages: self.packages.clone(),
            unlock: self.unlock.clone(),
            // How something was made is not in the bundle.
            builds: Vec::new(),
            images: self.images.clone(),
        }
    }

    /// Check that the lock is that of `recipe`, made by this program.
    pub(crate) fn check_current(&self, recipe: &Recipe) -> Result<(), Stale> {
        if self.recipe != recipe.digest() {
            return Err(Stale::Recipe);
        }
        if self.bundler != ProgramVersion::current() {
            return Err(Stale::Bundler(self.bundler));
        }
        Ok(())
    }

    /// What this lock has pinned for a download: what came from these very addresses before.
    ///
    /// Files and folders are here to be looked at, so they are never taken from an old lock.
    #[must_use]
    pub(crate) fn pin(&self, entry: &Entry) -> Option<Pin> {
        let is_it =
            |item: &&LockedItem| item.name == entry.name && item.origin.serves(&entry.origin);
        let item = self.items.iter().find(is_it)?;
        let fits = entry.sha256.is_none_or(|sha256| sha256 == item.sha256)
            && item.size <= entry.max_size.bytes();
        let is_download = match item.origin {
            Origin::Url { .. } | Origin::Git(_) | Origin::Alist(_) | Origin::Mega { .. } => true,
            // The archive is ours, and another version of this program may write another one.
            Origin::Image(_) => self.bundler == ProgramVersion::current(),
            _ => false,
        };
        let pin = Pin { size: item.size, sha256: item.sha256, content: item.content };
        (fits && is_download).then_some(pin)
    }

    /// Where this lock has an entry from, in full, if it was made for the same.
    #[must_use]
    pub(crate) fn locked_origin(&self, entry: &Entry) -> Option<&Origin> {
        let is_it =
            |item: &&LockedItem| item.name == entry.name && item.origin.serves(&entry.origin);
        self.items.iter().find(is_it).map(|item| &item.origin)
    }

    /// What was found out by looking into the items.
    #[must_use]
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents { drivers: &self.drivers, headers: &self.headers }
    }

    /// What was found in a package of headers with these bytes, if they were looked into.
    #[must_use]
    pub(crate) fn headers_of(&self, item: &ItemName, sha256: Digest) -> Option<&HeadersRecord> {
        let same = self.has_item(item, sha256);
        let ours = self.bundler == ProgramVersion::current();
        self.headers.iter().find(|record| same && ours && record.item == *item)
    }

    /// What was found out about the driver `item`, and the item itself.
    #[must_use]
    pub(crate) fn driver_of(&self, item: &ItemName) -> Option<(&DriverRecord, &LockedItem)> {
        let record = self.drivers.iter().find(|record| record.item == *item)?;
        let locked = self.items.iter().find(|locked| locked.name == *item)?;
        (self.bundler == ProgramVersion::current()).then_some((record, locked))
    }

    /// What was found out about the image `item`, if it has these bytes.
    #[must_use]
    pub(crate) fn image_of(&self, item: &ItemName, sha256: Digest) -> Option<&ImageRecord> {
        let same = self.has_item(item, sha256);
        self.images.iter().find(|record| same && record.item == *item)
    }

    /// How the sources of an unlock library were made, and the item itself.
    #[must_use]
    pub(crate) fn build_of(&self, item: &ItemName) -> Option<(&BuildRecord, &LockedItem)> {
        let record = self.builds.iter().find(|record| record.source == *item)?;
        let locked = self.items.iter().find(|locked| locked.name == *item)?;
        (self.bundler == ProgramVersion::current()).then_some((record, locked))
    }

    /// Whether there is an item of this name with these bytes.
    #[must_use]
    pub(crate) fn has_item(&self, item: &ItemName, sha256: Digest) -> bool {
        self.items.iter().any(|it| it.name == *item && it.sha256 == sha256)
    }

    /// What the file of the bundle is called.
    #[must_use]
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.vgpu.tar", self.name, self.sequence)
    }
}
