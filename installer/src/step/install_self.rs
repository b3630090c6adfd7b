use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::{Goal, StepError, holds, put_stored};
use crate::act::Journal;
use crate::host::{Content, Look, Mode};
use crate::state::fixed;

/// Copy this very program to the host, from the store, where it was staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstallSelf {
    /// What the program is.
    pub content: Content,
}

impl InstallSelf {
    /// Where the program goes.
    #[must_use]
    pub fn path() -> HostPath {
        fixed("/usr/local/sbin/vgpu-installer")
    }
}

impl Goal for InstallSelf {
    fn summary(&self) -> String {
        format!("install this program as {}", Self::path())
    }

    fn why(&self) -> String {
        "After a reboot, for status and for taking everything back, the program has to be on the \
         host: the medium it came on may be gone by then."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds(look, &Self::path(), self.content, Mode::DIR)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        // What root may change and everyone may run has the bits of a directory: 0755.
        put_stored(journal, &Self::path(), self.content, Mode::DIR)
    }
}
