//! The columns that the Bash script's `gpu_info.db` has, as its users know them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalog::{Catalog, Gpu, State};
use crate::platform::PciId;
use crate::verdict::{Case, Mode, Summary, summarize};

/// What follows from a GPU's row and all others, by column.
pub(super) fn derived(catalog: &Catalog, gpu: &Gpu) -> [(String, Value); 4] {
    let support = Support::of(catalog, gpu);
    [
        ("vendorid", format!("{:04x}", PciId::NVIDIA)),
        ("description", format!("NVIDIA {}", gpu.name)),
        ("vgpu", support.vgpu.to_owned()),
        ("driver", support.driver),
    ]
    .map(|(name, text)| (name.to_owned(), Value::String(text)))
}

/// What the script wants to know of a GPU.
struct Support {
    /// `Native`, `Yes` (unlocked), `Unknown` (the sources disagree) or `No`.
    vgpu: &'static str,
    /// The branches that do it, the newest first, with `;` in between.
    driver: String,
}

impl Support {
    fn of(catalog: &Catalog, gpu: &Gpu) -> Self {
        let [mut native, mut unlock, mut doubtful] = [const { BTreeSet::new() }; 3];
        for driver in catalog.drivers() {
            let branch = driver.release.branch();
            match summarize(catalog, &Case::new(gpu.pci_id(), driver.release)) {
                Summary::Suitable(Mode::Native, State::Settled) => native.insert(branch),
                Summary::Suitable(Mode::Unlock, State::Settled) => unlock.insert(branch),
                Summary::Suitable(..) => doubtful.insert(branch),
                Summary::Unsuitable(_) => false,
            };
        }
        let list = |branches: &BTreeSet<u8>| {
            let branches: Vec<_> = branches.iter().rev().map(u8::to_string).collect();
            branches.join(";")
        };
        let (vgpu, driver) = if !native.is_empty() {
            ("Native", list(&native))
        } else if !unlock.is_empty() {
            ("Yes", list(&unlock))
        } else if !doubtful.is_empty() {
            ("Unknown", list(&doubtful))
        } else {
            ("No", String::new())
        };
        Self { vgpu, driver }
    }
}
