use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Item;
use crate::types::object::object;
use crate::ui::{ByteSize, count};
use crate::{BundleName, Digest, ItemId};

/// A bundle that has the payload of an item, while another bundle leaves it out.
///
/// It tells people where to find the payload. It grants no trust: the payload counts only by the
/// digest of its item, wherever it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Base {
    /// The name of the bundle.
    pub name: BundleName,
    /// Its sequence.
    pub sequence: u64,
    /// The digest of its signed root. Another bundle can have the same name and sequence.
    pub digest: Digest,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sequence, digest } = self;
        write!(f, "bundle {name} {sequence} (digest {digest})")
    }
}

/// Left-out items that one bundle has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    /// The bundle that has them.
    pub bundle: Base,
    /// The number of items.
    pub items: usize,
    /// Their size in bytes.
    pub size: u64,
}

impl Expected {
    /// Groups items by the bundles that have them, in the order of names and sequences.
    pub fn of<'i>(items: impl Iterator<Item = (&'i Item, &'i Base)>) -> Vec<Self> {
        let mut bases: BTreeMap<&Base, (usize, u64)> = BTreeMap::new();
        for (item, base) in items {
            let (items, size) = bases.entry(base).or_default();
            *items += 1;
            *size += item.size();
        }
        let expected = bases.into_iter();
        expected.map(|(base, (items, size))| Self { bundle: base.clone(), items, size }).collect()
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bundle, items, size } = self;
        write!(f, "{}, {}, of {bundle}", count(*items, "item"), ByteSize::new(*size))
    }
}

/// The contents of a bundle that the store of a host has, as a report lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Holding {
    /// The bundle.
    #[serde(deserialize_with = "object")]
    pub bundle: Base,
    /// Its contents that the store has.
    pub items: BTreeSet<ItemId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::one_spelling;

    #[test]
    fn a_base_has_one_spelling_and_is_named_with_its_digest() {
        let digest = Digest::of(b"root");
        let base = Base { name: "gpu".parse().unwrap(), sequence: 7, digest };
        one_spelling(&base, &[("\"gpu\"", "\"GPU\""), ("7", "-7"), ("7", "\"7\"")]);
        assert_eq!(base.to_string(), format!("bundle gpu 7 (digest {digest})"));
    }
}
