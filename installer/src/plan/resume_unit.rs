//! The systemd unit that resumes a plan after the reboot between its two phases.

use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode, ParseTextError};

use super::Plan;
use crate::component::Component;
use crate::state::{self, fixed};
use crate::step::{EnableUnit, InstallSelf, PlaceFile, Step};

/// The name of the unit.
const NAME: &str = "vgpu-offline-resume.service";

/// Whether the host resumes automatically.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Resume {
    /// The unit resumes.
    #[serde(rename = "by-itself")]
    ByUnit,
    /// The operator resumes.
    #[default]
    ByOperator,
}

impl Plan {
    /// Checks whether the unit resumes this plan. The unit of an earlier bundle may be present although
    /// the operator disabled it for this one.
    #[must_use]
    pub(crate) fn resumes_automatically(&self) -> bool {
        let is_unit =
            |step: &Step| matches!(step, Step::EnableUnit(step) if step.unit.as_str() == NAME);
        self.steps().any(is_unit)
    }
}

/// Returns the link that enables the unit.
pub(crate) fn enabled() -> HostPath {
    fixed(&format!("/etc/systemd/system/multi-user.target.wants/{NAME}"))
}

/// Returns the steps that install the unit.
pub(super) fn steps() -> Result<[Step; 2], ParseTextError> {
    let (unit, wanted_by) = (NAME.parse()?, "multi-user.target".parse()?);
    let file = fixed(&format!("/etc/systemd/system/{NAME}"));
    let component = Component::Shared;
    let place = PlaceFile { path: file.clone(), mode: Mode::FILE, text: text(), component };
    let enable = EnableUnit { unit, file, wanted_by, component };
    Ok([Step::PlaceFile(place), Step::EnableUnit(enable)])
}

/// Returns the content of the unit. It runs before guests start, without a time limit, with its
/// output on the console. Nothing that an operator needs to log in waits for it. A shutdown waits for
/// the running command: only vgpu-installer itself gets the signal, and stops after it.
fn text() -> String {
    format!(
        "# Resumes the vGPU installation after the reboot.\n\
         # Written by vgpu-installer; `vgpu-installer revert` restores the previous state.\n\
         [Unit]\nDescription=Resume the vGPU installation after the reboot\n\
         Before=pve-guests.service\n\
         ConditionPathExists={journal}\n\n\
         [Service]\nType=oneshot\nExecStart={program} apply --resume\n\
         SuccessExitStatus=10\nTimeoutStartSec=infinity\n\
         KillMode=mixed\nTimeoutStopSec=5min\n\
         StandardOutput=journal+console\nStandardError=journal+console\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        journal = state::journal(),
        program = InstallSelf::path(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_guests_wait_for_the_unit_and_it_waits_for_nothing() {
        let text = text();
        for line in [
            "Before=pve-guests.service",
            "KillMode=mixed",
            "TimeoutStartSec=infinity",
            "journal+console",
        ] {
            assert!(text.contains(line), "{line}");
        }
        assert!(!text.contains("After=") && !text.contains("ssh"), "{text}");
    }
}
