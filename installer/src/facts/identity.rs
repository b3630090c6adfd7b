use std::collections::BTreeMap;

use vgpu_manifest::inventory::{Identity, Label};
use vgpu_manifest::platform::PciAddress;

use super::reader::Reader;

/// Whether the inventory includes the node's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serials {
    /// No: neither host name nor serial numbers.
    LeaveOut,
    /// Yes, at the operator's request.
    Include,
}

/// The procfs folder in which NVIDIA's driver describes its GPUs.
const NVIDIA_GPUS: &str = "/proc/driver/nvidia/gpus";

/// Returns the node's identity, if it is to be recorded.
pub(super) fn look(reader: &Reader<'_>, serials: Serials) -> Option<Identity> {
    let label = |path| reader.text(path).map(|text| Label::lossy(&text));
    match serials {
        Serials::LeaveOut => None,
        Serials::Include => Some(Identity {
            host_name: label("/proc/sys/kernel/hostname"),
            machine_serial: label("/sys/class/dmi/id/product_serial"),
            board_serial: label("/sys/class/dmi/id/board_serial"),
            gpu_uuids: gpu_uuids(reader),
        }),
    }
}

fn gpu_uuids(reader: &Reader<'_>) -> BTreeMap<PciAddress, Label> {
    let uuid_of = |name: String| {
        let information = reader.text(&format!("{NVIDIA_GPUS}/{name}/information"))?;
        Some((name.parse().ok()?, uuid(&information)?))
    };
    reader.names(NVIDIA_GPUS).into_iter().filter_map(uuid_of).collect()
}

fn uuid(information: &str) -> Option<Label> {
    let fields = information.lines().filter_map(|line| line.split_once(':'));
    let uuid = fields.into_iter().find(|(name, _)| name.trim() == "GPU UUID")?.1.trim();
    (!uuid.is_empty()).then(|| Label::lossy(uuid))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_uuid_is_one_of_the_lines() {
        let text = "Model: \t\t Tesla T4\nIRQ:   \t\t 42\nGPU UUID: \t GPU-00000000-0000\n";
        assert_eq!(uuid(text).unwrap().as_str(), "GPU-00000000-0000");
        assert_eq!(uuid("GPU UUID:\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            uuid(&text);
        }
    }
}
