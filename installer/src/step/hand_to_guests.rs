use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode};

use super::{Goal, StepError, banner, holds, holds_text, put_text};
use crate::act::Journal;
use crate::component::Component;
use crate::gpus::Slot;
use crate::host::{Content, Look, Meta};
use crate::state::fixed;

/// Binds GPUs to `vfio-pci` for passthrough, before any driver of the host does.
///
/// The `driver_override` attribute of a device names the only driver that may bind it. It is set by
/// address and not by id, so that two identical GPUs can have different uses, and as soon as the
/// device appears: also in the initramfs, where udev runs before the modules are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct HandToGuests {
    /// The slots of the GPUs, in ascending order.
    pub(crate) slots: Vec<Slot>,
}

/// Drivers that could bind a function of a GPU before `vfio-pci`: NVIDIA's and the kernel's for the
/// display, and those for audio and USB-C.
const RIVALS: [&str; 5] = ["nvidia", "nouveau", "nvidiafb", "snd_hda_intel", "xhci_pci"];

impl HandToGuests {
    /// The name sorts before `80-drivers.rules`, with which udev loads drivers.
    fn rules_path() -> HostPath {
        fixed("/etc/udev/rules.d/62-vgpu-offline.rules")
    }

    fn rules(&self) -> String {
        let rule = |slot: &Slot| {
            format!(
                "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{slot}.*\", \
                 ATTR{{driver_override}}=\"vfio-pci\"\n"
            )
        };
        let rules = self.slots.iter().map(rule);
        rules.fold(banner("GPUs for passthrough."), |text, rule| text + &rule)
    }

    fn order_path() -> HostPath {
        fixed("/etc/modprobe.d/vgpu-offline-passthrough.conf")
    }

    fn order() -> String {
        let lines = RIVALS.iter().map(|rival| format!("softdep {rival} pre: vfio-pci\n"));
        lines.fold(
            banner("Loads vfio-pci before the drivers that could claim a GPU for passthrough."),
            |text, line| text + &line,
        )
    }

    /// The initramfs includes only the rules that packages or hooks name.
    fn hook_path() -> HostPath {
        fixed("/etc/initramfs-tools/hooks/vgpu-offline")
    }

    fn hook() -> String {
        let rules = Self::rules_path();
        let head = banner("Adds the udev rule for passthrough GPUs to the initramfs.");
        format!(
            "#!/bin/sh\n{head}set -e\ncase \"$1\" in\nprereqs)\n\techo udev\n\texit 0\n\t;;\nesac\n\
             . /usr/share/initramfs-tools/hook-functions\n\
             mkdir -p \"$DESTDIR/etc/udev/rules.d\"\n\
             cp -p {rules} \"$DESTDIR/etc/udev/rules.d/\"\n\
             force_load vfio-pci\n"
        )
    }

    fn named(&self) -> String {
        self.slots.iter().map(|slot| slot.gpu().to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Goal for HandToGuests {
    fn summary(&self) -> String {
        format!("bind {} to vfio-pci for passthrough", self.named())
    }

    fn why(&self) -> String {
        "Passthrough requires that no host driver binds the GPU first. Its audio and USB-C \
         functions are bound to vfio-pci as well."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let hook = Content::of(Self::hook().as_bytes());
        Ok(holds_text(look, &Self::rules_path(), &self.rules())?
            && holds_text(look, &Self::order_path(), &Self::order())?
            && holds(look, &Self::hook_path(), hook, Mode::PROGRAM)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_text(journal, &Self::rules_path(), &self.rules())?;
        put_text(journal, &Self::order_path(), &Self::order())?;
        let hook = Self::hook();
        Ok(journal.put_bytes(&Self::hook_path(), hook.as_bytes(), Meta::root(Mode::PROGRAM))?)
    }

    fn component(&self) -> Component {
        Component::Passthrough
    }
}

/// Checks after the reboot that passthrough GPUs are bound to `vfio-pci`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct HeldForGuests {
    /// The slots of the GPUs, in ascending order.
    pub(crate) slots: Vec<Slot>,
}

impl HeldForGuests {
    /// Returns the GPUs that are not bound to `vfio-pci`, each with its driver.
    fn lost(&self, look: &dyn Look) -> Result<Vec<String>, StepError> {
        let mut lost = Vec::new();
        for slot in &self.slots {
            let gpu = slot.gpu();
            let driver = look.link(&fixed(&format!("/sys/bus/pci/devices/{gpu}/driver")))?;
            let driver = driver.as_deref().and_then(|path| path.rsplit('/').next());
            if driver != Some("vfio-pci") {
                lost.push(format!("{gpu} is bound to {}", driver.unwrap_or("no driver")));
            }
        }
        Ok(lost)
    }
}

impl Goal for HeldForGuests {
    fn summary(&self) -> String {
        let named: Vec<_> = self.slots.iter().map(|slot| slot.gpu().to_string()).collect();
        format!("check that vfio-pci is bound to {}", named.join(", "))
    }

    fn why(&self) -> String {
        "Another driver may still bind the GPU first at boot, so this is checked after the reboot."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(self.lost(look)?.is_empty())
    }

    /// Fails if a GPU is not bound to `vfio-pci`: only another boot can change that.
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        match self.lost(journal.look())? {
            lost if lost.is_empty() => Ok(()),
            lost => Err(StepError::Reason(format!(
                "after the reboot {} instead of vfio-pci; run `dmesg` to see which driver bound it \
                    first, or `vgpu-installer revert` to restore the settings",
                lost.join(", ")
            ))),
        }
    }

    fn component(&self) -> Component {
        Component::Passthrough
    }

    fn waits_for_boot(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_say_what_udev_modprobe_and_initramfs_tools_read() {
        let slot = Slot::of("0000:41:00.0".parse().unwrap());
        let step = HandToGuests { slots: vec![slot] };
        let rule = step.rules().lines().last().map(str::to_owned).unwrap();
        assert_eq!(
            rule,
            r#"ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:41:00.*", ATTR{driver_override}="vfio-pci""#
        );
        assert!(HandToGuests::order().ends_with("softdep xhci_pci pre: vfio-pci\n"));
        let hook = HandToGuests::hook();
        assert!(hook.starts_with("#!/bin/sh\n#") && hook.contains("prereqs)\n\techo udev\n"));
    }
}
