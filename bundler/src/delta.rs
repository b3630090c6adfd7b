//! The contents that the targets of a delta bundle already have, and that it leaves out.

use std::collections::BTreeMap;

use anyhow::Context as _;
use camino::Utf8Path;
use vgpu_manifest::{Base, Bundle, Item, ItemId, Manifest, Verified};

use crate::bounded;
use crate::fleet::Report;
use crate::ui::Advise as _;

/// The contents that every target has, each with the bundle that has it.
///
/// A wrong claim makes a delta that hosts refuse, and nothing worse: hosts take a content by its
/// digest only.
#[derive(Debug, Default)]
pub(crate) struct Since(Option<BTreeMap<ItemId, Base>>);

/// The beginning of every bundle: the name of its first member.
const BUNDLE_HEAD: &[u8] = b"SIGNATURES\0";

/// Checks whether the file at `path` begins like a bundle. Otherwise, it can only be a report.
pub(crate) fn is_bundle(path: &Utf8Path) -> anyhow::Result<bool> {
    let head = bounded::head(path, BUNDLE_HEAD.len() as u64);
    Ok(head.with_context(|| format!("cannot read `{path}`"))? == BUNDLE_HEAD)
}

impl Since {
    /// Adds a bundle that every target has applied or added to its store.
    ///
    /// For an item that the bundle itself leaves out, the base of that item counts.
    pub(crate) fn add_bundle(&mut self, bundle: &Bundle<Verified>) {
        let Manifest { name, sequence, items, .. } = bundle.manifest();
        let own = Base { name: name.clone(), sequence: *sequence, digest: bundle.digest() };
        let of = |item: &Item| (item.id(), item.base().unwrap_or(&own).clone());
        self.retain(items.iter().map(of).collect());
    }

    /// Adds the report of a target.
    pub(crate) fn add_report(&mut self, path: &Utf8Path, report: Report) -> anyhow::Result<()> {
        let holdings = report
            .holdings
            .with_context(|| format!("the report `{path}` does not list the store of its node"))
            .hint("write it with the current version: `vgpu-installer report --output FILE`")?;
        let items = |holding: vgpu_manifest::Holding| {
            let bundle = holding.bundle;
            holding.items.into_iter().map(move |id| (id, bundle.clone()))
        };
        self.retain(holdings.into_iter().flat_map(items).collect());
        Ok(())
    }

    /// Keeps only the contents that are here, too.
    fn retain(&mut self, here: BTreeMap<ItemId, Base>) {
        match &mut self.0 {
            Some(all) => all.retain(|id, _| here.contains_key(id)),
            none => *none = Some(here),
        }
    }

    /// Leaves out the payload of `manifest` that every target has.
    pub(crate) fn leave_out(&self, manifest: Manifest) -> Manifest {
        match &self.0 {
            Some(all) => manifest.leave_out(|item| all.get(&item.id()).cloned()),
            None => manifest,
        }
    }
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::Digest;

    use super::*;

    fn base(name: &str) -> Base {
        Base { name: name.parse().unwrap(), sequence: 1, digest: Digest::of(name.as_bytes()) }
    }

    fn ids(names: &[&str], of: &str) -> BTreeMap<ItemId, Base> {
        let id = |name: &&str| (ItemId::Whole(Digest::of(name.as_bytes())), base(of));
        names.iter().map(id).collect()
    }

    #[test]
    fn only_what_every_target_has_is_left_out_with_the_first_base() {
        let mut since = Since::default();
        since.retain(ids(&["a", "b"], "one"));
        since.retain(ids(&["b", "c"], "two"));
        assert_eq!(since.0, Some(ids(&["b"], "one")));
        since.retain(ids(&[], "none"));
        assert_eq!(since.0, Some(BTreeMap::new()));
    }
}
