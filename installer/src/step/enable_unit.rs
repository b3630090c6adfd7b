use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, UnitName};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::component::Component;
use crate::host::Look;
use crate::state::fixed;

/// Start a unit that the host or a driver has, with a target, from the next boot on.
///
/// The link is put that `systemctl enable` would make, so that the journal knows all there is to
/// take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnableUnit {
    /// The unit.
    pub unit: UnitName,
    /// Its file.
    pub file: HostPath,
    /// The target.
    pub wanted_by: UnitName,
    /// What it is a part of.
    #[serde(default, skip_serializing_if = "Component::is_shared")]
    pub component: Component,
}

impl EnableUnit {
    fn link(&self) -> HostPath {
        fixed(&format!("/etc/systemd/system/{}.wants/{}", self.wanted_by, self.unit))
    }
}

impl Goal for EnableUnit {
    fn summary(&self) -> String {
        format!("start {} with {}", self.unit, self.wanted_by)
    }

    fn why(&self) -> String {
        format!("{} has to run from the boot on.", self.unit)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        // Whoever has made it: a link of this name is what systemd goes by.
        Ok(look.link(&self.link())?.is_some())
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(journal.put_link(&self.link(), self.file.as_path().as_str())?)
    }

    fn component(&self) -> Component {
        self.component
    }
}
