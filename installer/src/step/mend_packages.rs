use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Package, PackageState};

use super::{Goal, StepError};
use crate::act::{Journal, Probe, Reversible};
use crate::facts::installed_packages;
use crate::host::Look;
use crate::packages::configure;
use crate::state::fixed;

/// Finishes configuring half-configured packages.
///
/// DKMS's hook leaves a kernel package in this state if the old driver's module does not build for
/// it, and apt refuses all work from then on. With a driver that builds, the configuration
/// succeeds. The maintainer scripts then do what an upgrade would have done, so there is nothing to
/// revert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct MendPackages {}

impl MendPackages {
    /// Checks whether a package waits for its configuration.
    #[must_use]
    pub(crate) fn is_for(package: &Package) -> bool {
        matches!(package.state, PackageState::Unpacked | PackageState::HalfConfigured)
    }
}

impl Goal for MendPackages {
    fn summary(&self) -> String {
        "finish configuring half-configured packages".to_owned()
    }

    fn why(&self) -> String {
        "When the driver's module does not build for a newly installed kernel, dpkg leaves the \
         kernel package half-configured, and apt refuses further work until it is configured."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(!installed_packages(look)?.iter().any(Self::is_for))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let probe = Probe::Exists(fixed("/var/lib/dpkg/status"));
        Ok(journal.act(Reversible::new(configure(), probe))?)
    }

    fn takes_commands(&self) -> bool {
        true
    }
}
