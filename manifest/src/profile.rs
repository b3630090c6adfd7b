//! Overrides of vGPU types, as `vgpu_unlock` reads them from `profile_override.toml`.
//!
//! A file that `vgpu_unlock` cannot read makes NVIDIA's daemon fail at run time, long after the
//! recipe was written. Therefore the overrides are typed, and an invalid one fails when the recipe
//! is parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text;
use crate::types::text::is_word;

/// All overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields, default)]
pub struct ProfileOverride {
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_type: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_name: Option<ProfileText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vgpu_type: Option<ProfileText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<ProfileText>,
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
    framebuffer: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappable_video_size: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    framebuffer_reservation: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoder_capacity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bar1_length: Option<Bounded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frl_enabled: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter_name: Option<ProfileText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_gpu_name: Option<ProfileText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_type: Option<ProfileText>,
}

/// A number of at most 63 bits, the limit of TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        for (name, profile) in &self.profile {
            table(&mut text, &format!("profile.{}", name.as_str()), profile);
        }
        for (name, profile) in &self.mdev {
            table(&mut text, &format!("mdev.{}", name.as_str()), profile);
        }
        for (name, profile) in &self.vm {
            table(&mut text, &format!("vm.{}", name.as_str()), profile);
        }
        text
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
    "`nvidia-` and a number: `nvidia-259`",
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
    "a number of at most nine digits",
    is_number
}

text! {
    /// A text in an override: `NVS`.
    ProfileText,
    "a text in an override",
    "letters, digits, blanks and `._,/()+-`, at most 64 bytes",
    |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b" ._,/()+-".contains(&b);
        is_word(text, 64, |b| b.is_ascii_alphanumeric(), plain)
    }
}

fn is_number(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
[profile.nvidia-259]
cuda_enabled = 1
framebuffer = 939524096
framebuffer_reservation = 134217728
frl_enabled = 0
vgpu_type = \"NVS\"

[vm.100]
num_displays = 1

";

    #[test]
    fn what_is_written_is_what_was_read() {
        let overrides: ProfileOverrides = toml::from_str(TEXT).unwrap();
        let again: ProfileOverrides = toml::from_str(&overrides.to_toml()).unwrap();
        assert_eq!(again, overrides);
        assert_eq!(overrides.to_toml(), TEXT);
        let json = serde_json::to_string(&overrides).unwrap();
        assert_eq!(serde_json::from_str::<ProfileOverrides>(&json).unwrap(), overrides);
    }

    #[test]
    fn what_vgpu_unlock_would_choke_on_is_refused() {
        for (good, bad) in [
            ("nvidia-259", "nvidia-"),
            ("nvidia-259", "'nvidia-259\\n'"),
            ("cuda_enabled = 1", "cuda_enabled = true"),
            ("cuda_enabled = 1", "cuda_enabled = -1"),
            ("cuda_enabled = 1", "cuda_enabled = 4294967296"),
            ("cuda_enabled", "cudaEnabled"),
            ("\"NVS\"", "\"N\\\"S\""),
            ("\"NVS\"", "7"),
            ("vm.100", "vm.x"),
            ("profile.", "profiles."),
        ] {
            assert!(TEXT.contains(good), "{good}");
            let text = TEXT.replacen(good, bad, 1);
            assert!(toml::from_str::<ProfileOverrides>(&text).is_err(), "{text}");
        }
    }
}
