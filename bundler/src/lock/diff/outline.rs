use vgpu_manifest::package::ArchiveRecord;
use vgpu_manifest::{
    GuestTool, Item, ItemFields, Kind, Manifest, WantedDropIn, WantedFile, WantedUnit, Wants,
};

use super::Group;
use crate::lock::{Lock, LockedItem};

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
            host: host_changes(&lock.host),
            items: lock.items.iter().map(described).collect(),
            archives: lock.archives.clone(),
        }
    }
}

impl From<&Manifest> for Outline {
    fn from(manifest: &Manifest) -> Self {
        let described =
            |item: &Item| ItemFields { chunks: Vec::new(), base: None, ..item.clone().into() };
        Self {
            facts: [
                ("name", manifest.name.to_string()),
                ("channel", manifest.channel.to_string()),
                ("sequence", manifest.sequence.to_string()),
                ("bundler", manifest.made_by.to_string()),
            ],
            host: host_changes(&manifest.wants),
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
            Kind::Plain | Kind::Tree(_) | Kind::Policies(_) => Group::File,
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

/// Returns a line for each requested change to a host.
pub(crate) fn host_changes(wants: &Wants) -> Vec<String> {
    let mut lines = Vec::new();
    if wants.iommu.is_some() {
        lines.push("IOMMU on".to_owned());
    }
    lines.extend(wants.kernel_words.iter().map(|word| format!("kernel parameter `{word}`")));
    lines.extend(wants.modules.iter().map(|module| format!("module `{module}` at boot")));
    lines.extend(wants.modprobe.iter().map(|line| format!("modprobe `{line}`")));
    if let Some(names) = &wants.packages.install {
        let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_str())).collect();
        lines.push(format!("of the packages only {}", names.join(", ")));
    }
    let overrides = &wants.overrides;
    lines.extend(overrides.profile.keys().map(|it| format!("vGPU type `{}` changed", it.as_str())));
    lines.extend(overrides.mdev.keys().map(|it| format!("device `{}` changed", it.as_str())));
    lines.extend(overrides.vm.keys().map(|it| format!("vGPU of guest `{}` changed", it.as_str())));
    if wants.unlock.unlock_migration == Some(true) {
        lines.push("migration unlocked".to_owned());
    }
    lines.extend(wants.unlock.pci_info_map.iter().map(|(gpu, shown)| {
        format!("GPU `{gpu}` presented as {:#06x}/{:#06x}", shown.device_id, shown.sub_system_id)
    }));
    if wants.packages.repository.is_some() {
        lines.push("the packages as a permanent repository".to_owned());
    }
    lines.extend(wants.files.iter().map(|WantedFile { item, path, mode }| {
        format!("file `{path}` from `{item}`, mode {mode}")
    }));
    lines.extend(wants.units.iter().map(|WantedUnit { name, item, wanted_by }| {
        let wanted_by = wanted_by.as_ref().map(|by| format!(", wanted by `{by}`"));
        format!("unit `{name}` from `{item}`{}", wanted_by.unwrap_or_default())
    }));
    lines.extend(wants.drop_ins.iter().map(|WantedDropIn { unit, name, item }| {
        format!("drop-in `{name}` of `{unit}` from `{item}`")
    }));
    lines.extend(
        wants
            .guest_tools
            .iter()
            .map(|GuestTool { item }| format!("guest tool `{item}`, only on request")),
    );
    lines
}
