//! Checks whether the module is loaded in the installed version.

use super::Finding;
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

pub(super) fn check(look: &dyn Look, version: &str) -> Result<Finding, HostError> {
    let modules = look.text(&fixed("/proc/modules"))?.unwrap_or_default();
    let folder = look.stat(&fixed("/sys/module/nvidia"))?;
    let loaded = look.text(&fixed("/sys/module/nvidia/version"))?;
    let state = state_of(&modules, "nvidia");
    if folder.is_none() && state.is_none() {
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
