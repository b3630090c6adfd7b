use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, ItemName, Mode};

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Content, Look};

/// Writes a file from the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PlaceItem {
    /// The item's name in the bundle, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds the item.
    pub(crate) content: Content,
    /// The destination path.
    pub(crate) path: HostPath,
    /// The permission bits; owner and group are root.
    pub(crate) mode: Mode,
    /// The component that the unit belongs to.
    #[serde(default, skip_serializing_if = "Component::is_shared")]
    pub(crate) component: Component,
}

impl Goal for PlaceItem {
    fn summary(&self) -> String {
        format!("write {} from `{}`", self.path, self.item)
    }

    fn why(&self) -> String {
        format!("The bundle installs its item `{}` at {}.", self.item, self.path)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds(look, &self.path, self.content, self.mode)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_stored(journal, &self.path, self.content, self.mode)
    }

    fn component(&self) -> Component {
        self.component
    }
}
