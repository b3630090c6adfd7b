//! Unused contents of the store.

use std::collections::BTreeSet;

use vgpu_manifest::{Digest, ItemId};

use super::Bundles;
use crate::act::{Action, Change, Entry, Transaction};
use crate::driver::{DriverSpec, remembered};
use crate::host::{Content, HostError, Kind, Look, Node, OwnPath, OwnState};
use crate::plan::Plan;
use crate::state;
use crate::step::Step;
use crate::trust::Floors;

/// The contents that must stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    items: BTreeSet<ItemId>,
    undo: BTreeSet<ItemId>,
    bundles: BTreeSet<Digest>,
}

/// The contents that can be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Garbage {
    /// Items of bundles, with their sizes.
    pub(crate) items: Vec<(OwnPath, u64)>,
    /// Replaced files of reverted transactions.
    pub(crate) undo: Vec<(OwnPath, u64)>,
    /// Manifests of bundles.
    pub(crate) manifests: Vec<(OwnPath, u64)>,
    /// The number of bytes that stay.
    pub(crate) stays: u64,
}

impl Needed {
    /// Returns everything needed to apply or revert these open transactions, and by the last confirmed
    /// bundle of each channel.
    pub(crate) fn of(look: &dyn Look, open: &[(Transaction, Vec<Entry>)]) -> anyhow::Result<Self> {
        let mut needed = Self::default();
        for (tx, entries) in open {
            needed.bundle(look, tx.new.bundle)?;
            for step in Plan::parse(&tx.new.plan)?.steps() {
                // The program is in no manifest: it comes next to the bundle.
                if let Step::InstallSelf(step) = step {
                    needed.items.insert(step.content.id);
                }
            }
            for entry in entries {
                needed.entry(&entry.change);
            }
        }
        for (_, floor) in Floors::load(look)?.iter() {
            if let Some(proven) = floor.proven.last() {
                needed.bundle(look, proven.bundle)?;
            }
        }
        needed.items.extend(remembered(look)?.iter().flat_map(contents).map(|it| it.id));
        Ok(needed)
    }

    fn bundle(&mut self, look: &dyn Look, bundle: Digest) -> anyhow::Result<()> {
        self.bundles.insert(bundle);
        let manifest = Bundles::manifest(look, bundle)?;
        self.items.extend(manifest.iter().flat_map(|it| &it.items).map(vgpu_manifest::Item::id));
        Ok(())
    }

    fn entry(&mut self, change: &Change) {
        match change {
            Change::Put { before, after, .. } => {
                let [before, after] =
                    [before, after].map(|node| node.as_ref().and_then(Node::content));
                self.undo.extend(before.map(|content| content.id));
                self.items.extend(after.map(|content| content.id));
            }
            Change::Act(Action::Driver(driver)) => {
                self.items.extend(contents(&driver.driver).map(|it| it.id));
            }
            Change::Act(Action::Packages(packages)) => {
                self.items.extend(packages.files.iter().map(|file| file.content.id));
            }
            Change::Act(Action::Run(_) | Action::Foreign(_)) | Change::Lost { .. } => {}
        }
    }
}

/// Returns the package of a driver and its patches.
fn contents(driver: &DriverSpec) -> impl Iterator<Item = Content> {
    let patches = driver.patches.iter().map(|patch| patch.content);
    [driver.content].into_iter().chain(patches)
}

impl Garbage {
    /// Returns everything that is not needed.
    pub(crate) fn find(look: &dyn Look, needed: &Needed) -> Result<Self, HostError> {
        let mut garbage = Self::default();
        let names = |ids: &BTreeSet<ItemId>| ids.iter().map(ToString::to_string).collect();
        let manifests: BTreeSet<_> =
            needed.bundles.iter().map(|it| Bundles::file_of(*it)).collect();
        let is_manifest = |name: &str| Bundles::digest_of(name).is_some();
        for (dir, stay, is_ours, list) in [
            (
                state::store(),
                names(&needed.items),
                &(|_: &str| true) as &dyn Fn(&str) -> bool,
                &mut garbage.items,
            ),
            (state::undo(), names(&needed.undo), &|_| true, &mut garbage.undo),
            (state::dir(), manifests, &is_manifest, &mut garbage.manifests),
        ] {
            for name in look.list_own(&dir)?.0 {
                let path = dir.join(&name);
                let Some(stat) = look.stat(&path)?.filter(|stat| stat.kind == Kind::File) else {
                    continue;
                };
                if is_ours(&name) && !stay.contains(&name) {
                    list.push((path, stat.size));
                } else {
                    garbage.stays += stat.size;
                }
            }
        }
        Ok(garbage)
    }

    /// Returns all files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &(OwnPath, u64)> {
        self.items.iter().chain(&self.undo).chain(&self.manifests)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.files().map(|(_, size)| size).sum()
    }

    /// Removes all files. What a power cut leaves is still garbage for the next run.
    pub(crate) fn remove(&self, own: &mut OwnState<'_>) -> Result<(), HostError> {
        self.files().try_for_each(|(path, _)| own.remove(path))
    }
}
