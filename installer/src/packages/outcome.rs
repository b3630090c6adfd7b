//! Installed packages, compared with the requested ones.

use vgpu_manifest::inventory::{Package, PackageName, PackageState};
use vgpu_manifest::package::PackageReason;

use super::PackageFile;

/// Returns the package of this name, if dpkg has a record of it.
pub(crate) fn find<'p>(packages: &'p [Package], name: &PackageName) -> Option<&'p Package> {
    packages.iter().find(|package| package.name == *name)
}

/// Checks whether it is installed and configured, in this version or a later one.
fn is_there(packages: &[Package], file: &PackageFile) -> bool {
    let settled =
        [PackageState::Installed, PackageState::TriggersAwaited, PackageState::TriggersPending];
    find(packages, &file.name).is_some_and(|package| {
        settled.contains(&package.state) && package.version.compare(&file.version).is_ge()
    })
}

/// Returns the requested packages that are missing.
pub(crate) fn lacking<'f>(packages: &[Package], files: &'f [PackageFile]) -> Vec<&'f PackageFile> {
    let requested = files.iter().filter(|file| file.reason == PackageReason::Requested);
    requested.filter(|file| !is_there(packages, file)).collect()
}

/// Checks whether no package is missing, and none of the bundle's is half-installed.
pub(crate) fn is_satisfied(packages: &[Package], files: &[PackageFile]) -> bool {
    let half_done = |file: &PackageFile| {
        let is = find(packages, &file.name).filter(|package| package.version == file.version);
        is.is_some_and(|package| {
            matches!(
                package.state,
                PackageState::HalfInstalled | PackageState::Unpacked | PackageState::HalfConfigured
            )
        })
    };
    lacking(packages, files).is_empty() && !files.iter().any(half_done)
}
