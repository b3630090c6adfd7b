//! The Debian packages that a driver needs, and where each one is.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::inventory::{Inventory, KernelPart, Package, PackageState};
use vgpu_manifest::package::PackageReason;
use vgpu_manifest::platform::KernelRelease;
use vgpu_manifest::verdict::Suitability;
use vgpu_manifest::{Kind, Manifest};

/// A package that the driver needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Requirement {
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) place: Place,
}

/// Where a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// Installed on the node.
    OnNode,
    /// In the bundle, which installs it.
    InBundle,
    /// In neither.
    Missing,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnNode => "on the node",
            Self::InBundle => "in the bundle",
            Self::Missing => "missing",
        })
    }
}

impl Requirement {
    pub(crate) fn is_missing(&self) -> bool {
        self.place == Place::Missing
    }
}

/// Returns the packages that the verdicts require on `kernel`; none if the bundle brings no driver.
///
/// A node whose dpkg status has no package is not a Debian host that could be judged.
pub(super) fn requirements(
    suitability: &Suitability<'_>,
    manifest: &Manifest,
    node: &Inventory,
    kernel: Option<&KernelRelease>,
) -> Vec<Requirement> {
    let brings = manifest.records(Kind::driver).any(|(_, it)| it.kind == DriverKind::Host);
    if node.packages.is_empty() || !brings {
        return Vec::new();
    }
    let suitable = suitability.gpus.iter().filter_map(|gpu| gpu.verdict.suitable());
    let names: BTreeSet<&String> = suitable.flat_map(|suitable| &suitable.packages).collect();
    let place = |name: &str| {
        if is_on_node(name, node, kernel) {
            Place::OnNode
        } else if is_in_bundle(name, manifest) {
            Place::InBundle
        } else {
            Place::Missing
        }
    };
    names.into_iter().map(|name| Requirement { name: name.clone(), place: place(name) }).collect()
}

/// Headers count by their files, because hosts also have them from packages of other names.
fn is_on_node(name: &str, node: &Inventory, kernel: Option<&KernelRelease>) -> bool {
    let has_headers = |kernel: &KernelRelease| {
        let mut installed = node.kernels.installed.iter();
        installed.any(|it| it.release == *kernel && it.has.contains(&KernelPart::Headers))
    };
    let are_headers = |kernel: &&KernelRelease| name.ends_with(&format!("-headers-{kernel}"));
    let is_installed =
        |it: &Package| it.name.as_str() == name && it.state != PackageState::ConfigFiles;
    node.packages.iter().any(is_installed) || kernel.filter(are_headers).is_some_and(has_headers)
}

/// A package that is only kept for a revert is not installed.
fn is_in_bundle(name: &str, manifest: &Manifest) -> bool {
    let mut packages = manifest.records(Kind::package);
    packages.any(|(_, it)| it.name.as_str() == name && it.reason != PackageReason::Return)
}
