use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Kernel, KernelPart};
use vgpu_manifest::platform::{KernelRelease, PciAddress};

use super::{Goal, StepError};
use crate::act::{DriverChange, ForeignDriver, Journal, Probe, Reversible, Way};
use crate::component::Component;
use crate::driver::{BuildState, DriverSpec, is_installed, remembered, status, versions};
use crate::facts::kernels as kernels_of;
use crate::gpus::check_idle;
use crate::host::{Command, Look};
use crate::journal::Scope;
use crate::state::fixed;

/// Install NVIDIA's host driver by its own installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstallDriver {
    /// The driver.
    pub driver: DriverSpec,
    /// The one that this program has installed before, which goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<DriverSpec>,
    /// One that somebody else has installed, and that goes first because the operator has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<ForeignDriver>,
    /// The GPUs of which vGPUs are to be had.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub serves: BTreeSet<PciAddress>,
}

impl InstallDriver {
    /// Install this one where there is no other.
    #[must_use]
    pub fn of(driver: DriverSpec) -> Self {
        Self { driver, replaces: None, foreign: None, serves: BTreeSet::new() }
    }

    /// Whether this program has installed the driver that is there, from this package.
    fn is_ours(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(remembered(look)?.is_some_and(|known| known.content == self.driver.content))
    }

    /// The kernels that there is no module for, if that is all that is missing: the driver itself is
    /// there, and serves guests by the module of another kernel.
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

    /// Have DKMS build the module for one more kernel.
    fn build(&self, journal: &mut Journal<'_>, kernel: &KernelRelease) -> Result<(), StepError> {
        let (module, kernel) = (format!("nvidia/{}", self.driver.version), kernel.as_str());
        let [updates, video, tree] = [
            format!("/usr/lib/modules/{kernel}/updates"),
            format!("/usr/lib/modules/{kernel}/kernel/drivers/video"),
            "/var/lib/dkms/nvidia".to_owned(),
        ]
        .map(|path| fixed(&path));
        let command = Command::new("dkms", &["install", &module, "-k", kernel]);
        let built = fixed(&format!("/var/lib/dkms/nvidia/{}/{kernel}", self.driver.version));
        Ok(journal.act(Reversible {
            undo: Some(Command::new("dkms", &["remove", &module, "-k", kernel])),
            scope: Scope { large: [updates, video, tree].into(), ..Scope::default() },
            ..Reversible::new(command, Probe::Exists(built))
        })?)
    }

    /// Make room: another driver goes by its own uninstaller, if it is ours or is to be taken away
    /// although it is not. What an installer that failed has left of this very driver is for the
    /// change itself to clear away.
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
        Err(StepError::ForeignDriver(foreign))
    }
}

/// The kernels to build for: the one that runs now, which in the second phase may be another than
/// when the plan was made, and the newest with headers.
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
                    " instead of {old}, which somebody else has installed and which goes for good"
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
        "The driver makes vGPUs of the GPU. Its module is built by DKMS for the kernel that runs, for \
         the newest one whose headers are there, and again for each kernel that comes later."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        if !is_installed(look)? {
            return Ok(false);
        }
        let version = self.driver.version.to_string();
        if !self.driver.patches.is_empty() && !self.is_ours(look)? {
            // Somebody else's of the same version is not patched, or not by us.
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
