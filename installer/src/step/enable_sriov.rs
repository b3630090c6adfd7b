use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::platform::PciAddress;

use super::{Goal, InstallSelf, StepError, banner, holds_text, put_text};
use crate::act::{Journal, Probe, Reversible};
use crate::component::Component;
use crate::gpus::sriov::are_on;
use crate::host::{Command, Look};
use crate::settle::Derived;
use crate::state::fixed;

/// Enables the virtual functions of the GPUs that serve vGPUs, now and at every boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EnableSriov {
    /// The origin of the unit.
    pub(crate) by: SriovBy,
    /// The GPUs. Others are left alone: the driver may not support them.
    pub(crate) gpus: BTreeSet<PciAddress>,
}

/// The origin of the unit that enables virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SriovBy {
    /// The template unit of `pve-nvidia-vgpu-helper`, one instance for each GPU.
    Pve,
    /// A unit of this program, for hosts without Proxmox VE's.
    Ourselves,
}

const TEMPLATE: &str = "/lib/systemd/system/pve-nvidia-sriov@.service";
const OURS: &str = "vgpu-offline-sriov.service";

impl EnableSriov {
    fn units(&self) -> Vec<String> {
        match self.by {
            SriovBy::Pve => {
                self.gpus.iter().map(|gpu| format!("pve-nvidia-sriov@{gpu}.service")).collect()
            }
            SriovBy::Ourselves => vec![OURS.to_owned()],
        }
    }

    /// Returns the links that enable the units, with their targets.
    fn links(&self) -> impl Iterator<Item = (HostPath, String)> {
        let ours = format!("/etc/systemd/system/{OURS}");
        let file = if self.by == SriovBy::Pve { TEMPLATE.to_owned() } else { ours };
        let link = |unit| fixed(&format!("/etc/systemd/system/multi-user.target.wants/{unit}"));
        self.units().into_iter().map(move |unit| (link(unit), file.clone()))
    }

    /// Returns the files: the unit of this program, or a drop-in for each instance of Proxmox VE's
    /// unit, which runs `sriov-manage` once and does not count the virtual functions afterwards.
    fn files(&self) -> Vec<(HostPath, String)> {
        let at = |name: &str| fixed(&format!("/etc/systemd/system/{name}"));
        match self.by {
            SriovBy::Pve => {
                let drop_in = |unit| (at(&format!("{unit}.d/vgpu-offline.conf")), Self::drop_in());
                self.units().into_iter().map(drop_in).collect()
            }
            SriovBy::Ourselves => vec![(at(OURS), self.unit())],
        }
    }

    fn drop_in() -> String {
        banner("Retries until the virtual functions exist.")
            + &format!(
                "[Service]\nTimeoutStartSec=15min\nExecStart=\nExecStart={} sriov %i\n",
                InstallSelf::path()
            )
    }

    /// Returns the unit that runs this program, which waits for the driver, retries, and counts the
    /// virtual functions.
    fn unit(&self) -> String {
        let gpus = self.gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        banner("Enables the virtual functions of NVIDIA GPUs.")
            + &format!(
                "[Unit]\nDescription=Virtual functions of NVIDIA GPUs\n\
                 After=nvidia-vgpud.service nvidia-vgpu-mgr.service\nBefore=pve-guests.service\n\n\
                 [Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=15min\n\
                 ExecStart={} sriov {gpus}\n\n[Install]\nWantedBy=multi-user.target\n",
                InstallSelf::path()
            )
    }

    fn systemctl(&self, words: &[&str]) -> Command {
        let units = self.units();
        let units: Vec<&str> = units.iter().map(String::as_str).collect();
        Command::new("systemctl", &[words, &units].concat())
    }

    /// Returns the command that enables them, also after a driver removal: systemd still sees the
    /// units as active then, and would not start them.
    fn restart_units(&self) -> Command {
        self.systemctl(&["restart"])
    }

    /// Returns the act that enables them now. They are removed with the driver.
    fn start(&self) -> Reversible {
        let is_active = self.systemctl(&["is-active", "--quiet"]);
        Reversible {
            after: [Derived::Systemd].into(),
            undo: Some(self.systemctl(&["stop"])),
            ..Reversible::new(self.restart_units(), Probe::Succeeds(is_active))
        }
    }
}

impl Goal for EnableSriov {
    fn summary(&self) -> String {
        let units = self.units().join(", ");
        format!("enable SR-IOV virtual functions, now and at boot ({units})")
    }

    fn why(&self) -> String {
        "On this GPU each vGPU uses an SR-IOV virtual function. Virtual functions do not persist \
         across reboots, so a unit enables them at every boot."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        for (path, text) in self.files() {
            if !holds_text(look, &path, &text)? {
                return Ok(false);
            }
        }
        for (link, _) in self.links() {
            if look.link(&link)?.is_none() {
                return Ok(false);
            }
        }
        Ok(are_on(look, &self.gpus)?)
    }

    fn place_units(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        self.files().iter().try_for_each(|(path, text)| put_text(journal, path, text))
    }

    /// Also enables them now, because later steps and the verification need them. The links are
    /// written last, so that they confirm both.
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        self.place_units(journal)?;
        journal.act(self.start())?;
        for (link, file) in self.links() {
            journal.put_link(&link, &file)?;
        }
        Ok(())
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn restart(&self) -> Option<Command> {
        Some(self.restart_units())
    }

    fn component(&self) -> Component {
        Component::Driver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_name_the_gpus_that_serve_and_retry() {
        let gpus = ["0000:41:00.0", "0000:81:00.0"].map(|it| it.parse().unwrap()).into();
        let ours = EnableSriov { by: SriovBy::Ourselves, gpus };
        let run = "ExecStart=/usr/local/sbin/vgpu-installer sriov";
        assert!(ours.unit().contains(&format!("{run} 0000:41:00.0 0000:81:00.0\n")));
        let pve = EnableSriov { by: SriovBy::Pve, ..ours };
        let restart = "systemctl restart pve-nvidia-sriov@0000:41:00.0.service \
                       pve-nvidia-sriov@0000:81:00.0.service";
        assert_eq!(pve.restart().unwrap().to_string(), restart);
        let files = pve.files();
        let path = "/etc/systemd/system/pve-nvidia-sriov@0000:41:00.0.service.d/vgpu-offline.conf";
        assert_eq!(files[0].0.to_string(), path);
        // The empty line resets what the unit runs itself.
        assert!(files[0].1.contains(&format!("ExecStart=\n{run} %i\n")), "{}", files[0].1);
        assert_eq!(files.len(), 2);
    }
}
