//! Drivers: the metadata of their packages, and the patches for them.

mod proof;
mod vgpu_config;

pub use self::proof::{BuiltModule, CompilerVersion, ModuleSignature, Proof};
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
    /// The system that runs a driver.
    DriverKind, "a kind of driver", {
        /// The hypervisor: NVIDIA's "Virtual GPU Manager" for Linux KVM.
        Host = "host",
        /// A guest with Linux.
        Guest = "guest",
        /// A guest with Windows.
        WindowsGuest = "windows-guest",
        /// None: only the `vgpuConfig.xml` of a host driver is needed, for GPUs that a later driver
        /// does not list.
        ConfigOnly = "config-only",
    }
}

words! {
    /// The author of a driver package, and whose customers get it.
    #[derive(Default)]
    Variant, "a variant of a driver", {
        /// NVIDIA's package for NVIDIA vGPU.
        #[default]
        Original = "original",
        /// NVIDIA's package for NVIDIA AI Enterprise, whose customers have a host driver of their own.
        Enterprise = "ai-enterprise",
        /// A package that a third party has patched.
        Custom = "custom",
    }
}

/// The record of a driver in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DriverRecord {
    /// The driver's version, as its package states it.
    pub version: DriverVersion,
    /// The system that runs it.
    pub kind: DriverKind,
    /// The author of the package, by its header.
    #[serde(default, skip_serializing_if = "Variant::is_original")]
    pub variant: Variant,
    /// The SHA-256 of the `vgpuConfig.xml` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
    /// The GPUs that it supports natively, by device id, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<DeviceId>,
    /// The archive that contained the item; absent if it was published separately.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub archive: Option<ArchiveMember>,
    /// The driver package that contained the item, if the item is only a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub package: Option<PackageFile>,
}

impl Variant {
    /// Checks whether this is NVIDIA's package for NVIDIA vGPU, which a record does not state.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_original(&self) -> bool {
        *self == Self::Original
    }

    /// Returns the words that follow a driver's version in a text for people.
    #[must_use]
    pub const fn note(self) -> &'static str {
        match self {
            Self::Original => "",
            Self::Enterprise => ", of NVIDIA AI Enterprise",
            Self::Custom => ", patched by a third party",
        }
    }
}

/// A driver package that is not in the bundle itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackageFile {
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A member of an archive that is not in the bundle itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchiveMember {
    /// The SHA-256 of the archive.
    pub sha256: Digest,
    /// The length of the archive in bytes.
    pub size: u64,
    /// The name of the member.
    pub member: MemberName,
}

text! {
    /// The name of a member of an archive, as in the archive.
    MemberName,
    "the name of a member of an archive",
    "at most 1,024 bytes without control characters",
    |text| (1..=1024).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The record of a patch, which was applied to the driver when the bundle was made.
///
/// Several patches of a driver are applied in the order of their items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PatchRecord {
    /// The driver's item.
    pub driver: ItemName,
    /// The files that the patch changes, in its order.
    #[serde(rename = "file", deserialize_with = "objects")]
    pub files: Vec<PatchedFile>,
}

/// A file of the unpacked driver, before and after a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PatchedFile {
    /// The path, relative to the root of the unpacked driver.
    pub path: TreePath,
    /// The SHA-256 before; absent if the patch creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// The SHA-256 after; absent if the patch removes it.
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
            variant: Variant::Enterprise,
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
                ("ai-enterprise", "enterprise"),
                ("Host Drivers", "Host\\nDrivers"),
                ("1eb8", "0x1eb8"),
                ("\"size\":7", "\"size\":7,\"more\":1"),
                ("\"size\":8", "\"size\":8,\"more\":1"),
            ],
        );
        let path = "kernel/nvidia/nv-kernel.o_binary".parse().unwrap();
        let file = PatchedFile { path, before: Some(digest), after: None };
        let record = PatchRecord { driver: "driver/a.run".parse().unwrap(), files: vec![file] };
        one_spelling(&record, &[("kernel/nvidia/", "../"), ("driver/a", "../a")]);
    }
}
