use serde::{Deserialize, Serialize};
use vgpu_manifest::package::PackageReason;

use super::{Goal, StepError};
use crate::act::{Journal, PackageChange};
use crate::component::Component;
use crate::facts::installed_packages;
use crate::host::Look;
use crate::packages::{PackageFile, is_satisfied};

/// Installs Debian packages from the bundle with apt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct InstallPackages {
    /// All packages of the bundle: the requested ones, their dependencies, and the ones needed for
    /// a revert.
    pub(crate) files: Vec<PackageFile>,
}

impl Goal for InstallPackages {
    fn summary(&self) -> String {
        let asked = self.files.iter().filter(|file| file.reason == PackageReason::Requested);
        let names: Vec<_> = asked.map(|file| file.name.as_str()).collect();
        format!("install packages: {}", names.join(", "))
    }

    fn why(&self) -> String {
        "DKMS builds the driver's module on this host, and a stock host lacks the build tools. \
         apt takes packages only from the bundle, removes none, and keeps existing configuration \
         files."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(is_satisfied(&installed_packages(look)?, &self.files))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let change = PackageChange::prepare(journal.host(), &self.files)?;
        Ok(journal.act(change)?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::Packages
    }
}
