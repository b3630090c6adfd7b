use serde::{Deserialize, Serialize};
use vgpu_manifest::package::PackageReason;

use super::{Goal, StepError};
use crate::act::{Journal, PackageChange};
use crate::component::Component;
use crate::facts::installed_packages;
use crate::host::Look;
use crate::packages::{PackageFile, is_satisfied};

/// Install Debian packages that the bundle carries, by apt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InstallPackages {
    /// All packages of the bundle: those that were asked for, those that they need, and those
    /// that it takes to go back.
    pub files: Vec<PackageFile>,
}

impl Goal for InstallPackages {
    fn summary(&self) -> String {
        let asked = self.files.iter().filter(|file| file.reason == PackageReason::Requested);
        let names: Vec<_> = asked.map(|file| file.name.as_str()).collect();
        format!("install packages: {}", names.join(", "))
    }

    fn why(&self) -> String {
        "The driver's module is built on this host, for its own kernel, and what builds it is not \
         on a stock host. apt takes the packages from the bundle alone, removes nothing, and \
         leaves configuration files as they are."
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
