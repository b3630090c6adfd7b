//! What is there of packages, and what is still wanted.

use vgpu_manifest::inventory::{Package, PackageName, PackageState};
use vgpu_manifest::package::PackageReason;

use super::PackageFile;
use super::version::compare;

/// The package of this name, if dpkg knows one.
pub(crate) fn find<'p>(packages: &'p [Package], name: &PackageName) -> Option<&'p Package> {
    packages.iter().find(|package| package.name == *name)
}

/// Whether it is there and works, in this version or a later one.
fn is_there(packages: &[Package], file: &PackageFile) -> bool {
    let settled =
        [PackageState::Installed, PackageState::TriggersAwaited, PackageState::TriggersPending];
    find(packages, &file.name).is_some_and(|package| {
        settled.contains(&package.state) && compare(&package.version, &file.version).is_ge()
    })
}

/// The packages that were asked for and are not there.
pub(crate) fn lacking<'f>(packages: &[Package], files: &'f [PackageFile]) -> Vec<&'f PackageFile> {
    let requested = files.iter().filter(|file| file.reason == PackageReason::Requested);
    requested.filter(|file| !is_there(packages, file)).collect()
}

/// Whether nothing is lacking, and nothing that we brought is half done.
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
