//! Drivers: what their packages say of themselves, and the patches for them.

mod vgpu_config;

pub use self::vgpu_config::{
    GpuSupport, Resolution, SupportedType, VgpuClass, VgpuConfig, VgpuName, VgpuType,
};

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

/// The record of a patch, which was applied to the driver when the bundle was made.
///
/// Several patches of a driver are applied in the order of their items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PatchRecord {
    /// The item that is the driver.
    pub driver: ItemName,
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
    use crate::item::tests::one_spelling;

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        let digest = Digest::of(b"a");
        let record = DriverRecord {
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
        };
        one_spelling(
            &record,
            &[
                ("\"host\"", "\"hosts\""),
                ("Host Drivers", "Host\\nDrivers"),
                ("1eb8", "0x1eb8"),
                ("\"size\":7", "\"size\":7,\"more\":1"),
                ("\"size\":8", "\"size\":8,\"more\":1"),
            ],
        );
        let path = "kernel/nvidia/nv-kernel.o_binary".parse().unwrap();
        let file = PatchedFile { path, before: Some(digest), after: None };
        let patch = PatchRecord { driver: "driver/a.run".parse().unwrap(), files: vec![file] };
        one_spelling(&patch, &[("kernel/nvidia/", "../"), ("driver/a", "../a")]);
    }
}
