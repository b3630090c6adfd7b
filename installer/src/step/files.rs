//! Steps that write one file.

use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, ItemName, Mode};

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Content, Look, Meta};
use crate::state::fixed;

/// Writes a small text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PlaceFile {
    /// The destination path.
    pub(crate) path: HostPath,
    /// The permission bits; owner and group are root.
    pub(crate) mode: Mode,
    /// The content of the file.
    pub(crate) text: String,
    /// The component that the file belongs to.
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

/// Writes a file from the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The component that the file belongs to.
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

/// Copies this program from the store, where it was staged, to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct InstallSelf {
    /// The digest and size of the program.
    pub(crate) content: Content,
}

impl InstallSelf {
    /// The path of the program on the host.
    #[must_use]
    pub(crate) fn path() -> HostPath {
        fixed("/usr/local/sbin/vgpu-installer")
    }
}

impl Goal for InstallSelf {
    fn summary(&self) -> String {
        format!("install vgpu-installer as {}", Self::path())
    }

    fn why(&self) -> String {
        "Resuming after a reboot, checking the state, and reverting all need the program on the \
         host, when the installation medium may no longer be attached."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds(look, &Self::path(), self.content, Mode::DIR)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        // The mode of directories, 0755, is also the mode of an executable that only root may
        // change.
        put_stored(journal, &Self::path(), self.content, Mode::DIR)
    }
}
