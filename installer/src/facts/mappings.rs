//! Resource mappings of the cluster, by which guests name PCI devices.

use std::collections::BTreeMap;

use crate::host::{HostError, Look};
use crate::state::fixed;

/// The list of mappings, which all nodes of a cluster share. A section begins with the mapping's
/// name alone (pve-guest-common 6.0.2, `Mapping/PCI.pm`: `parse_section_header`).
const LIST: &str = "/etc/pve/mapping/pci.cfg";

/// A mapping of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Its devices, in the list's order.
    pub(crate) maps: Vec<Map>,
    /// Whether its devices provide mediated devices.
    pub(crate) mdev: bool,
    /// Whether guests with its devices may migrate while they run.
    pub(crate) migrates: bool,
}

/// A device of a mapping on one node: `id=10de:2235,node=pve1,path=0000:81:00.4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    /// The text of the list.
    pub(crate) text: String,
    properties: BTreeMap<String, String>,
}

impl Map {
    /// Parses its properties, of which the order does not matter.
    pub(crate) fn of(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        let properties = pairs.map(|(key, value)| (key.to_owned(), value.to_lowercase()));
        Self { text: text.to_owned(), properties: properties.collect() }
    }

    fn get(&self, key: &str) -> &str {
        self.properties.get(key).map_or("", String::as_str)
    }

    /// Checks whether both are the same device of the same node. A path can be a list, from which a
    /// guest gets the first free device.
    pub(crate) fn is_device_of(&self, other: &Self) -> bool {
        let path = other.get("path");
        self.get("node") == other.get("node") && self.get("path").split(';').any(|it| it == path)
    }

    /// Checks whether a guest starts with it as with `other`: Proxmox VE compares these properties
    /// (`assert_valid`), the IOMMU group for the first device of a list only.
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        let is_first = self.get("path").split(';').next() == Some(other.get("path"));
        let same = |key: &&str| self.get(key) == other.get(key);
        self.is_device_of(other)
            && ["id", "subsystem-id"].iter().all(same)
            && (!is_first || same(&"iommugroup"))
    }
}

/// Returns the mapping with this name; `None` if the cluster has none.
pub(crate) fn mapping(look: &dyn Look, name: &str) -> Result<Option<Mapping>, HostError> {
    let list = look.text(&fixed(LIST))?.unwrap_or_default();
    Ok(in_list(&list, name))
}

fn in_list(list: &str, name: &str) -> Option<Mapping> {
    let mut lines = list.lines().skip_while(|line| line.trim_end() != name);
    lines.next()?;
    let mut mapping = Mapping::default();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        let Some((key, value)) = line.trim().split_once(char::is_whitespace) else { continue };
        match (key, value.trim()) {
            ("map", text) => mapping.maps.push(Map::of(text)),
            ("mdev", value) => mapping.mdev = value == "1",
            ("live-migration-capable", value) => mapping.migrates = value == "1",
            _ => {}
        }
    }
    Some(mapping)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As pve-manager 9.2.11 writes it.
    const TEXT: &str = "a40\n\tmap id=10de:2235,node=pve1,path=0000:81:00.4\n\
        \tmap id=10de:2235,iommugroup=7,node=pve2,path=0000:81:00.4;0000:81:00.5\n\tmdev 1\n\n\
        a40-2\n\tdescription live-migration-capable 1\n\tmap id=10de:2235,node=pve1,path=0000:c1:00.4\n\
        \tlive-migration-capable 1\n";

    #[test]
    fn a_mapping_is_found_by_its_whole_name() {
        let first = in_list(TEXT, "a40").unwrap();
        assert_eq!((first.maps.len(), first.mdev, first.migrates), (2, true, false));
        let second = in_list(TEXT, "a40-2").unwrap();
        assert_eq!((second.maps.len(), second.mdev, second.migrates), (1, false, true));
        for name in ["a4", "map", "mdev 1", ""] {
            assert!(in_list(TEXT, name).is_none_or(|it| it.maps.is_empty()), "{name}");
        }
    }

    #[test]
    fn a_device_is_known_by_its_properties_in_any_order() {
        let list = &in_list(TEXT, "a40").unwrap().maps[1];
        for (text, is, serves) in [
            ("node=pve2,path=0000:81:00.4,id=10de:2235,iommugroup=7", true, true),
            ("node=pve2,path=0000:81:00.4,id=10DE:2235,iommugroup=8", true, false),
            // The group of a later device in a list is not compared.
            ("node=pve2,path=0000:81:00.5,id=10de:2235,iommugroup=8", true, true),
            ("node=pve2,path=0000:81:00.5,id=10de:1eb8", true, false),
            ("node=pve2,path=0000:81:00.6,id=10de:2235", false, false),
            ("node=pve1,path=0000:81:00.4,id=10de:2235,iommugroup=7", false, false),
        ] {
            let other = Map::of(text);
            assert_eq!((list.is_device_of(&other), list.serves_as(&other)), (is, serves), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic(list in any::<String>(), name in any::<String>()) {
            in_list(&list, &name);
        }
    }
}
