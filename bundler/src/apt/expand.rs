//! Expands a table of a recipe to locked items: retained from the last lock, or resolved again.

use vgpu_manifest::Digest;
use vgpu_manifest::package::{ArchiveName, ArchiveRecord};
use vgpu_manifest::ui::ByteSize;

use super::error::AptError;
use super::{node, renew};
use crate::items::source::Sources;
use crate::lock::{Lock, LockedApt, LockedItem};
use crate::recipe::{Apt, Entry, Recipe, Role};
use crate::types::Pin;

/// The resolved tables of packages of a recipe.
#[derive(Debug, Default)]
pub(crate) struct Expansion {
    /// The entries of the recipe, including all packages.
    pub(crate) entries: Vec<Entry>,
    /// The locked items of these entries; packages are pinned, whether or not they are cached.
    pub(crate) pins: Vec<Option<Pin>>,
    pub(crate) apt: Vec<LockedApt>,
    pub(crate) archives: Vec<ArchiveRecord>,
}

/// The result for one table.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) items: Vec<(Entry, Pin)>,
    pub(super) archives: Vec<ArchiveRecord>,
}

/// How to treat the packages of an earlier lock.
pub(crate) trait Renewal {
    /// Returns whether the packages for this release are to be resolved again.
    fn renews(&self, release: &ArchiveName) -> bool;
}

/// Adds the packages that the tables request to the entries of a recipe.
pub(crate) fn expand(
    sources: &Sources<'_>,
    recipe: &Recipe,
    previous: Option<&Lock>,
    renewal: &dyn Renewal,
) -> Result<Expansion, AptError> {
    let mut all = Expansion::default();
    let mut rest = recipe.entries.iter();
    let mut taken = 0;
    for table in &recipe.apt {
        let before = rest.by_ref().take(table.at - taken);
        all.add(before.map(|entry| (entry.clone(), None)));
        taken = table.at;

        let (known, digest) = node::read(&table.node, sources.base)?;
        let asked = asked(table, digest);
        let locked = LockedApt { release: table.release.clone(), asked };
        let previous =
            previous.filter(|lock| lock.apt.iter().any(|apt| apt.release == table.release));
        let kept =
            previous.filter(|lock| lock.apt.contains(&locked) && !renewal.renews(&table.release));
        let part = match kept {
            Some(lock) => keep(lock, &table.release),
            None => renew::renew(sources, table, known, previous)?,
        };
        all.add(part.items.into_iter().map(|(entry, pin)| (entry, Some(pin))));
        all.apt.push(locked);
        all.archives.extend(part.archives);
    }
    all.add(rest.map(|entry| (entry.clone(), None)));
    Ok(all)
}

impl Expansion {
    fn add(&mut self, more: impl IntoIterator<Item = (Entry, Option<Pin>)>) {
        for (entry, pin) in more {
            self.entries.push(entry);
            self.pins.push(pin);
        }
    }
}

/// Returns the digest of the table and of the node's packages. The same digest gives the same
/// result.
fn asked(table: &Apt, node: Digest) -> Digest {
    // Strings, numbers and lists always have a JSON form.
    let mut bytes = serde_json::to_vec(table).unwrap_or_default();
    bytes.extend_from_slice(node.to_string().as_bytes());
    Digest::of(&bytes)
}

/// Returns the packages that a lock has for a release.
fn keep(lock: &Lock, release: &ArchiveName) -> Part {
    let archives: Vec<ArchiveRecord> =
        lock.archives.iter().filter(|archive| archive.codename == *release).cloned().collect();
    let is_of = |item: &&LockedItem| match item.kind.package() {
        Some(package) => archives.iter().any(|it| it.name == package.archive),
        None => archives.iter().flat_map(ArchiveRecord::items).any(|it| *it == item.name),
    };
    let items = lock.items.iter().filter(is_of).map(entry).collect();
    Part { items, archives }
}

/// Returns a locked item as a pinned entry.
fn entry(item: &LockedItem) -> (Entry, Pin) {
    let entry = Entry {
        name: item.name.clone(),
        mode: item.mode,
        origin: item.origin.clone(),
        sha256: Some(item.sha256),
        max_size: ByteSize::new(item.size),
        role: Role::Plain,
    };
    (entry, item.pin())
}
