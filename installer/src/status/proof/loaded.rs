//! Checks whether the module is loaded in the installed version.

use std::collections::BTreeSet;

use vgpu_manifest::inventory::{Gpu, LeftoverKind};
use vgpu_manifest::platform::PciAddress;

use super::Finding;
use crate::facts::passthrough_leftovers;
use crate::host::{HostError, Look};
use crate::state::fixed;

/// A line of `/proc/modules`, such as `nvidia 56623104 36 nvidia_vgpu_vfio, Live
/// 0xffffffffc0a00000 (POE)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModuleState {
    Live,
    Loading,
    Unloading,
}

/// The state of a module there.
fn state_of(text: &str, module: &str) -> Option<ModuleState> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(module))?;
    line.split_whitespace().find_map(|word| match word {
        "Live" => Some(ModuleState::Live),
        "Loading" => Some(ModuleState::Loading),
        "Unloading" => Some(ModuleState::Unloading),
        _ => None,
    })
}

pub(super) fn check(
    look: &dyn Look,
    version: &str,
    gpus: &[Gpu],
    expected: &BTreeSet<PciAddress>,
) -> Result<Finding, HostError> {
    let modules = look.text(&fixed("/proc/modules"))?.unwrap_or_default();
    let folder = look.stat(&fixed("/sys/module/nvidia"))?;
    let loaded = look.text(&fixed("/sys/module/nvidia/version"))?;
    let state = state_of(&modules, "nvidia");
    if folder.is_none() && state.is_none() {
        if let Some(held) = held(look, gpus, expected) {
            return Ok(held);
        }
        return Ok(if state_of(&modules, "nouveau").is_some() {
            Finding::missing(
                "the module is not loaded: nouveau uses the GPU",
                "reboot; if nouveau is still loaded, find its configuration: `grep -r \
                    nouveau /etc/modprobe.d`",
            )
        } else {
            Finding::missing(
                "the module is not loaded",
                "load it and check the kernel log: `modprobe nvidia`, `dmesg`",
            )
        });
    }
    match (loaded, state) {
        (Some(loaded), _) if loaded != version => Ok(Finding::missing(
            format!("driver {loaded} is loaded, but {version} is installed"),
            "reboot to load the new one",
        )),
        (_, Some(ModuleState::Loading | ModuleState::Unloading)) => Ok(Finding::missing(
            "the module is still being loaded",
            "wait and check the kernel log: `dmesg`",
        )),
        _ => Ok(Finding::good(format!("{version} is loaded"))),
    }
}

/// Returns the finding on GPUs for vGPU that `vfio-pci` holds, so that loading the module would not
/// help. An older plan does not name its GPUs.
fn held(look: &dyn Look, gpus: &[Gpu], expected: &BTreeSet<PciAddress>) -> Option<Finding> {
    let leftovers = passthrough_leftovers(look, gpus);
    let is_bound = |gpu: &&Gpu| {
        let mut bound = leftovers.iter().filter(|it| it.kind == LeftoverKind::VfioBound);
        bound.any(|it| it.gpus.contains(&gpu.address))
            && (expected.is_empty() || expected.contains(&gpu.address))
    };
    let held: Vec<_> = gpus.iter().filter(is_bound).map(|gpu| gpu.address).collect();
    if held.is_empty() {
        return None;
    }
    let addresses: Vec<_> = held.iter().map(ToString::to_string).collect();
    let causes = leftovers.iter().filter(|it| it.line.is_some());
    let causes = causes.filter(|it| held.iter().any(|gpu| it.concerns(*gpu)));
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    let remedy = if causes.is_empty() {
        "shut down guests that use the GPU directly, or find the setting that binds it: \
            `grep -r vfio /etc/modprobe.d /etc/default/grub /etc/udev/rules.d`"
            .to_owned()
    } else {
        format!("remove {}, run `update-initramfs -u -k all`, and reboot", causes.join(", "))
    };
    let reason = format!("the module is not loaded: vfio-pci holds {}", addresses.join(", "));
    Some(Finding::missing(reason, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_told_from_those_that_only_mention_it() {
        let text = "nvidia_vgpu_vfio 65536 2 - Live 0xffffffffc0b00000 (OE)\n\
                    nvidia 56623104 36 nvidia_vgpu_vfio, Live 0xffffffffc0a00000 (POE)\n\
                    mdev 28672 1 nvidia_vgpu_vfio, Loading 0x0\n";
        assert_eq!(state_of(text, "nvidia"), Some(ModuleState::Live));
        assert_eq!(state_of(text, "mdev"), Some(ModuleState::Loading));
        assert_eq!(state_of(text, "vfio"), None);
        assert_eq!(state_of("nvidia", "nvidia"), None);
    }
}
