//! Steps for Debian packages.

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Package, PackageState};
use vgpu_manifest::package::PackageReason;
use vgpu_manifest::{HostPath, Mode, RepositoryStyle};

use super::{Goal, StepError, banner, holds, holds_text, put_stored, put_text};
use crate::act::{Journal, PackageChange, Probe, Reversible};
use crate::component::Component;
use crate::facts::installed_packages;
use crate::host::Look;
use crate::packages::{PackageFile, configure, index, is_satisfied};
use crate::state::{below_dir, fixed};

/// Installs Debian packages from the bundle with apt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// Finishes configuring half-configured packages.
///
/// DKMS's hook leaves a kernel package in this state if the old driver's module does not build for
/// it, and apt refuses all work from then on. With a driver that builds, the configuration
/// succeeds. The maintainer scripts then do what an upgrade would have done, so there is nothing to
/// revert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// Keeps the packages of the bundle on the host as a local apt repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KeepRepository {
    /// The format of the apt source.
    pub(crate) style: RepositoryStyle,
    /// The packages in the repository.
    pub(crate) files: Vec<PackageFile>,
}

impl KeepRepository {
    fn folder() -> HostPath {
        fixed("/var/lib/vgpu-offline-repository")
    }

    fn source(&self) -> (HostPath, String) {
        let why = banner("Packages of a bundle whose signatures have been verified.");
        let folder = Self::folder();
        match self.style {
            RepositoryStyle::Deb822 => (
                fixed("/etc/apt/sources.list.d/vgpu-offline.sources"),
                format!("{why}Types: deb\nURIs: file:{folder}\nSuites: ./\nTrusted: yes\n"),
            ),
            RepositoryStyle::List => (
                fixed("/etc/apt/sources.list.d/vgpu-offline.list"),
                format!("{why}deb [trusted=yes] file:{folder} ./\n"),
            ),
        }
    }

    /// Returns the text files: the index and the source.
    fn texts(&self) -> [(HostPath, String); 2] {
        [(below_dir(&Self::folder(), "Packages"), index(&self.files)), self.source()]
    }
}

impl Goal for KeepRepository {
    fn summary(&self) -> String {
        format!(
            "set up a local apt repository with {} packages in {}",
            self.files.len(),
            Self::folder()
        )
    }

    fn why(&self) -> String {
        "The bundle requests a local repository, so that `apt install` also works later without \
         a network."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        for file in &self.files {
            let path = below_dir(&Self::folder(), &file.file_name());
            if !holds(look, &path, file.content, Mode::FILE)? {
                return Ok(false);
            }
        }
        for (path, text) in &self.texts() {
            if !holds_text(look, path, text)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        for file in &self.files {
            let path = below_dir(&Self::folder(), &file.file_name());
            put_stored(journal, &path, file.content, Mode::FILE)?;
        }
        let texts = self.texts();
        texts.iter().try_for_each(|(path, text)| put_text(journal, path, text))
    }

    fn component(&self) -> Component {
        Component::Packages
    }
}
