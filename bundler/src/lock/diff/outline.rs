use vgpu_manifest::package::ArchiveRecord;
use vgpu_manifest::{Item, ItemFields, Kind, Manifest};

use super::Group;
use crate::lock::{Lock, LockedItem};
use crate::wants;

/// The common view of a lock and of the bundle made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The properties of the bundle, by display name.
    pub(super) facts: [(&'static str, String); 4],
    pub(super) host: Vec<String>,
    /// The items, without the digests of their chunks.
    pub(super) items: Vec<ItemFields>,
    pub(super) archives: Vec<ArchiveRecord>,
}

impl From<&Lock> for Outline {
    fn from(lock: &Lock) -> Self {
        let described = |item: &LockedItem| item.described(Vec::new());
        Self {
            facts: [
                ("name", lock.name.to_string()),
                ("channel", lock.channel.to_string()),
                ("sequence", lock.sequence.to_string()),
                ("bundler", lock.bundler.to_string()),
            ],
            host: wants::lines(&lock.host),
            items: lock.items.iter().map(described).collect(),
            archives: lock.archives.clone(),
        }
    }
}

impl From<&Manifest> for Outline {
    fn from(manifest: &Manifest) -> Self {
        let described = |item: &Item| ItemFields { chunks: Vec::new(), ..item.clone().into() };
        Self {
            facts: [
                ("name", manifest.name.to_string()),
                ("channel", manifest.channel.to_string()),
                ("sequence", manifest.sequence.to_string()),
                ("bundler", manifest.made_by.to_string()),
            ],
            host: wants::lines(&manifest.wants),
            items: manifest.items.iter().map(described).collect(),
            archives: manifest.archives.clone(),
        }
    }
}

impl Outline {
    pub(super) fn group(&self, item: &ItemFields) -> Group {
        let mut documents = self.archives.iter().flat_map(ArchiveRecord::items);
        match item.kind {
            Kind::Plain if documents.any(|name| *name == item.name) => Group::Package,
            Kind::Plain | Kind::Tree(_) => Group::File,
            Kind::Driver(_) | Kind::Patch(_) => Group::Driver,
            Kind::Package(_) | Kind::Headers(_) => Group::Package,
            Kind::Image(_) => Group::Image,
            Kind::UnlockSource(_) | Kind::UnlockLibrary(_) => Group::Unlock,
            Kind::Catalog(_) => Group::Catalog,
        }
    }

    /// Returns the same bundle without contents.
    pub(super) fn emptied(&self) -> Self {
        let (facts, host) = (self.facts.clone(), self.host.clone());
        Self { facts, host, items: Vec::new(), archives: Vec::new() }
    }

    /// Returns the total size of the items in bytes.
    pub(super) fn size(&self) -> u64 {
        self.items.iter().map(|item| item.size).sum()
    }

    /// Returns the items with such a record, and the records.
    pub(super) fn records<'o, T: 'o>(
        &'o self,
        record: impl Fn(&'o Kind) -> Option<&'o T>,
    ) -> impl Iterator<Item = (&'o ItemFields, &'o T)> {
        self.items.iter().filter_map(move |item| Some((item, record(&item.kind)?)))
    }
}
