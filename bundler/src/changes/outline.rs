use std::collections::BTreeMap;

use vgpu_manifest::driver::DriverRecord;
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::package::{ArchiveRecord, PackageRecord};
use vgpu_manifest::unlock::UnlockRecord;
use vgpu_manifest::{Content, Digest, ItemMode, ItemName, Manifest, Origin};

use super::{Bytes, Group};
use crate::lock::Lock;
use crate::wants;

/// What a lock and the bundle made from it have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The plain facts, by what people call them.
    pub(super) facts: [(&'static str, String); 4],
    pub(super) host: Vec<String>,
    pub(super) items: Vec<(ItemName, Part)>,
    pub(super) drivers: Vec<DriverRecord>,
    pub(super) packages: Vec<PackageRecord>,
    pub(super) archives: Vec<ArchiveRecord>,
    pub(super) images: Vec<ImageRecord>,
    pub(super) unlock: Vec<UnlockRecord>,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) mode: ItemMode,
    pub(super) content: Content,
    pub(super) origin: Origin,
    pub(super) group: Group,
}

impl From<&Lock> for Outline {
    fn from(lock: &Lock) -> Self {
        let items = lock.items.iter().map(|item| {
            let bytes = Bytes { size: item.size, sha256: item.sha256 };
            let (mode, content, origin) = (item.mode, item.content, item.origin.for_manifest());
            (item.name.clone(), Part { bytes, mode, content, origin, group: Group::File })
        });
        let outline = Self {
            facts: [
                ("name", lock.name.to_string()),
                ("channel", lock.channel.to_string()),
                ("sequence", lock.sequence.to_string()),
                ("bundler", lock.bundler.to_string()),
            ],
            host: wants::lines(&lock.host),
            items: items.collect(),
            drivers: lock.drivers.clone(),
            packages: lock.packages.clone(),
            archives: lock.archives.clone(),
            images: lock.images.clone(),
            unlock: lock.unlock.clone(),
        };
        outline.grouped(&lock.headers)
    }
}

impl From<&Manifest> for Outline {
    fn from(manifest: &Manifest) -> Self {
        let items = manifest.items.iter().map(|item| {
            let bytes = Bytes { size: item.size(), sha256: item.sha256() };
            let (mode, content, origin) = (item.mode(), item.content(), item.origin().clone());
            (item.name().clone(), Part { bytes, mode, content, origin, group: Group::File })
        });
        let outline = Self {
            facts: [
                ("name", manifest.name.to_string()),
                ("channel", manifest.channel.to_string()),
                ("sequence", manifest.sequence.to_string()),
                ("bundler", manifest.made_by.to_string()),
            ],
            host: wants::lines(&manifest.wants),
            items: items.collect(),
            drivers: manifest.drivers.clone(),
            packages: manifest.packages.clone(),
            archives: manifest.archives.clone(),
            images: manifest.images.clone(),
            unlock: manifest.unlock.clone(),
        };
        outline.grouped(&manifest.headers)
    }
}

impl Outline {
    /// The same, with each item in its group.
    pub(super) fn grouped(mut self, headers: &[HeadersRecord]) -> Self {
        let mut groups: BTreeMap<&ItemName, Group> = BTreeMap::new();
        groups.extend(headers.iter().map(|record| (&record.item, Group::Package)));
        let archives = self.archives.iter().flat_map(ArchiveRecord::items);
        groups.extend(archives.map(|item| (item, Group::Package)));
        groups.extend(self.packages.iter().map(|record| (&record.item, Group::Package)));
        groups.extend(self.images.iter().map(|record| (&record.item, Group::Image)));
        let unlock = self.unlock.iter().flat_map(UnlockRecord::items);
        groups.extend(unlock.map(|item| (item, Group::Unlock)));
        let drivers = self.drivers.iter().flat_map(DriverRecord::items);
        groups.extend(drivers.map(|item| (item, Group::Driver)));
        for (name, part) in &mut self.items {
            part.group = match (groups.get(name), part.content) {
                (Some(group), _) => *group,
                (None, Content::Catalog) => Group::Catalog,
                (None, _) => Group::File,
            };
        }
        self
    }

    /// The same bundle, before anything was in it.
    pub(super) fn emptied(&self) -> Self {
        Self {
            facts: self.facts.clone(),
            host: self.host.clone(),
            items: Vec::new(),
            drivers: Vec::new(),
            packages: Vec::new(),
            archives: Vec::new(),
            images: Vec::new(),
            unlock: Vec::new(),
        }
    }

    /// The size of all items together, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.items.iter().map(|(_, part)| part.bytes.size).sum()
    }

    /// The digest of the bytes of an item.
    pub(super) fn digest(&self, item: &ItemName) -> Option<Digest> {
        let found = self.items.iter().find(|(name, _)| name == item);
        found.map(|(_, part)| part.bytes.sha256)
    }
}
