use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::Name;
use vgpu_manifest::platform::KernelRelease;

use super::{Goal, StepError};
use crate::act::{Journal, pin};
use crate::component::Component;
use crate::facts::kernels;
use crate::host::Look;
use crate::kernel_pin::{Imports, imports};

/// Hold the host at a kernel, because the driver does not work with the one that it would boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PinKernel {
    /// The kernel.
    pub kernel: KernelRelease,
    /// The ZFS pool that the kernel has to import to boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Name>,
}

impl Goal for PinKernel {
    fn summary(&self) -> String {
        format!("keep booting {}", self.kernel.as_str())
    }

    fn why(&self) -> String {
        "By what the bundle's catalogue knows the driver does not work with the kernel that this host \
         would boot, and works with this one, whose entry stays as it is. A revert lets the host boot \
         what it booted before."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(kernels(look).pinned.as_ref() == Some(&self.kernel))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        if let Some(pool) = &self.pool {
            let kernel = || self.kernel.as_str().to_owned();
            match imports(journal.look(), &self.kernel, pool)? {
                Imports::Yes => {}
                Imports::No => return Err(StepError::NewerPool(pool.to_string(), kernel())),
                Imports::Unknown => return Err(StepError::SilentPool(pool.to_string(), kernel())),
            }
        }
        Ok(journal.act(pin(&self.kernel))?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::KernelPin
    }
}

/// That the host runs a kernel for which the driver can be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KernelRuns {
    /// The kernel.
    pub kernel: KernelRelease,
}

impl Goal for KernelRuns {
    fn summary(&self) -> String {
        format!("see that {} runs", self.kernel.as_str())
    }

    fn why(&self) -> String {
        "The driver does not work with the kernel that runs now.".to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(kernels(look).running.as_ref() == Some(&self.kernel))
    }

    /// Only a boot makes it true.
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let runs = kernels(journal.look()).running;
        let runs = runs.map_or("no kernel".to_owned(), |kernel| kernel.as_str().to_owned());
        Err(StepError::OtherKernel { runs, needs: self.kernel.as_str().to_owned() })
    }

    fn component(&self) -> Component {
        Component::KernelPin
    }

    fn waits_for_boot(&self) -> bool {
        true
    }
}
