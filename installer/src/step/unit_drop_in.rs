use serde::{Deserialize, Serialize};
use vgpu_manifest::{DropInName, HostPath, ItemName, Mode, UnitName};

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::host::{Content, Look};
use crate::state::fixed;

/// Add to a systemd unit that the host or a package has, without touching its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnitDropIn {
    /// The unit that it adds to.
    pub unit: UnitName,
    /// The drop-in's own name.
    pub name: DropInName,
    /// The item's name in the bundle, for people.
    pub item: ItemName,
    /// What the item is, by which the store has it.
    pub content: Content,
}

impl UnitDropIn {
    fn path(&self) -> HostPath {
        fixed(&format!("/etc/systemd/system/{}.d/{}", self.unit, self.name))
    }
}

impl Goal for UnitDropIn {
    fn summary(&self) -> String {
        format!("add {} to {}", self.name, self.unit)
    }

    fn why(&self) -> String {
        format!("The bundle asks for its item `{}` as an addition to {}.", self.item, self.unit)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds(look, &self.path(), self.content, Mode::FILE)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_stored(journal, &self.path(), self.content, Mode::FILE)
    }
}
