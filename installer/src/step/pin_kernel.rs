use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::Name;
use vgpu_manifest::platform::KernelRelease;

use super::{Goal, StepError};
use crate::act::{Journal, PinMeans, boot_once, pin, unpin};
use crate::component::Component;
use crate::facts::kernels;
use crate::host::Look;
use crate::kernel::pin::{Imports, imports};

/// Pins the boot kernel, because the driver does not work with the default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PinKernel {
    /// The required kernel.
    pub(crate) kernel: KernelRelease,
    /// The ZFS pool that the kernel must import to boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pool: Option<Name>,
}

impl Goal for PinKernel {
    fn summary(&self) -> String {
        format!("pin the boot kernel to {}", self.kernel.as_str())
    }

    fn why(&self) -> String {
        "According to the bundle's catalog, the driver does not work with the kernel that this \
         host would boot by default, but works with this one. A revert restores the previous \
         boot kernel."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        match PinMeans::of(look, &self.kernel)? {
            Some(means) => Ok(means.hold(look, &self.kernel)?),
            None => Ok(false),
        }
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let means = means(journal.look(), &self.kernel, self.pool.as_ref())?;
        Ok(pin(journal, &self.kernel, &means)?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::KernelPin
    }
}

/// Boots a kernel once, which becomes the default only after phase 2 runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct BootOnce {
    /// The kernel.
    pub(crate) kernel: KernelRelease,
    /// The ZFS pool that the kernel must import to boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pool: Option<Name>,
}

impl Goal for BootOnce {
    fn summary(&self) -> String {
        format!("boot kernel {} once", self.kernel.as_str())
    }

    fn why(&self) -> String {
        "According to the bundle's catalog, the driver works with this kernel, but not with the \
         running one. It becomes the default only after the host has booted it; if it does not \
         boot, the host keeps its default kernel."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let kernels = kernels(look);
        Ok([kernels.running.as_ref(), kernels.next_boot()].contains(&Some(&self.kernel)))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let means = means(journal.look(), &self.kernel, self.pool.as_ref())?;
        Ok(boot_once(journal, &self.kernel, &means)?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::KernelPin
    }
}

/// Keeps the running kernel as the default, although the bundle installs a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FallBack {
    /// The running kernel.
    pub(crate) kernel: KernelRelease,
    /// The kernel that becomes the default once it has booted.
    pub(crate) until: KernelRelease,
}

impl Goal for FallBack {
    fn summary(&self) -> String {
        let [kernel, until] = [&self.kernel, &self.until].map(KernelRelease::as_str);
        format!("keep kernel {kernel} as the default until {until} has booted")
    }

    fn why(&self) -> String {
        "The bundle installs a newer kernel, which would boot from now on. If it does not boot, the \
         host falls back to the running one."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let runs = kernels(look).running.as_ref() == Some(&self.until);
        Ok(runs || PinMeans::Tool.hold(look, &self.kernel)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(pin(journal, &self.kernel, &PinMeans::Tool)?)
    }

    fn component(&self) -> Component {
        Component::KernelPin
    }
}

/// Lets the newest kernel be the default again, because it has booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EndFallBack {
    /// The kernel that was kept as the default.
    pub(crate) kernel: KernelRelease,
}

impl Goal for EndFallBack {
    fn summary(&self) -> String {
        "boot the newest kernel by default again".to_owned()
    }

    fn why(&self) -> String {
        format!("The bundle's kernel has booted, so {} need not be kept.", self.kernel.as_str())
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(!PinMeans::Tool.hold(look, &self.kernel)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(unpin(journal)?)
    }

    fn component(&self) -> Component {
        Component::KernelPin
    }
}

/// Returns the means to boot `kernel`, which must be able to import the root pool.
fn means(
    look: &dyn Look,
    kernel: &KernelRelease,
    pool: Option<&Name>,
) -> Result<PinMeans, StepError> {
    if let Some(pool) = pool {
        match imports(look, kernel, pool)? {
            Imports::Yes => {}
            Imports::No => {
                return Err(StepError::Reason(format!(
                    "the root pool {pool} has features of OpenZFS 2.4, so {kernel} could not \
                        import it and the host would not boot; make a bundle whose driver \
                        works with a newer kernel"
                )));
            }
            Imports::Unknown => {
                return Err(StepError::Reason(format!(
                    "cannot determine whether {kernel} can import the root pool {pool}, so the \
                        host might not boot; run `zpool get feature@block_cloning_endian {pool}`"
                )));
            }
        }
    }
    PinMeans::of(look, kernel)?.ok_or_else(|| {
        StepError::Reason(format!(
            "this host cannot be made to boot {kernel}: it has no `proxmox-boot-tool`, and \
                /boot/grub/grub.cfg has no entry for this kernel; install the package \
                proxmox-kernel-helper, or run `update-grub`"
        ))
    })
}

/// Checks that the host runs a kernel for which the driver can be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KernelRuns {
    /// The required kernel.
    pub(crate) kernel: KernelRelease,
}

impl Goal for KernelRuns {
    fn summary(&self) -> String {
        format!("check that kernel {} is running", self.kernel.as_str())
    }

    fn why(&self) -> String {
        "The driver does not work with the running kernel.".to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(kernels(look).running.as_ref() == Some(&self.kernel))
    }

    /// Fails, because only a reboot can satisfy the condition.
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
