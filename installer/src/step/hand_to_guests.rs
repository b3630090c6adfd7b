use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode};

use super::{Goal, StepError, banner, holds, holds_text, put_text};
use crate::act::Journal;
use crate::component::Component;
use crate::gpus::Slot;
use crate::host::{Content, Look, Meta};
use crate::state::fixed;

/// Keep drivers of the host away from GPUs that guests are to have as they are.
///
/// The kernel lets each device name the one driver that may have it. That is said by address and
/// not by id, so that two equal cards can do different things, and as soon as a device shows up: in
/// the initial file system too, where udev runs before the modules are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HandToGuests {
    /// The slots of the GPUs, in ascending order.
    pub slots: Vec<Slot>,
}

/// Drivers of a GPU's functions, which would be loaded for it before `vfio-pci`: NVIDIA's and the
/// kernel's own for the display, and those for sound and for USB-C on the card.
const RIVALS: [&str; 5] = ["nvidia", "nouveau", "nvidiafb", "snd_hda_intel", "xhci_pci"];

impl HandToGuests {
    /// Before `80-drivers.rules`, by which udev loads drivers.
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
        rules.fold(banner("GPUs that guests have as they are."), |text, rule| text + &rule)
    }

    fn order_path() -> HostPath {
        fixed("/etc/modprobe.d/vgpu-offline-passthrough.conf")
    }

    fn order() -> String {
        let lines = RIVALS.iter().map(|rival| format!("softdep {rival} pre: vfio-pci\n"));
        lines.fold(banner("What takes GPUs for guests comes first."), |text, line| text + &line)
    }

    /// The initial file system takes only those rules along that packages name.
    fn hook_path() -> HostPath {
        fixed("/etc/initramfs-tools/hooks/vgpu-offline")
    }

    fn hook() -> String {
        let rules = Self::rules_path();
        let head = banner("Takes the rule for GPUs of guests into the initial file system.");
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
        format!("keep the host's drivers away from {}", self.named())
    }

    fn why(&self) -> String {
        "A guest can have a whole GPU only if no driver of the host has taken it first. Its other \
         functions, for sound and USB-C, go with it."
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

/// That GPUs for guests are really kept for them, once the host has been booted again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeldForGuests {
    /// The slots of the GPUs, in ascending order.
    pub slots: Vec<Slot>,
}

impl HeldForGuests {
    /// The GPUs that another driver has, or none.
    fn lost(&self, look: &dyn Look) -> Result<Vec<String>, StepError> {
        let mut lost = Vec::new();
        for slot in &self.slots {
            let gpu = slot.gpu();
            let driver = look.link(&fixed(&format!("/sys/bus/pci/devices/{gpu}/driver")))?;
            let driver = driver.as_deref().and_then(|path| path.rsplit('/').next());
            if driver != Some("vfio-pci") {
                lost.push(format!("{gpu} has {}", driver.unwrap_or("no driver")));
            }
        }
        Ok(lost)
    }
}

impl Goal for HeldForGuests {
    fn summary(&self) -> String {
        let named: Vec<_> = self.slots.iter().map(|slot| slot.gpu().to_string()).collect();
        format!("see that vfio-pci keeps {} for guests", named.join(", "))
    }

    fn why(&self) -> String {
        "Whether another driver was faster shows only after the reboot.".to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(self.lost(look)?.is_empty())
    }

    /// Nothing that could be done now would be true after the next boot.
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        match self.lost(journal.look())? {
            lost if lost.is_empty() => Ok(()),
            lost => Err(StepError::NotHeld(lost.join(", "))),
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
