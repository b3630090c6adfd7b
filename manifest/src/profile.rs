//! Overrides of vGPU types, as `vgpu_unlock` reads them from `profile_override.toml`.
//!
//! A file that `vgpu_unlock` cannot read makes NVIDIA's daemon fail at run time, long after the
//! recipe was written. Therefore the overrides are typed, and an invalid one fails when the recipe
//! is parsed.

mod config;
mod limits;
mod size;
#[cfg(test)]
mod tests;

pub use self::config::{PciInfo, PciInfoKey, UnlockConfig};
pub use self::limits::TooLong;
pub use self::size::MemorySize;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text;

/// All overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ProfileOverrides {
    /// Overrides per vGPU type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<ProfileName, ProfileOverride>,
    /// Overrides per mediated device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mdev: BTreeMap<MdevId, ProfileOverride>,
    /// Overrides per guest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vm: BTreeMap<VmId, ProfileOverride>,
}

/// Overrides of the driver's values for one vGPU type. The names are `vgpu_unlock`'s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProfileOverride {
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_type: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_name: Option<NameText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vgpu_type: Option<NameText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<LicenseText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_instances: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_displays: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pixels: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frl_config: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cuda_enabled: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ecc_supported: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mig_instance_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_vgpu_supported: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pci_id: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pci_device_id: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    framebuffer: Option<MemorySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappable_video_size: Option<MemorySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    framebuffer_reservation: Option<MemorySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoder_capacity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bar1_length: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frl_enabled: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter_name: Option<NameText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_gpu_name: Option<NameText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_type: Option<LicenseText>,
}

/// A number of at most 63 bits, the limit of TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "u64", try_from = "u64")]
pub struct Bounded(u64);

impl TryFrom<u64> for Bounded {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        match i64::try_from(value) {
            Ok(_) => Ok(Self(value)),
            Err(_) => Err(format!("{value} exceeds the largest number in TOML")),
        }
    }
}

impl From<Bounded> for u64 {
    fn from(value: Bounded) -> Self {
        value.0
    }
}

impl ProfileOverrides {
    /// Checks whether there are no overrides.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profile.is_empty() && self.mdev.is_empty() && self.vm.is_empty()
    }

    /// Returns the file that `vgpu_unlock` reads. Names and texts are plain, so they need no
    /// escaping inside the quotation marks.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (name, profile) in self.tables() {
            table(&mut text, &name, profile);
        }
        text
    }

    /// Returns the name of each table, and its overrides.
    fn tables(&self) -> impl Iterator<Item = (String, &ProfileOverride)> {
        let profile = self.profile.iter().map(|(name, it)| (format!("profile.{name}"), it));
        let mdev = self.mdev.iter().map(|(name, it)| (format!("mdev.{name}"), it));
        let vm = self.vm.iter().map(|(name, it)| (format!("vm.{name}"), it));
        profile.chain(mdev).chain(vm)
    }
}

/// Writes one table from the JSON values: numbers and plain strings have the same form in TOML.
fn table(text: &mut String, name: &str, profile: &ProfileOverride) {
    text.extend(["[", name, "]\n"]);
    let value = serde_json::to_value(profile).unwrap_or_default();
    for (key, value) in value.as_object().into_iter().flatten() {
        text.extend([key.as_str(), " = ", &value.to_string(), "\n"]);
    }
    text.push('\n');
}

text! {
    /// The name of a vGPU type in sysfs: `nvidia-259`.
    ProfileName,
    "the name of a vGPU type",
    "`nvidia-` and a number without leading zeros, as `nvidia-259`; `vgpu_unlock` compares it as text",
    |text| text.strip_prefix("nvidia-").is_some_and(is_number)
}

text! {
    /// The id of a mediated device.
    MdevId,
    "the id of a mediated device",
    "a UUID in lower case",
    |text| {
        let groups: Vec<_> = text.split('-').map(str::len).collect();
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-';
        groups == [8, 4, 4, 4, 12] && text.bytes().all(hex)
    }
}

text! {
    /// The number of a guest.
    VmId,
    "the number of a guest",
    "at most nine digits without leading zeros, as `100`; `vgpu_unlock` compares it as text",
    is_number
}

text! {
    /// A name in an override: `NVS`.
    NameText,
    "a name in an override",
    "printable ASCII without `\"` and `\\`, at most 63 bytes, which is what the driver holds",
    |text| is_plain(text, 63)
}

text! {
    /// The licenses of a vGPU type: `GRID-Virtual-WS,2.0`.
    LicenseText,
    "a license in an override",
    "printable ASCII without `\"` and `\\`, at most 127 bytes, which is what the driver holds",
    |text| is_plain(text, 127)
}

/// Checks for a text of at most `max` bytes that means the same inside quotation marks.
fn is_plain(text: &str, max: usize) -> bool {
    let plain = |b: u8| (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\';
    (1..=max).contains(&text.len()) && text.bytes().all(plain)
}

fn is_number(text: &str) -> bool {
    let is_canonical = text == "0" || !text.starts_with('0');
    (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && is_canonical
}
