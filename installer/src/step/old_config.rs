use serde::{Deserialize, Serialize};
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::{Digest, HostPath, ItemName, Mode};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::component::Component;
use crate::driver;
use crate::host::{Content, Look, Meta};
use crate::state::fixed;

/// The size limit of a `vgpuConfig.xml`: known ones have about 100 KiB.
const MAX_CONFIG: u64 = 8 << 20;

/// Replaces the driver's `vgpuConfig.xml` by that of an older driver, which still lists the GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct OldConfig {
    /// The older driver's item, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds its package.
    pub(crate) content: Content,
    /// The version of the older driver.
    pub(crate) version: DriverVersion,
    /// The SHA-256 of the file in the package.
    pub(crate) sha256: Digest,
}

impl OldConfig {
    fn path() -> HostPath {
        fixed("/usr/share/nvidia/vgpu/vgpuConfig.xml")
    }
}

impl Goal for OldConfig {
    fn summary(&self) -> String {
        format!("use the vgpuConfig.xml of driver {}", self.version)
    }

    fn why(&self) -> String {
        "The new driver's vGPU type list omits this GPU, but the driver still supports it with \
         the older list."
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
        // Without commands, nothing was unpacked.
        let Some(bytes) = bytes else { return Ok(()) };
        if Digest::of(&bytes) != self.sha256 {
            return Err(StepError::Reason(format!(
                "the vgpuConfig.xml in the driver {} does not match the bundle's manifest",
                self.version
            )));
        }
        Ok(journal.put_bytes(&Self::path(), &bytes, Meta::root(Mode::FILE))?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    /// Belongs to the unlock component: only an unlocked GPU is missing from the driver's list.
    fn component(&self) -> Component {
        Component::Unlock
    }
}
