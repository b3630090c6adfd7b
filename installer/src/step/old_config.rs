use serde::{Deserialize, Serialize};
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::{Digest, HostPath, ItemName, Mode};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::component::Component;
use crate::driver;
use crate::host::{Content, Look, Meta};
use crate::state::fixed;

/// The largest `vgpuConfig.xml` that is read: known ones have some 100 KiB.
const MAX_CONFIG: u64 = 8 << 20;

/// Give the driver the `vgpuConfig.xml` of an older one, which still lists the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OldConfig {
    /// The older driver's item, for people.
    pub item: ItemName,
    /// What its package is, by which the store has it.
    pub content: Content,
    /// Its version.
    pub version: DriverVersion,
    /// The SHA-256 of the file in it.
    pub sha256: Digest,
}

impl OldConfig {
    fn path() -> HostPath {
        fixed("/usr/share/nvidia/vgpu/vgpuConfig.xml")
    }
}

impl Goal for OldConfig {
    fn summary(&self) -> String {
        format!("use the vgpuConfig.xml of the driver {}", self.version)
    }

    fn why(&self) -> String {
        "The new driver's own list of vGPU types leaves the card out, although the driver still \
         serves it by the list of the older one."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let bytes = look.read_up_to(&Self::path(), MAX_CONFIG)?;
        Ok(bytes.is_some_and(|bytes| Digest::of(&bytes) == self.sha256))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let work = driver::unpack(journal.host(), "package", self.content)?;
        let bytes = work.look().read_up_to(&work.path("tree/vgpuConfig.xml"), MAX_CONFIG)?;
        work.done()?;
        // Where commands do not run, nothing was unpacked.
        let Some(bytes) = bytes else { return Ok(()) };
        if Digest::of(&bytes) != self.sha256 {
            return Err(StepError::OtherConfig(self.version.clone()));
        }
        Ok(journal.put_bytes(&Self::path(), &bytes, Meta::root(Mode::FILE))?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    /// The older list is for GPUs that the driver does not list because they are unlocked.
    fn component(&self) -> Component {
        Component::Unlock
    }
}
