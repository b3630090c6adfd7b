use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, ItemName, Mode, UnitName};

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::host::{Content, Look};
use crate::state::fixed;

/// Install a systemd unit that the bundle carries, and enable it if a target shall want it.
///
/// It is enabled by putting the link that `systemctl enable` would make, so that the journal knows
/// all there is to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstallUnit {
    /// The unit.
    pub unit: UnitName,
    /// The item's name in the bundle, for people.
    pub item: ItemName,
    /// What the item is, by which the store has it.
    pub content: Content,
    /// The target that starts it from the next boot on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_by: Option<UnitName>,
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
            Some(target) => format!("install {} and start it with {target}", self.unit),
            None => format!("install {}", self.unit),
        }
    }

    fn why(&self) -> String {
        format!("The bundle asks for its item `{}` as a unit of systemd.", self.item)
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
