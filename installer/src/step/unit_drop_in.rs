use serde::{Deserialize, Serialize};
use vgpu_manifest::{DropInName, HostPath, ItemName, Mode, UnitName};

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::host::{Content, Look};
use crate::state::fixed;

/// Adds a drop-in to a systemd unit of the host or of a package, without changing the unit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct UnitDropIn {
    /// The unit to extend.
    pub(crate) unit: UnitName,
    /// The file name of the drop-in.
    pub(crate) name: DropInName,
    /// The item's name in the bundle, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds the item.
    pub(crate) content: Content,
}

impl UnitDropIn {
    fn path(&self) -> HostPath {
        fixed(&format!("/etc/systemd/system/{}.d/{}", self.unit, self.name))
    }
}

impl Goal for UnitDropIn {
    fn summary(&self) -> String {
        format!("add drop-in {} to {}", self.name, self.unit)
    }

    fn why(&self) -> String {
        format!("The bundle installs its item `{}` as a drop-in for {}.", self.item, self.unit)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds(look, &self.path(), self.content, Mode::FILE)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_stored(journal, &self.path(), self.content, Mode::FILE)
    }
}
