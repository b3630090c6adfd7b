//! Steps that install, enable and extend systemd units.

use serde::{Deserialize, Serialize};
use vgpu_manifest::{DropInName, HostPath, ItemName, Mode, UnitName};

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::component::Component;
use crate::host::{Content, Look};
use crate::state::fixed;

/// Installs a systemd unit from the bundle, and enables it if a target is given.
///
/// Enabling writes the link that `systemctl enable` would make, so that the journal records the
/// whole change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct InstallUnit {
    /// The name of the unit.
    pub(crate) unit: UnitName,
    /// The item's name in the bundle, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds the item.
    pub(crate) content: Content,
    /// The target that starts the unit, from the next boot on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wanted_by: Option<UnitName>,
}

impl InstallUnit {
    fn path(&self) -> HostPath {
        fixed(&format!("/etc/systemd/system/{}", self.unit))
    }

    fn link(&self) -> Option<HostPath> {
        let target = self.wanted_by.as_ref()?;
        Some(fixed(&format!("/etc/systemd/system/{target}.wants/{}", self.unit)))
    }
}

impl Goal for InstallUnit {
    fn summary(&self) -> String {
        match &self.wanted_by {
            Some(target) => format!("install {} and enable it for {target}", self.unit),
            None => format!("install {}", self.unit),
        }
    }

    fn why(&self) -> String {
        format!("The bundle installs its item `{}` as a systemd unit.", self.item)
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let path = self.path();
        let linked = match self.link() {
            Some(link) => look.link(&link)?.as_deref() == Some(path.as_path().as_str()),
            None => true,
        };
        Ok(linked && holds(look, &path, self.content, Mode::FILE)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let path = self.path();
        put_stored(journal, &path, self.content, Mode::FILE)?;
        if let Some(link) = self.link() {
            journal.put_link(&link, path.as_path().as_str())?;
        }
        Ok(())
    }
}

/// Enables a unit of the host or of a driver for a target, from the next boot on.
///
/// Writes the link that `systemctl enable` would make, so that the journal records the whole
/// change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// Adds a drop-in to a systemd unit of the host or of a package, without changing the unit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
