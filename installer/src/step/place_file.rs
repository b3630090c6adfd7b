use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode};

use super::{Goal, StepError, holds};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Content, Look, Meta};

/// Write a small text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlaceFile {
    /// Where.
    pub path: HostPath,
    /// Its permission bits; owner and group are root.
    pub mode: Mode,
    /// Its content.
    pub text: String,
    /// What it is a part of.
    #[serde(default, skip_serializing_if = "Component::is_shared")]
    pub component: Component,
}

impl Goal for PlaceFile {
    fn summary(&self) -> String {
        format!("write {}", self.path)
    }

    fn why(&self) -> String {
        format!("{} has to hold exactly the text that the plan shows.", self.path)
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
