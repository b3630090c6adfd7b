use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::host::{Content, Look, Mode};
use crate::state::fixed;

/// Copies this program from the store, where it was staged, to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
