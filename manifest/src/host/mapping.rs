//! Resource mappings of a cluster of Proxmox VE, by which guests name PCI devices.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{is_word, shell_word, text};

text! {
    /// The name of a mapping: a `pve-configid` of Proxmox VE.
    MappingName,
    "the name of a mapping",
    "a letter, followed by letters, digits, `-` and `_`, at most 64 characters",
    |text| is_word(text, 64, |b| b.is_ascii_alphabetic(), |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The devices of one node for one mapping, as a report has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct NodeMapping {
    /// The name that the node proposes, from the address of its GPU.
    pub name: MappingName,
    /// The devices of the node.
    pub maps: Vec<Map>,
    /// The mapping of that name that the cluster has already; `None` if it has none.
    pub cluster: Option<Mapping>,
    /// Whether the node's release knows mappings whose guests may migrate while they run.
    pub knows_migration: bool,
}

/// A mapping of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Mapping {
    /// Its devices, in the list's order.
    pub maps: Vec<Map>,
    /// Whether its devices provide mediated devices.
    pub mdev: bool,
    /// Whether guests with its devices may migrate while they run.
    pub migrates: bool,
}

/// A device of a mapping on one node: `id=10de:2235,node=pve1,path=0000:81:00.4`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct Map {
    text: String,
    properties: BTreeMap<String, String>,
}

/// A map with a character that no line of the list can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the map `{}` has a control character", .0.escape_debug())]
pub struct MapError(String);

impl TryFrom<String> for Map {
    type Error = MapError;

    /// Parses its properties, of which the order does not matter.
    fn try_from(text: String) -> Result<Self, MapError> {
        if text.chars().any(char::is_control) {
            return Err(MapError(text));
        }
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        let properties = pairs.map(|(key, value)| (key.to_owned(), value.to_lowercase())).collect();
        Ok(Self { text, properties })
    }
}

impl From<Map> for String {
    fn from(map: Map) -> Self {
        map.text
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Map {
    /// Returns a property, such as `node` or `id`, in lower case; empty if it is missing.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.properties.get(key).map_or("", String::as_str)
    }

    /// Checks whether both are the same device of the same node. A path can be a list, from which a
    /// guest gets the first free device.
    fn is_device_of(&self, other: &Self) -> bool {
        let path = other.get("path");
        self.get("node") == other.get("node") && self.get("path").split(';').any(|it| it == path)
    }

    /// Checks whether a guest starts with it as with `other`: Proxmox VE compares these properties
    /// (`assert_valid`), the IOMMU group for the first device of a list only.
    fn serves_as(&self, other: &Self) -> bool {
        let is_first = self.get("path").split(';').next() == Some(other.get("path"));
        let same = |key: &&str| self.get(key) == other.get(key);
        self.is_device_of(other)
            && ["id", "subsystem-id"].iter().all(same)
            && (!is_first || same(&"iommugroup"))
    }
}

impl Mapping {
    /// Finds the mapping with this name in the text of `/etc/pve/mapping/pci.cfg`. A section begins
    /// with the mapping's name alone (pve-guest-common 6.0.2, `Mapping/PCI.pm`:
    /// `parse_section_header`).
    #[must_use]
    pub fn in_list(list: &str, name: &str) -> Option<Self> {
        let mut lines = list.lines().skip_while(|line| line.trim_end() != name);
        lines.next()?;
        let mut mapping = Self::default();
        for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
            let Some((key, value)) = line.trim().split_once(char::is_whitespace) else { continue };
            match (key, value.trim()) {
                ("map", text) => mapping.maps.extend(Map::try_from(text.to_owned())),
                ("mdev", value) => mapping.mdev = value == "1",
                ("live-migration-capable", value) => mapping.migrates = value == "1",
                _ => {}
            }
        }
        Some(mapping)
    }
}

impl NodeMapping {
    /// Returns the command that gives these devices their name, or a comment that the cluster has
    /// them already.
    ///
    /// `pvesh create` of an existing name dies, and `pvesh set` replaces the whole list of devices
    /// (pve-manager 9.2.11, `API2/Cluster/Mapping/PCI.pm`), so the command repeats the others.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let Self { name, maps: ours, cluster, knows_migration } = self;
        let known = cluster.clone().unwrap_or_default();
        let has = |map: &Map| known.maps.iter().any(|old| old.serves_as(map));
        let is_there = known.mdev && ours.iter().all(has);
        // Another map of a device is out of date if the device is not what it says.
        let is_stale =
            |old: &&Map| ours.iter().any(|map| old.is_device_of(map) && !old.serves_as(map));
        let old = known.maps.iter().filter(|old| !is_stale(old));
        let all = old.chain(ours.iter().filter(|map| !has(map)));
        let maps: Vec<_> = all.map(|map| format!("--map {}", shell_word(&map.text))).collect();
        let maps = maps.join(" ");
        let set = format!("pvesh set /cluster/mapping/pci/{name} --mdev 1 {maps}");
        let migration = "--live-migration-capable 1";
        let mut lines = Vec::new();
        let note = if is_there {
            lines.push(format!("# already there: the mapping {name} with these devices"));
            format!("# for live migration: {set} {migration}")
        } else {
            let create =
                || format!("pvesh create /cluster/mapping/pci --id {name} --mdev 1 {maps}");
            lines.push(cluster.as_ref().map_or_else(create, |_| set));
            format!("# for live migration between nodes, add: {migration}")
        };
        lines.extend((*knows_migration && !known.migrates).then_some(note));
        lines
    }

    /// Adds the devices of another node, and the devices of the cluster that only it has seen.
    pub fn add(&mut self, other: Self) {
        let new = |ours: &[Map], theirs: Vec<Map>| -> Vec<Map> {
            theirs.into_iter().filter(|map| !ours.contains(map)).collect()
        };
        self.maps.extend(new(&self.maps, other.maps));
        self.knows_migration &= other.knows_migration;
        let Some(theirs) = other.cluster else { return };
        let ours = self.cluster.get_or_insert_default();
        ours.mdev |= theirs.mdev;
        ours.migrates |= theirs.migrates;
        ours.maps.extend(new(&ours.maps, theirs.maps));
    }
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

    fn map(text: &str) -> Map {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_mapping_is_found_by_its_whole_name() {
        let first = Mapping::in_list(TEXT, "a40").unwrap();
        assert_eq!((first.maps.len(), first.mdev, first.migrates), (2, true, false));
        let second = Mapping::in_list(TEXT, "a40-2").unwrap();
        assert_eq!((second.maps.len(), second.mdev, second.migrates), (1, false, true));
        for name in ["a4", "map", "mdev 1", ""] {
            assert!(Mapping::in_list(TEXT, name).is_none_or(|it| it.maps.is_empty()), "{name}");
        }
    }

    #[test]
    fn a_device_is_known_by_its_properties_in_any_order() {
        let list = &Mapping::in_list(TEXT, "a40").unwrap().maps[1];
        for (text, is, serves) in [
            ("node=pve2,path=0000:81:00.4,id=10de:2235,iommugroup=7", true, true),
            ("node=pve2,path=0000:81:00.4,id=10DE:2235,iommugroup=8", true, false),
            // The group of a later device in a list is not compared.
            ("node=pve2,path=0000:81:00.5,id=10de:2235,iommugroup=8", true, true),
            ("node=pve2,path=0000:81:00.5,id=10de:1eb8", true, false),
            ("node=pve2,path=0000:81:00.6,id=10de:2235", false, false),
            ("node=pve1,path=0000:81:00.4,id=10de:2235,iommugroup=7", false, false),
        ] {
            let other = map(text);
            assert_eq!((list.is_device_of(&other), list.serves_as(&other)), (is, serves), "{text}");
        }
    }

    #[test]
    fn the_nodes_of_a_cluster_have_one_mapping() {
        let node = |name: &str, cluster: Option<Mapping>| NodeMapping {
            name: "vgpu-0000-81-00-0".parse().unwrap(),
            maps: vec![map(&format!("node={name},path=0000:81:00.0,id=10de:1eb8"))],
            cluster,
            knows_migration: true,
        };
        let mut all = node("pve1", None);
        all.add(node("pve2", None));
        assert_eq!(
            all.commands()[0],
            "pvesh create /cluster/mapping/pci --id vgpu-0000-81-00-0 --mdev 1 \
             --map node=pve1,path=0000:81:00.0,id=10de:1eb8 \
             --map node=pve2,path=0000:81:00.0,id=10de:1eb8"
        );

        // A later report knows the mapping. A node without a report keeps its device in it, and a
        // device that has changed is replaced.
        let known = Mapping {
            maps: vec![
                map("node=pve9,path=0000:81:00.0,id=10de:1eb8"),
                map("node=pve2,path=0000:81:00.0,id=10de:2235"),
            ],
            mdev: true,
            migrates: false,
        };
        all.add(node("pve3", Some(known.clone())));
        all.add(node("pve4", Some(known.clone())));
        all.add(node("pve4", Some(known)));
        let device = |name| format!("--map node={name},path=0000:81:00.0,id=10de:1eb8");
        let maps = ["pve9", "pve1", "pve2", "pve3", "pve4"].map(device).join(" ");
        let set = format!("pvesh set /cluster/mapping/pci/vgpu-0000-81-00-0 --mdev 1 {maps}");
        let add = "# for live migration between nodes, add: --live-migration-capable 1";
        assert_eq!(all.commands(), [&set, add]);
        let maps = all.maps.clone();
        all.cluster = Some(Mapping { maps, mdev: true, migrates: true });
        let there = "# already there: the mapping vgpu-0000-81-00-0 with these devices";
        assert_eq!(all.commands(), [there]);
    }

    #[test]
    fn a_report_cannot_smuggle_a_second_line_or_word() {
        let read = |map: &str| serde_json::from_str::<Map>(map);
        assert!(read(r#""node=pve1\nrm""#).is_err());
        assert!(serde_json::from_str::<MappingName>(r#""a b""#).is_err());
        let mapping = NodeMapping {
            name: "a".parse().unwrap(),
            maps: vec![read(r#""node=$(rm)""#).unwrap()],
            cluster: None,
            knows_migration: false,
        };
        assert!(mapping.commands()[0].ends_with("--map 'node=$(rm)'"));
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic(list in any::<String>(), name in any::<String>()) {
            let _ = Mapping::in_list(&list, &name);
        }
    }
}
