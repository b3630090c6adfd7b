//! The items that a delta bundle leaves out: they come from the store of the host.

use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Base, Expected, Holding, Item, ItemId};

use super::{Bundles, content, has};
use crate::host::{HostError, Look};
use crate::journal::Depth;

/// The number of missing items that a message names.
const NAMED: usize = 10;

/// The store lacks items that the bundle leaves out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bundle leaves out {}, which the store of this host lacks", list(.expected))]
pub(crate) struct LeftOut {
    expected: Vec<Expected>,
    names: Vec<String>,
}

fn list(expected: &[Expected]) -> String {
    expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

impl LeftOut {
    /// Checks that none of these items, all left out, is missing.
    pub(super) fn check(missing: &[Item]) -> Result<(), Self> {
        if missing.is_empty() {
            return Ok(());
        }
        let name = |item: &Item| format!("  missing: {}", item.name());
        let mut names: Vec<String> = missing.iter().take(NAMED).map(name).collect();
        if missing.len() > NAMED {
            names.push(format!("  and {} more", missing.len() - NAMED));
        }
        let with_base = missing.iter().filter_map(|item| Some((item, item.base()?)));
        Err(Self { expected: Expected::of(with_base), names })
    }
}

impl Explain for LeftOut {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Unsuitable)
    }

    fn hint(&self) -> Option<&str> {
        Some(
            "run `vgpu-installer store add BUNDLE --base PATH`, where PATH is the bundle that has them, or a copy of the store of another host; or use the full bundle",
        )
    }

    fn details(&self) -> &[String] {
        &self.names
    }
}

/// Returns the contents of all staged bundles that are intact in the store, for a report. Each is
/// listed once, under the oldest bundle that has it.
pub(crate) fn holdings(look: &dyn Look) -> Result<Vec<Holding>, HostError> {
    let mut found: BTreeMap<ItemId, Base> = BTreeMap::new();
    let mut known: Vec<_> = Bundles::load(look).iter().collect();
    known.sort_by_key(|base| base.sequence);
    for own in known {
        // A damaged manifest is one of the findings of `repair`.
        let Ok(Some(manifest)) = Bundles::manifest(look, own.digest) else { continue };
        for item in &manifest.items {
            if !found.contains_key(&item.id()) && has(look, content(item), Depth::Bytes)? {
                found.insert(item.id(), item.base().unwrap_or(&own).clone());
            }
        }
    }
    let mut holdings: BTreeMap<Base, BTreeSet<ItemId>> = BTreeMap::new();
    for (id, base) in found {
        holdings.entry(base).or_default().insert(id);
    }
    Ok(holdings.into_iter().map(|(bundle, items)| Holding { bundle, items }).collect())
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::Digest;

    use super::*;
    use crate::plan::tests::planner::{item, manifest};

    #[test]
    fn the_message_names_the_bundles_and_some_of_the_items() {
        let base = |name: &str| Base {
            name: name.parse().unwrap(),
            sequence: 7,
            digest: Digest::of(name.as_bytes()),
        };
        let mut all = manifest("{}");
        all.items = (0..12).map(|n| item(&format!("item-{n:02}"))).collect();
        let all = all.leave_out(|item| {
            Some(base(if item.name().as_str() < "item-03" { "gpu" } else { "other" }))
        });
        assert_eq!(LeftOut::check(&[]), Ok(()));
        let error = LeftOut::check(&all.items).unwrap_err();
        let text = error.to_string();
        let [gpu, other] = [base("gpu"), base("other")].map(|base| base.digest);
        assert!(text.starts_with("the bundle leaves out 3 items, "), "{text}");
        assert!(text.contains(&format!("of bundle gpu 7 (digest {gpu}) and 9 items")), "{text}");
        assert!(text.contains(&format!("of bundle other 7 (digest {other}), which")), "{text}");
        assert_eq!(error.details()[9..], ["  missing: item-09", "  and 2 more"]);
    }
}
