//! Values that the driver cannot hold, and the effect that `vgpu_unlock` gives them.
//!
//! The source of these facts is its source code at commit 71ec870.

use super::{NameText, ProfileOverride, ProfileOverrides};
use crate::catalog::DriverVersion;

/// The bytes that drivers before vGPU 19.0 hold of the name and the class of a type.
const OLD_LIMIT: usize = 31;

/// The first branch whose drivers hold 63 bytes: R580, which is vGPU 19.
const LONG_NAMES: u32 = 580;

/// A text that a driver cannot hold. The library then fails for every type of that driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{field}` in `[{table}]` has {len} bytes, but a driver up to vGPU 18.x holds {OLD_LIMIT}, and `vgpu_unlock` then fails for every vGPU type"
)]
pub struct TooLong {
    table: String,
    field: &'static str,
    len: usize,
}

impl ProfileOverrides {
    /// Returns the first text that is too long for `driver`.
    #[must_use]
    pub fn too_long(&self, driver: &DriverVersion) -> Option<TooLong> {
        let branch = driver.as_str().split('.').next().and_then(|branch| branch.parse().ok());
        if branch.is_none_or(|branch: u32| branch >= LONG_NAMES) {
            return None;
        }
        self.tables().find_map(|(table, values)| {
            let ProfileOverride { card_name, vgpu_type, .. } = values;
            let len = |text: &Option<NameText>| text.as_ref().map_or(0, |it| it.as_str().len());
            let fields = [("card_name", len(card_name)), ("vgpu_type", len(vgpu_type))];
            let (field, len) = fields.into_iter().find(|(_, len)| *len > OLD_LIMIT)?;
            Some(TooLong { table, field, len })
        })
    }

    /// Returns a line for each flag above 1, which the library sets to 1.
    #[must_use]
    pub fn clamped(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, values) in self.tables() {
            let flags = [
                ("cuda_enabled", values.cuda_enabled),
                ("ecc_supported", values.ecc_supported),
                ("multi_vgpu_supported", values.multi_vgpu_supported),
                ("frl_enabled", values.frl_enabled),
            ];
            for (flag, value) in flags {
                let Some(value) = value.filter(|value| *value > 1) else { continue };
                lines.push(format!(
                    "`{flag} = {value}` in `[{table}]` means 1: `vgpu_unlock` clamps it"
                ));
            }
        }
        lines
    }
}
