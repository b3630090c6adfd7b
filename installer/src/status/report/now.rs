//! The current state of packages and modules, by name.

use std::collections::BTreeSet;

use serde::Serialize;
use vgpu_manifest::inventory::{PackageName, PackageState, PackageVersion};

use crate::driver::{Build, BuildState, status};
use crate::facts::installed_packages;
use crate::host::{HostError, Look};
use crate::step::Step;

/// A package that a bundle installed or required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PackageNow {
    /// The unit name.
    pub(crate) package: PackageName,
    /// Its version and state; `None` if it is not installed.
    pub(crate) is: Option<PackageIs>,
}

/// The state of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PackageIs {
    pub(crate) version: PackageVersion,
    pub(crate) state: PackageState,
}

/// A DKMS module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ModuleNow {
    /// Name, version and kernel, such as `nvidia/550.163.02, 6.8.12-4-pve`.
    pub(crate) name: String,
    /// The DKMS state.
    pub(crate) state: BuildState,
}

/// Returns the packages of these steps, sorted by name.
pub(super) fn packages(look: &dyn Look, steps: &[&Step]) -> Result<Vec<PackageNow>, HostError> {
    let mut names = BTreeSet::new();
    for step in steps {
        if let Step::InstallPackages(step) = step {
            names.extend(step.files.iter().map(|file| file.name.clone()));
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let installed = installed_packages(look)?;
    let now = |package: PackageName| {
        let is = installed.iter().find(|is| is.name == package);
        let is = is.map(|is| PackageIs { version: is.version.clone(), state: is.state });
        PackageNow { package, is }
    };
    Ok(names.into_iter().map(now).collect())
}

/// Returns the DKMS builds of the driver, if these steps install one.
pub(super) fn modules(look: &dyn Look, steps: &[&Step]) -> Result<Vec<ModuleNow>, HostError> {
    if !steps.iter().any(|step| matches!(step, Step::InstallDriver(_))) {
        return Ok(Vec::new());
    }
    let now = |build: Build| {
        let kernel = build.kernel.map(|kernel| format!(", {kernel}")).unwrap_or_default();
        let name = format!("{}/{}{kernel}", build.module, build.version);
        ModuleNow { name, state: build.state }
    };
    let mut modules: Vec<_> = status(look)?.unwrap_or_default().into_iter().map(now).collect();
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(modules)
}
