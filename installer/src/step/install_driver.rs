use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Kernel, KernelPart};
use vgpu_manifest::platform::{KernelRelease, PciAddress};

use super::{Goal, StepError};
use crate::act::{DriverChange, ForeignDriver, Journal, Probe, Reversible, Way};
use crate::component::Component;
use crate::driver::{BuildState, DriverSpec, is_installed, remembered, status, versions};
use crate::facts::{CERTIFICATE, PRIVATE_KEY, kernels as kernels_of};
use crate::gpus::check_idle;
use crate::host::{Command, Look};
use crate::journal::Scope;
use crate::settle::Derived;
use crate::state::fixed;

/// Installs NVIDIA's host driver with its own installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct InstallDriver {
    /// The driver to install.
    pub(crate) driver: DriverSpec,
    /// The driver that this program installed before, which is removed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<DriverSpec>,
    /// A driver installed outside this program, which is removed first at the operator's request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) foreign: Option<ForeignDriver>,
    /// The GPUs that serve vGPUs.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) serves: BTreeSet<PciAddress>,
}

impl InstallDriver {
    /// Returns the step that installs `driver` on a host without another driver.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn of(driver: DriverSpec) -> Self {
        Self { driver, replaces: None, foreign: None, serves: BTreeSet::new() }
    }

    /// Checks whether this program installed the present driver from this package.
    fn is_ours(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(remembered(look)?.is_some_and(|known| known.content == self.driver.content))
    }

    /// Returns the kernels without a module if nothing else is missing: the driver is installed,
    /// and serves guests with the module of another kernel.
    fn lacks_only_kernels(
        &self,
        look: &dyn Look,
        kernels: &[KernelRelease],
    ) -> Result<Option<Vec<KernelRelease>>, StepError> {
        let version = self.driver.version.to_string();
        if !self.is_ours(look)? || !is_installed(look)? {
            return Ok(None);
        }
        let builds = status(look)?.unwrap_or_default();
        let built = |kernel: &KernelRelease| {
            builds.iter().any(|build| {
                build.version == version
                    && build.kernel.as_deref() == Some(kernel.as_str())
                    && build.state == BuildState::Installed
            })
        };
        let (there, lacking): (Vec<_>, Vec<_>) = kernels.iter().cloned().partition(built);
        Ok((!there.is_empty()).then_some(lacking))
    }

    /// Builds the module for one more kernel with DKMS.
    fn build(&self, journal: &mut Journal<'_>, kernel: &KernelRelease) -> Result<(), StepError> {
        let module = format!("nvidia/{}", self.driver.version);
        let [updates, video, tree] = [
            format!("/usr/lib/modules/{}/updates", kernel.as_str()),
            format!("/usr/lib/modules/{}/kernel/drivers/video", kernel.as_str()),
            "/var/lib/dkms/nvidia".to_owned(),
        ]
        .map(|path| fixed(&path));
        let command = Command::new("dkms", &["install", &module, "-k", kernel.as_str()]);
        let built = format!("/var/lib/dkms/nvidia/{}/{}", self.driver.version, kernel.as_str());
        Ok(journal.act(Reversible {
            settles: [Derived::Depmod(kernel.clone())].into(),
            undo: Some(Command::new("dkms", &["remove", &module, "-k", kernel.as_str()])),
            scope: Scope {
                small: [PRIVATE_KEY, CERTIFICATE].map(fixed).into(),
                large: [updates, video, tree].into(),
            },
            ..Reversible::new(command, Probe::Exists(fixed(&built)))
        })?)
    }

    /// Removes another driver with its own uninstaller, if this program installed it or the
    /// operator requested its removal. The remains of a failed installation of the same driver are
    /// removed by the change itself.
    fn make_room(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let wanted = self.driver.version.to_string();
        let there = versions(journal.look())?;
        let unknown = there.is_empty() && is_installed(journal.look())?;
        let another = there.into_iter().find(|version| *version != wanted);
        let foreign = match (another, &self.replaces) {
            (None, _) if unknown => ForeignDriver { version: None },
            (None, _) => return Ok(()),
            (Some(version), Some(old)) if old.version.to_string() == version => {
                let change = DriverChange { way: Way::Remove, driver: old.clone() };
                return Ok(journal.act(change)?);
            }
            (Some(version), _) => ForeignDriver { version: version.parse().ok() },
        };
        if self.foreign.as_ref() == Some(&foreign) {
            return Ok(journal.act(foreign)?);
        }
        Err(StepError::Reason(format!(
            "the driver {foreign} is installed, but not by vgpu-installer; pass `--foreign-driver \
                remove` to remove it with its own uninstaller (a revert does not reinstall it), or \
                run `nvidia-uninstall` first"
        )))
    }
}

/// Returns the kernels to build for: the running one, which in phase 2 may differ from the one at
/// planning time, and the newest with headers.
fn kernels(look: &dyn Look, driver: &DriverSpec) -> Vec<KernelRelease> {
    if !driver.kernels.is_empty() {
        return driver.kernels.clone();
    }
    let found = kernels_of(look);
    let with_headers = |kernel: &&Kernel| kernel.has.contains(&KernelPart::Headers);
    let newest = found.installed.iter().rfind(with_headers).map(|kernel| kernel.release.clone());
    let mut kernels: Vec<_> = found.running.into_iter().collect();
    kernels.extend(newest.filter(|newest| !kernels.contains(newest)));
    kernels
}

impl Goal for InstallDriver {
    fn summary(&self) -> String {
        let DriverSpec { version, patches, args, .. } = &self.driver;
        let patched = if patches.is_empty() { "" } else { ", patched" };
        let replaces = self.replaces.as_ref().filter(|old| old.version != *version);
        let instead = match (replaces, &self.foreign) {
            (Some(old), _) => format!(" instead of {}", old.version),
            (None, Some(old)) => {
                format!(
                    " instead of {old} (installed outside vgpu-installer; a revert does not reinstall it)"
                )
            }
            (None, None) => String::new(),
        };
        format!(
            "install the driver {version}{patched}{instead}: nvidia-installer {}",
            args.join(" ")
        )
    }

    fn why(&self) -> String {
        "The driver provides the vGPUs. DKMS builds its module for the running kernel, for the \
         newest kernel with installed headers, and for every kernel installed later."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        if !is_installed(look)? {
            return Ok(false);
        }
        let version = self.driver.version.to_string();
        if !self.driver.patches.is_empty() && !self.is_ours(look)? {
            // A driver of the same version from another source is not patched, or differently.
            return Ok(false);
        }
        let Some(builds) = status(look)? else { return Ok(false) };
        let built = |kernel: &str| {
            builds.iter().any(|build| {
                build.version == version
                    && build.kernel.as_deref() == Some(kernel)
                    && build.state == BuildState::Installed
            })
        };
        let kernels = kernels(look, &self.driver);
        Ok(kernels.iter().all(|kernel| built(kernel.as_str())))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let kernels = kernels(journal.look(), &self.driver);
        if let Some(lacking) = self.lacks_only_kernels(journal.look(), &kernels)? {
            return lacking.iter().try_for_each(|kernel| self.build(journal, kernel));
        }
        check_idle(journal.look())?;
        self.make_room(journal)?;
        let driver = DriverSpec { kernels, ..self.driver.clone() };
        Ok(journal.act(DriverChange { way: Way::Install, driver })?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::Driver
    }
}
