//! The lock, `bundle.lock`: what the recipe turned out to be, by digest.
//!
//! Only `lock` and `update` write it. Everything that ends up in a bundle stands in it, so that
//! the same lock gives the same bundle, anywhere and at any time.

mod diff;
mod file;
mod relock;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vgpu_keys::Channel;
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::package::ArchiveRecord;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::verdict::{Contents, Purpose};
use vgpu_manifest::{
    BundleName, Digest, ItemFields, ItemMode, ItemName, Kind, ProgramVersion, Wants,
};

pub(crate) use self::diff::{Change, Outline, all_of, between, lines};
pub(crate) use self::relock::{Pins, all, is_packages, relock};
use crate::apt::LockedApt;
use crate::recipe::{Entry, Recipe};
use crate::source::{Expected, Origin, Pin};
use crate::unlock::Build;

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
    /// The tables of packages, which are pinned as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) apt: Vec<LockedApt>,
    /// The archives that packages among the items come from.
    #[serde(default, rename = "archive", skip_serializing_if = "Vec::is_empty")]
    pub(crate) archives: Vec<ArchiveRecord>,
    /// The items, in the order in which they are applied.
    #[serde(default, rename = "item")]
    pub(crate) items: Vec<LockedItem>,
}

/// An item, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LockedItem {
    pub(crate) name: ItemName,
    /// The length in bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
    pub(crate) mode: ItemMode,
    #[serde(default, skip_serializing_if = "Kind::is_plain")]
    pub(crate) kind: Kind,
    /// Where its bytes come from.
    pub(crate) origin: Origin,
    /// How it was made, if it is one that the bundler makes. A bundle does not say that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) build: Option<Build>,
}

impl LockedItem {
    /// What `entry` turned out to be.
    pub(crate) fn new(entry: Entry, pin: Pin, build: Option<Build>) -> Self {
        let (Entry { name, mode, origin, .. }, Pin { size, sha256, kind }) = (entry, pin);
        Self { name, size, sha256, mode, kind, origin, build }
    }

    /// Its bytes, and what is known of them.
    pub(crate) fn pin(&self) -> Pin {
        Pin { size: self.size, sha256: self.sha256, kind: self.kind.clone() }
    }

    /// What the bytes of an item are expected to be that this lock has.
    pub(crate) fn expected(&self) -> Expected<'_> {
        let Self { name, size, sha256, .. } = self;
        Expected { name, sha256: Some(*sha256), size: Some(*size), cap: ByteSize::new(*size) }
    }

    /// The item as a manifest says it, with the digests of its chunks.
    pub(crate) fn described(&self, chunks: Vec<Digest>) -> ItemFields {
        ItemFields {
            name: self.name.clone(),
            size: self.size,
            mode: self.mode,
            sha256: self.sha256,
            chunks,
            kind: self.kind.clone(),
            origin: self.origin.for_manifest(),
        }
    }
}

/// The version of the format of locks that this program writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 1;

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
    /// What `recipe` turned out to be: these items, the archives that its packages come from, and
    /// its tables of packages.
    ///
    /// If that is the same bundle as that of the `previous` lock, it keeps its number and date;
    /// otherwise it gets the next number, and `now`, in seconds since 1970.
    #[must_use]
    pub(crate) fn new(
        recipe: &Recipe,
        items: Vec<LockedItem>,
        (archives, apt): (Vec<ArchiveRecord>, Vec<LockedApt>),
        previous: Option<&Self>,
        now: u64,
    ) -> Self {
        let mut lock = Self {
            version: VERSION,
            bundler: ProgramVersion::current(),
            recipe: recipe.digest(),
            name: recipe.name.clone(),
            channel: recipe.channel.clone(),
            sequence: previous.map_or(1, |previous| previous.sequence),
            created: previous.map_or(now, |previous| previous.created),
            host: recipe.host.clone(),
            purpose: None,
            apt,
            archives,
            items,
        };
        lock.purpose = recipe.targets.clone().map(|targets| {
            let unsuitable = targets.judge(&Catalog::embedded(), &lock.contents()).against();
            Purpose { targets, unsuitable }
        });
        if previous.is_some_and(|previous| !lock.is_same_bundle(previous)) {
            lock.sequence += 1;
            lock.created = now;
        }
        lock
    }

    /// Would a bundle of this lock be the same as one of `other`, byte for byte?
    ///
    /// What was asked of archives, and how something was made, is not in a bundle.
    fn is_same_bundle(&self, other: &Self) -> bool {
        let said = |lock: &Self| {
            let items: Vec<_> = lock.items.iter().map(|item| item.described(Vec::new())).collect();
            let names = (lock.bundler, lock.name.clone(), lock.channel.clone());
            (names, lock.host.clone(), lock.purpose.clone(), lock.archives.clone(), items)
        };
        said(self) == said(other)
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
        let item = self.serving(entry)?;
        let fits = entry.sha256.is_none_or(|sha256| sha256 == item.sha256)
            && item.size <= entry.max_size.bytes();
        let is_download = match item.origin {
            Origin::Url { .. } | Origin::Git(_) | Origin::Alist(_) | Origin::Mega { .. } => true,
            // The archive is ours, and another version of this program may write another one.
            Origin::Image(_) => self.bundler == ProgramVersion::current(),
            _ => false,
        };
        // What the item is can have changed in the recipe, but not how a tree was packed.
        let kind = item.kind.tree().map_or(Kind::Plain, Kind::Tree);
        (fits && is_download).then(|| Pin { kind, ..item.pin() })
    }

    /// The item of this lock that was made for the same as `entry`.
    #[must_use]
    pub(crate) fn serving(&self, entry: &Entry) -> Option<&LockedItem> {
        self.item(&entry.name).filter(|item| item.origin.serves(&entry.origin))
    }

    /// What a verdict needs of the records.
    #[must_use]
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents::of(self.kinds())
    }

    /// What each item is, by its name.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&ItemName, &Kind)> + Clone {
        self.items.iter().map(|item| (&item.name, &item.kind))
    }

    /// The item of this name.
    #[must_use]
    pub(crate) fn item(&self, name: &ItemName) -> Option<&LockedItem> {
        self.items.iter().find(|item| item.name == *name)
    }

    /// The item of this name, if this version of the program has described it: another one may find
    /// something else in the same bytes.
    #[must_use]
    pub(crate) fn known(&self, name: &ItemName) -> Option<&LockedItem> {
        self.item(name).filter(|_| self.bundler == ProgramVersion::current())
    }

    /// What the file of the bundle is called.
    #[must_use]
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.vgpu.tar", self.name, self.sequence)
    }
}
