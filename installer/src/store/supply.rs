//! Sources of items that a bundle leaves out and the store lacks.

use std::collections::BTreeMap;

use vgpu_manifest::{Bundle, Item, ItemName, ReadError, Verified};

use super::content;
use crate::host::Content;
use crate::host::real::{ItemFolder, Staging};
use crate::ui::{Progress, Ui, printable};

/// A source of left-out items.
///
/// It grants no trust: an item counts by its digest in the bundle that leaves it out.
#[derive(Debug)]
pub(crate) enum Supply {
    /// A bundle.
    Bundle(Box<Bundle<Verified>>),
    /// A folder with items by their identity, such as the store of another host or a copy of it.
    Folder(ItemFolder),
}

impl Supply {
    /// Copies those of the `missing` items that it has into the store, and removes them from the
    /// list. Files of a folder that do not have their item's bytes are ignored, with a note.
    pub(super) fn give(
        &self,
        missing: &mut Vec<Item>,
        staging: &Staging,
        progress: &Progress,
        ui: &Ui,
    ) -> Result<(), ReadError> {
        let folder = match self {
            Self::Bundle(bundle) => return give_items(bundle, missing, staging, progress),
            Self::Folder(folder) => folder,
        };
        missing.retain(|item| match folder.take(content(item), staging) {
            Ok(true) => {
                progress.add(item.size());
                false
            }
            Ok(false) => true,
            Err(why) => {
                let path = folder.path().join(item.id().to_string());
                ui.say(printable(&format!("ignored: {path}: {why}")));
                true
            }
        });
        Ok(())
    }
}

fn give_items(
    bundle: &Bundle<Verified>,
    missing: &mut Vec<Item>,
    staging: &Staging,
    progress: &Progress,
) -> Result<(), ReadError> {
    // The store has a content once, although several items of the bundle may have it.
    let mut chosen: BTreeMap<Content, &ItemName> = BTreeMap::new();
    let is_missing = |item: &&Item| missing.iter().any(|it| content(it) == content(item));
    for item in bundle.manifest().carried().filter(is_missing) {
        chosen.entry(content(item)).or_insert(item.name());
    }
    let wanted = |item: &Item| chosen.get(&content(item)) == Some(&item.name());
    bundle.stage(wanted, staging, &|bytes| progress.add(bytes))?;
    missing.retain(|item| !chosen.contains_key(&content(item)));
    Ok(())
}
