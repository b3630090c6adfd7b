use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::{Goal, InstallSelf, StepError, banner, holds_text, put_text};
use crate::act::{Journal, Probe, Reversible};
use crate::component::Component;
use crate::gpus::sriov::are_on;
use crate::host::{Command, Look};
use crate::settle::Derived;
use crate::state::fixed;

/// Enables the virtual functions of NVIDIA GPUs, now and at every boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EnableSriov {
    /// The origin of the unit.
    pub(crate) by: SriovBy,
}

/// The origin of the unit that enables virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SriovBy {
    /// The template unit of `pve-nvidia-vgpu-helper`.
    Pve,
    /// A unit of this program, for hosts without Proxmox VE's.
    Ourselves,
}

const PVE: &str = "pve-nvidia-sriov@ALL.service";
const OURS: &str = "vgpu-offline-sriov.service";

impl EnableSriov {
    fn link(&self) -> (HostPath, &'static str) {
        let (unit, file) = match self.by {
            SriovBy::Pve => (PVE, "/lib/systemd/system/pve-nvidia-sriov@.service"),
            SriovBy::Ourselves => (OURS, "/etc/systemd/system/vgpu-offline-sriov.service"),
        };
        (fixed(&format!("/etc/systemd/system/multi-user.target.wants/{unit}")), file)
    }

    fn unit_name(&self) -> &'static str {
        match self.by {
            SriovBy::Pve => PVE,
            SriovBy::Ourselves => OURS,
        }
    }

    /// Returns the command that enables them, also after a driver removal: systemd still sees the
    /// unit as active then, and would not start it.
    fn restart_unit(&self) -> Command {
        Command::new("systemctl", &["restart", self.unit_name()])
    }

    /// Returns the act that enables them now. They are removed with the driver.
    fn start(&self) -> Reversible {
        let unit = self.unit_name();
        let is_active = Command::new("systemctl", &["is-active", "--quiet", unit]);
        Reversible {
            after: [Derived::Systemd].into(),
            undo: Some(Command::new("systemctl", &["stop", unit])),
            ..Reversible::new(self.restart_unit(), Probe::Succeeds(is_active))
        }
    }

    /// Returns the unit that runs this program, which waits for the driver, retries, and counts the
    /// virtual functions.
    fn unit() -> (HostPath, String) {
        let text = banner("Enables the virtual functions of NVIDIA GPUs.")
            + &format!(
                "[Unit]\nDescription=Virtual functions of NVIDIA GPUs\n\
                 After=nvidia-vgpud.service nvidia-vgpu-mgr.service\nBefore=pve-guests.service\n\n\
                 [Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=15min\n\
                 ExecStart={} sriov\n\n[Install]\nWantedBy=multi-user.target\n",
                InstallSelf::path()
            );
        (fixed(&format!("/etc/systemd/system/{OURS}")), text)
    }
}

impl Goal for EnableSriov {
    fn summary(&self) -> String {
        match self.by {
            SriovBy::Pve => format!("enable SR-IOV virtual functions, now and at boot ({PVE})"),
            SriovBy::Ourselves => {
                format!("enable SR-IOV virtual functions, now and at boot ({OURS})")
            }
        }
    }

    fn why(&self) -> String {
        "On this GPU each vGPU uses an SR-IOV virtual function. Virtual functions do not persist \
         across reboots, so a unit enables them at every boot."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let (link, _) = self.link();
        let linked = look.link(&link)?.is_some();
        let (path, text) = Self::unit();
        let by_unit = linked && (self.by == SriovBy::Pve || holds_text(look, &path, &text)?);
        Ok(by_unit && are_on(look)?)
    }

    /// Also enables them now, because later steps and the verification need them. The link is
    /// written last, so that it confirms both.
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        if self.by == SriovBy::Ourselves {
            let (path, text) = Self::unit();
            put_text(journal, &path, &text)?;
        }
        journal.act(self.start())?;
        let (link, file) = self.link();
        Ok(journal.put_link(&link, file)?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn restart(&self) -> Option<Command> {
        Some(self.restart_unit())
    }

    fn component(&self) -> Component {
        Component::Driver
    }
}
