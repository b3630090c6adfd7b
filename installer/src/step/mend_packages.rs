use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Package, PackageState};

use super::{Goal, StepError};
use crate::act::{Journal, Probe, Reversible};
use crate::facts::installed_packages;
use crate::host::Look;
use crate::packages::configure;
use crate::state::fixed;

/// Bring packages to their end that a hook has left half-configured.
///
/// A kernel whose hook could not build the old driver's module is left so, and apt refuses everything
/// from then on. Once the driver is one that builds, it comes to its end. What the packages' own
/// scripts do then is what an upgrade would have done; there is nothing to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MendPackages {}

impl MendPackages {
    /// Whether a package waits for that.
    #[must_use]
    pub fn is_for(package: &Package) -> bool {
        matches!(package.state, PackageState::Unpacked | PackageState::HalfConfigured)
    }
}

impl Goal for MendPackages {
    fn summary(&self) -> String {
        "configure the packages that were left half-configured".to_owned()
    }

    fn why(&self) -> String {
        "When a kernel is upgraded and the driver's module does not build for it, dpkg leaves the \
         kernel's package half-configured, and apt stops there until it is mended."
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
