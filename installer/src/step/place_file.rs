use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode};

use super::{Goal, StepError, holds};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Content, Look, Meta};

/// Writes a small text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PlaceFile {
    /// The destination path.
    pub(crate) path: HostPath,
    /// The permission bits; owner and group are root.
    pub(crate) mode: Mode,
    /// The content of the file.
    pub(crate) text: String,
    /// The component that the unit belongs to.
    #[serde(default, skip_serializing_if = "Component::is_shared")]
    pub(crate) component: Component,
}

impl Goal for PlaceFile {
    fn summary(&self) -> String {
        format!("write {}", self.path)
    }

    fn why(&self) -> String {
        format!("{} must contain exactly the text shown in the plan.", self.path)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds(look, &self.path, Content::of(self.text.as_bytes()), self.mode)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(journal.put_bytes(&self.path, self.text.as_bytes(), Meta::root(self.mode))?)
    }

    fn component(&self) -> Component {
        self.component
    }
}
