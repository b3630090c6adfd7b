use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, UnitName};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::component::Component;
use crate::host::Look;
use crate::state::fixed;

/// Enables a unit of the host or of a driver for a target, from the next boot on.
///
/// Writes the link that `systemctl enable` would make, so that the journal records the whole
/// change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EnableUnit {
    /// The unit to enable.
    pub(crate) unit: UnitName,
    /// The path of the unit file.
    pub(crate) file: HostPath,
    /// The target that starts the unit.
    pub(crate) wanted_by: UnitName,
    /// The component that the unit belongs to.
    #[serde(default, skip_serializing_if = "Component::is_shared")]
    pub(crate) component: Component,
}

impl EnableUnit {
    fn link(&self) -> HostPath {
        fixed(&format!("/etc/systemd/system/{}.wants/{}", self.wanted_by, self.unit))
    }
}

impl Goal for EnableUnit {
    fn summary(&self) -> String {
        format!("enable {} for {}", self.unit, self.wanted_by)
    }

    fn why(&self) -> String {
        format!("{} must run after every boot.", self.unit)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        // The origin of the link does not matter: systemd looks only at its name.
        Ok(look.link(&self.link())?.is_some())
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(journal.put_link(&self.link(), self.file.as_path().as_str())?)
    }

    fn component(&self) -> Component {
        self.component
    }
}
