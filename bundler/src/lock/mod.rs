//! The lock, `bundle.lock`: the resolved recipe, pinned by digest.
//!
//! Only `lock` and `update` write it. It records all contents of a bundle, so that the same lock
//! gives the same bundle, anywhere and at any time.

mod diff;
mod file;
mod item;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vgpu_keys::Channel;
use vgpu_manifest::driver::Proof;
use vgpu_manifest::package::ArchiveRecord;
use vgpu_manifest::verdict::{Contents, Purpose};
use vgpu_manifest::{BundleName, Digest, ItemName, Kind, ProgramVersion, Wants};

pub(crate) use self::diff::{Change, Outline, all_of, between, host_changes, lines};
pub(crate) use self::item::{LockedApt, LockedItem};
use crate::catalog::{CatalogFile, Extended};
use crate::recipe::{Entry, Recipe};
use crate::types::{Origin, Pin};

/// A resolved recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Lock {
    /// The version of the lock format: [`VERSION`].
    version: u32,
    /// The version of the bundler that wrote it. Another version may build another bundle.
    pub(crate) bundler: ProgramVersion,
    /// The digest of the recipe.
    pub(crate) recipe: Digest,
    pub(crate) name: BundleName,
    pub(crate) channel: Channel,
    /// The sequence number in the channel. It grows with every change of the bundle.
    pub(crate) sequence: u64,
    /// The time of the last change, in seconds since 1970.
    pub(crate) created: u64,
    /// The requested changes to a host.
    #[serde(default, skip_serializing_if = "wants_nothing")]
    pub(crate) host: Wants,
    /// The machines that it is made for, if the recipe declares them, and objections to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<Purpose>,
    /// The files that extend the catalog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) catalog: Vec<CatalogFile>,
    /// The tables of packages, each pinned as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) apt: Vec<LockedApt>,
    /// The archives of the packages.
    #[serde(default, rename = "archive", skip_serializing_if = "Vec::is_empty")]
    pub(crate) archives: Vec<ArchiveRecord>,
    /// The kernels for which `prove` built and checked the driver's modules.
    #[serde(default, rename = "proof", skip_serializing_if = "Vec::is_empty")]
    pub(crate) proofs: Vec<Proof>,
    /// The items, in the order in which they are applied.
    #[serde(default, rename = "item")]
    pub(crate) items: Vec<LockedItem>,
}

/// The version of the lock format that this program reads and writes.
pub(crate) const VERSION: u32 = 1;

fn wants_nothing(wants: &Wants) -> bool {
    *wants == Wants::default()
}

/// Why a lock is stale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stale {
    /// The recipe changed.
    #[error("the recipe has changed since it was locked")]
    Recipe,
    /// Another version of this program wrote it.
    #[error(
        "the lock was made by version {0} of this program, which would have made another bundle"
    )]
    Bundler(ProgramVersion),
    /// A file that extends the catalog was changed, added or removed.
    #[error("`{0}` was changed, added or removed since the recipe was locked")]
    Catalog(String),
}

impl Lock {
    /// Returns the lock of `recipe` with these items, archives and tables of packages.
    ///
    /// If the bundle equals that of the `previous` lock, it keeps its sequence number and time.
    /// Otherwise it gets the next number and `now`, in seconds since 1970.
    #[must_use]
    pub(crate) fn new(
        recipe: &Recipe,
        catalog: &Extended,
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
            catalog: catalog.files.clone(),
            apt,
            archives,
            proofs: Vec::new(),
            items,
        };
        lock.purpose = recipe.targets.clone().map(|targets| {
            let (contents, mut catalog) = (lock.contents(), catalog.catalog.clone());
            contents.admit_to(&mut catalog, Some(targets.driver));
            let unsuitable = targets.judge(&catalog, &contents).against();
            Purpose { targets, unsuitable }
        });
        // A proof of other items proves nothing about these.
        let inputs = lock.inputs_of_build();
        let proofs = previous.into_iter().flat_map(|previous| &previous.proofs);
        lock.proofs = proofs.filter(|proof| proof.inputs == inputs).cloned().collect();
        if previous.is_some_and(|previous| !lock.is_same_bundle(previous)) {
            lock.sequence += 1;
            lock.created = now;
        }
        lock
    }

    /// Returns whether a bundle of this lock would be identical to one of `other`.
    ///
    /// Requests to archives and build methods are not part of a bundle.
    fn is_same_bundle(&self, other: &Self) -> bool {
        let bundle = |lock: &Self| {
            let items: Vec<_> = lock.items.iter().map(|item| item.described(Vec::new())).collect();
            let names = (lock.bundler, lock.name.clone(), lock.channel.clone());
            let asked = (lock.host.clone(), lock.purpose.clone());
            (names, asked, lock.archives.clone(), lock.proofs.clone(), items)
        };
        bundle(self) == bundle(other)
    }

    /// Returns the lock with a proof, in place of an earlier one for its kernel. Another proof makes
    /// another bundle, with the next sequence number and `now`, in seconds since 1970.
    #[must_use]
    pub(crate) fn with_proof(&self, proof: Proof, now: u64) -> Self {
        let mut proofs = self.proofs.clone();
        proofs.retain(|known| known.kernel != proof.kernel);
        proofs.push(proof);
        proofs.sort_by(|a, b| a.kernel.cmp(&b.kernel));
        let mut lock = Self { proofs, ..self.clone() };
        if lock.proofs != self.proofs {
            (lock.sequence, lock.created) = (self.sequence + 1, now);
        }
        lock
    }

    /// Returns the digest of everything that a build of the driver's modules depends on.
    #[must_use]
    pub(crate) fn inputs_of_build(&self) -> Digest {
        let items = self.items.iter().map(|item| (&item.name, item.sha256, &item.kind));
        Proof::inputs_of(items, self.purpose.as_ref().map(|purpose| &purpose.targets))
    }

    /// Checks that this program made the lock from `recipe`, with these files of the catalog.
    pub(crate) fn check_current(
        &self,
        recipe: &Recipe,
        catalog: &[CatalogFile],
    ) -> Result<(), Stale> {
        if self.recipe != recipe.digest() {
            return Err(Stale::Recipe);
        }
        if self.bundler != ProgramVersion::current() {
            return Err(Stale::Bundler(self.bundler));
        }
        let other = |these: &[CatalogFile], those: &[CatalogFile]| {
            these.iter().find(|file| !those.contains(file)).map(|file| file.name.clone())
        };
        if let Some(name) = other(catalog, &self.catalog).or_else(|| other(&self.catalog, catalog))
        {
            return Err(Stale::Catalog(name));
        }
        Ok(())
    }

    /// Returns the pin of a download from the same addresses.
    ///
    /// Files and folders are available locally, so they are always read again.
    #[must_use]
    pub(crate) fn pin(&self, entry: &Entry) -> Option<Pin> {
        let item = self.serving(entry)?;
        let fits = entry.sha256.is_none_or(|sha256| sha256 == item.sha256)
            && item.size <= entry.max_size.bytes();
        let is_download = match item.origin {
            Origin::Url { .. } | Origin::Git(_) | Origin::Alist(_) | Origin::Mega { .. } => true,
            // This program writes the archive, and another version may write another one.
            Origin::Image(_) => self.bundler == ProgramVersion::current(),
            _ => false,
        };
        // The recipe may change the kind of an item, but not how a tree is packed.
        let kind = item.kind.tree().map_or(Kind::Plain, Kind::Tree);
        (fits && is_download).then(|| Pin { kind, ..item.pin() })
    }

    /// Returns the locked item with the same source as `entry`.
    #[must_use]
    pub(crate) fn serving(&self, entry: &Entry) -> Option<&LockedItem> {
        self.item(&entry.name).filter(|item| item.origin.serves(&entry.origin))
    }

    /// Returns the parts of the records that a verdict needs.
    #[must_use]
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents::of(self.kinds()).with_proofs(&self.proofs)
    }

    /// Returns the record of each item, by its name.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&ItemName, &Kind)> + Clone {
        self.items.iter().map(|item| (&item.name, &item.kind))
    }

    /// Returns the item of this name.
    #[must_use]
    pub(crate) fn item(&self, name: &ItemName) -> Option<&LockedItem> {
        self.items.iter().find(|item| item.name == *name)
    }

    /// Returns the item of this name, if this version of the program described it: another version
    /// may derive another record from the same bytes.
    #[must_use]
    pub(crate) fn known(&self, name: &ItemName) -> Option<&LockedItem> {
        self.item(name).filter(|_| self.bundler == ProgramVersion::current())
    }

    /// Returns the file name of the bundle.
    #[must_use]
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.vgpu.tar", self.name, self.sequence)
    }
}
