//! The columns that the Bash script's `gpu_info.db` has, as its users know them.

use serde_json::Value;

use crate::catalog::{Catalog, Gpu};
use crate::platform::PciId;
use crate::verdict::Support;

/// What follows from a GPU's row and all others, by column.
pub(super) fn derived(catalog: &Catalog, gpu: &Gpu) -> [(String, Value); 4] {
    let Support { sharing, branches } = Support::of(catalog, gpu);
    // The newest first, as the script has them.
    let branches: Vec<_> = branches.iter().rev().map(u8::to_string).collect();
    [
        ("vendorid", format!("{:04x}", PciId::NVIDIA)),
        ("description", format!("NVIDIA {}", gpu.name)),
        ("vgpu", sharing.to_string()),
        ("driver", branches.join(";")),
    ]
    .map(|(name, text)| (name.to_owned(), Value::String(text)))
}
