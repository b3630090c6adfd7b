use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::text;

/// The keys of `vgpu_unlock`'s `config.toml`, except for `unlock`, which the installer decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UnlockConfig {
    /// Whether guests can migrate; a rebuilt vfio module of the driver is needed for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock_migration: Option<bool>,
    /// The ids that a GPU presents, by its own device id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pci_info_map: BTreeMap<PciInfoKey, PciInfo>,
}

/// The PCI ids that a GPU presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PciInfo {
    /// The device id.
    pub device_id: u16,
    /// The subsystem id.
    pub sub_system_id: u16,
}

text! {
    /// A device id as a key: `0x2204`.
    PciInfoKey,
    "a device id",
    "`0x` and at most eight lower-case hex digits, as `0x2204`",
    |text| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.strip_prefix("0x").is_some_and(|digits| {
            (1..=8).contains(&digits.len()) && digits.bytes().all(hex)
        })
    }
}

impl UnlockConfig {
    /// Checks whether no key is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the file that `vgpu_unlock` reads.
    #[must_use]
    pub fn to_toml(&self, unlock: bool) -> String {
        let mut text = format!("unlock = {unlock}\n");
        if let Some(migration) = self.unlock_migration {
            let _ = writeln!(text, "unlock_migration = {migration}");
        }
        for (id, PciInfo { device_id, sub_system_id }) in &self.pci_info_map {
            let _ = writeln!(
                text,
                "\n[pci_info_map.\"{id}\"]\ndevice_id = {device_id:#06x}\nsub_system_id = {sub_system_id:#06x}"
            );
        }
        text
    }
}
