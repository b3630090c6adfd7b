use serde::{Deserialize, Serialize};

use crate::catalog::{DeviceId, DriverVersion};
use crate::patch::TreePath;
use crate::text;
use crate::types::object::{objects, some_object};
use crate::words;
use crate::{Digest, ItemName};

words! {
    /// Who runs a driver.
    DriverKind, "a kind of driver", {
        /// The hypervisor: NVIDIA's "Virtual GPU Manager" for Linux KVM.
        Host = "host",
        /// A guest with Linux.
        Guest = "guest",
        /// A guest with Windows.
        WindowsGuest = "windows-guest",
        /// Nobody: only the `vgpuConfig.xml` of a host driver is wanted, for GPUs that a later one
        /// does not list any more.
        ConfigOnly = "config-only",
    }
}

/// What a bundle says of a driver in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DriverRecord {
    /// The item that is the driver's package, or its `vgpuConfig.xml` if only that is wanted.
    pub item: ItemName,
    /// The driver's version, as its package says.
    pub version: DriverVersion,
    /// Who runs it.
    pub kind: DriverKind,
    /// The SHA-256 of the `vgpuConfig.xml` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
    /// The GPUs that it supports natively, by device id, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<DeviceId>,
    /// The archive that the item was taken out of, if it does not come by itself.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub archive: Option<ArchiveMember>,
    /// The driver package that the item was taken out of, if it is only a part of one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub package: Option<PackageFile>,
    /// The patches that are to be applied to the unpacked driver, in this order.
    #[serde(
        default,
        rename = "patch",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "objects"
    )]
    pub patches: Vec<PatchRecord>,
}

/// A driver package that is not in the bundle itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackageFile {
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A member of an archive that is not in the bundle itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchiveMember {
    /// The SHA-256 of the archive.
    pub sha256: Digest,
    /// The length of the archive in bytes.
    pub size: u64,
    /// The name of the member in it.
    pub member: MemberName,
}

text! {
    /// The name of a member of an archive, as the archive says it.
    MemberName,
    "the name of a member of an archive",
    "at most 1,024 bytes without control characters",
    |text| (1..=1024).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl DriverRecord {
    /// The items that it describes: the driver and its patches.
    pub fn items(&self) -> impl Iterator<Item = &ItemName> {
        std::iter::once(&self.item).chain(self.patches.iter().map(|patch| &patch.item))
    }
}

/// A patch that was applied, when the bundle was made, to the very driver that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PatchRecord {
    /// The item that is the patch.
    pub item: ItemName,
    /// The files that it changes, in its order.
    #[serde(rename = "file", deserialize_with = "objects")]
    pub files: Vec<PatchedFile>,
}

/// A file of the unpacked driver, before and after a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PatchedFile {
    /// Where it is, from the root of the unpacked driver.
    pub path: TreePath,
    /// Its SHA-256 before; absent if the patch creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Its SHA-256 after; absent if the patch removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        let digest = Digest::of(b"a");
        let path = "kernel/nvidia/nv-kernel.o_binary".parse().unwrap();
        let file = PatchedFile { path, before: Some(digest), after: None };
        let record = DriverRecord {
            item: "driver/a.run".parse().unwrap(),
            version: "535.230.02".parse().unwrap(),
            kind: DriverKind::Host,
            config: Some(digest),
            gpus: vec![DeviceId(0x1eb8)],
            archive: Some(ArchiveMember {
                sha256: digest,
                size: 7,
                member: "Host Drivers/a.run".parse().unwrap(),
            }),
            package: Some(PackageFile { sha256: digest, size: 8 }),
            patches: vec![PatchRecord { item: "patch/a".parse().unwrap(), files: vec![file] }],
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<DriverRecord>(&json).unwrap(), record);
        let toml = toml::to_string(&record).unwrap();
        assert_eq!(toml::from_str::<DriverRecord>(&toml).unwrap(), record);
        assert_eq!(record.items().count(), 2);
        for (old, new) in [
            ("\"host\"", "\"hosts\""),
            ("Host Drivers", "Host\\nDrivers"),
            ("kernel/nvidia/", "../"),
            ("1eb8", "0x1eb8"),
            ("\"size\":7", "\"size\":7,\"more\":1"),
            ("\"size\":8", "\"size\":8,\"more\":1"),
        ] {
            assert!(json.contains(old), "{old}");
            let other = json.replacen(old, new, 1);
            assert!(serde_json::from_str::<DriverRecord>(&other).is_err(), "{other}");
        }
    }
}
