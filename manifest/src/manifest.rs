use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_keys::Channel;

use crate::bundle::limits::MAX_CATALOG;
use crate::bundle::limits::{MAX_ITEM, MAX_ITEMS};
use crate::item::driver::PatchRecord;
use crate::item::package::{ArchiveName, ArchiveRecord, PackageRecord};
use crate::item::unlock::LibraryRecord;
use crate::item::{Item, Kind};
use crate::printable;
use crate::types::object::{object, objects, some_object};
use crate::types::{NameCollision, check_distinct};
use crate::verdict::Purpose;
use crate::{BundleName, ItemName, ProgramVersion, Wants};

/// The version of the format that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// All that is known about a bundle's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// The oldest of our programs that can read this manifest.
    pub needs: ProgramVersion,
    /// The program that made the bundle.
    pub made_by: ProgramVersion,
    /// The bundle's name.
    pub name: BundleName,
    /// The line of bundles that it belongs to.
    pub channel: Channel,
    /// Its place in that line; a later bundle has a higher one.
    pub sequence: u64,
    /// When its lock was made, in seconds since 1970. It dates the members of the archive and
    /// decides nothing.
    pub created: u64,
    /// What it asks of a host.
    #[serde(default, deserialize_with = "object")]
    pub wants: Wants,
    /// The archives that packages among the items came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub archives: Vec<ArchiveRecord>,
    /// The machines that it is made for, if somebody has declared them.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub purpose: Option<Purpose>,
    /// The payload, in the order in which it is applied.
    #[serde(deserialize_with = "objects")]
    pub items: Vec<Item>,
}

/// Why a manifest, although signed, is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not the JSON that we write.
    #[error("the manifest is malformed: {}", printable(&.0.to_string()))]
    Syntax(serde_json::Error),
    /// It is of another format.
    #[error(
        "the bundle has format {found}, but this program reads format {FORMAT}; use the program that came with the bundle"
    )]
    Format {
        /// The format that it says it has.
        found: u32,
    },
    /// This program is too old for it.
    #[error(
        "the bundle needs version {needs} of this program, which is version {have}; use the one that came with the bundle"
    )]
    TooOld {
        /// The oldest version that can read it.
        needs: ProgramVersion,
        /// Ours.
        have: ProgramVersion,
    },
    /// Two items cannot lie side by side.
    #[error(transparent)]
    Names(#[from] NameCollision),
    /// There are more items than we handle.
    #[error("{0} items are more than a bundle may have ({MAX_ITEMS})")]
    TooMany(usize),
    /// It asks for an item that it does not have.
    #[error("the manifest wants item `{0}` on the host, but has none of that name")]
    Missing(ItemName),
    /// An item belongs to one that it does not have.
    #[error("item `{item}` belongs to the {kind} `{of}`, but the manifest has none of that name")]
    Lacks {
        /// The item.
        item: ItemName,
        /// What it belongs to.
        kind: &'static str,
        /// The name of that.
        of: String,
    },
    /// An archive of packages is described twice.
    #[error("the manifest describes the archive `{0}` twice")]
    ArchiveTwice(ArchiveName),
    /// An archive of packages names an item that is not its own file.
    #[error("the archive `{archive}` needs item `{item}` as a plain file of its own")]
    ArchiveItem {
        /// The archive.
        archive: ArchiveName,
        /// The item.
        item: ItemName,
    },
    /// It has more than one catalogue, or one that nobody could read.
    #[error("item `{0}` is one catalogue too many, or too large for one")]
    Catalog(ItemName),
    /// Its date does not fit into a tar header.
    #[error("the date of the bundle, {0}, is too far in the future for an archive")]
    Created(u64),
}

/// What is read before anything else, from a manifest of any version.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Preamble {
    format: u32,
    needs: ProgramVersion,
}

impl Manifest {
    /// Read the bytes of a manifest: first only what says whether we can, then all of it, strictly.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let Preamble { format, needs } =
            serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        if format != FORMAT {
            return Err(ManifestError::Format { found: format });
        }
        let have = ProgramVersion::current();
        if needs > have {
            return Err(ManifestError::TooOld { needs, have });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The bytes that go into a bundle. Equal manifests give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(ManifestError::Syntax)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The item of this name.
    #[must_use]
    pub fn item(&self, name: &ItemName) -> Option<&Item> {
        self.items.iter().find(|item| item.name() == name)
    }

    /// The items that have such a record, each with it: `records(Kind::driver)`.
    pub fn records<'m, T: 'm>(
        &'m self,
        record: impl Fn(&'m Kind) -> Option<&'m T>,
    ) -> impl Iterator<Item = (&'m Item, &'m T)> {
        self.items.iter().filter_map(move |item| Some((item, record(item.kind())?)))
    }

    /// What each item is, by its name.
    pub fn kinds(&self) -> impl Iterator<Item = (&ItemName, &Kind)> + Clone {
        self.items.iter().map(|item| (item.name(), item.kind()))
    }

    /// Checks whether there is a package of an archive with this name.
    #[must_use]
    pub fn has_package(&self, name: &str) -> bool {
        self.records(Kind::package).any(|(_, record)| record.name.as_str() == name)
    }

    /// The item that is the catalog.
    #[must_use]
    pub fn catalog(&self) -> Option<&Item> {
        self.items.iter().find(|item| is_catalog(item))
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.items.len() > MAX_ITEMS {
            return Err(ManifestError::TooMany(self.items.len()));
        }
        if self.created > MAX_ITEM {
            return Err(ManifestError::Created(self.created));
        }
        check_distinct(self.items.iter().map(Item::name))?;
        self.check_archives()?;
        self.items.iter().try_for_each(|item| self.check_owner(item))?;
        let mut catalogs = self.items.iter().filter(|item| is_catalog(item)).enumerate();
        if let Some((_, item)) = catalogs.find(|(at, item)| *at > 0 || item.size() > MAX_CATALOG) {
            return Err(ManifestError::Catalog(item.name().clone()));
        }
        match self.wants.items().find(|name| self.item(name).is_none()) {
            Some(missing) => Err(ManifestError::Missing(missing.clone())),
            None => Ok(()),
        }
    }

    /// Checks that archives have different names, and their documents are plain items of their own.
    fn check_archives(&self) -> Result<(), ManifestError> {
        let (mut names, mut documents) = (BTreeSet::new(), BTreeSet::new());
        for archive in &self.archives {
            if !names.insert(&archive.name) {
                return Err(ManifestError::ArchiveTwice(archive.name.clone()));
            }
            for name in archive.items() {
                let is_plain = self.item(name).is_some_and(|item| item.kind().is_plain());
                if !is_plain || !documents.insert(name) {
                    let (archive, item) = (archive.name.clone(), name.clone());
                    return Err(ManifestError::ArchiveItem { archive, item });
                }
            }
        }
        Ok(())
    }

    /// Checks that what the record of an item names is there.
    fn check_owner(&self, item: &Item) -> Result<(), ManifestError> {
        let kind_of = |name| self.item(name).map(Item::kind);
        let (is_there, kind, of) = match item.kind() {
            Kind::Patch(PatchRecord { driver, .. }) => {
                (matches!(kind_of(driver), Some(Kind::Driver(_))), "driver", driver.as_str())
            }
            Kind::UnlockLibrary(LibraryRecord { source, .. }) => {
                let is_source = matches!(kind_of(source), Some(Kind::UnlockSource(_)));
                (is_source, "unlock sources", source.as_str())
            }
            Kind::Package(PackageRecord { archive, .. }) => {
                let is_there = self.archives.iter().any(|it| it.name == *archive);
                (is_there, "archive", archive.as_str())
            }
            _ => return Ok(()),
        };
        let lacks = || {
            let (item, of) = (item.name().clone(), of.to_owned());
            ManifestError::Lacks { item, kind, of }
        };
        if is_there { Ok(()) } else { Err(lacks()) }
    }
}

fn is_catalog(item: &Item) -> bool {
    matches!(item.kind(), Kind::Catalog(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_quotes_is_escaped_once() {
        let head = r#"{"format":1,"needs":"0.1.0","name":"a\u001b[2J'b"}"#;
        let error = Manifest::parse(head.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(r"`a\u{1b}[2J\'b` is not"), "{error}");
        let error = Manifest::parse(br#"{"format":1,"needs":"0.1.0","o\u001bk":1}"#).unwrap_err();
        assert!(error.to_string().contains(r"unknown field `o\u{1b}k`"), "{error}");
    }
}
