//! Debian packages from the bundle, installed by the host's apt.
//!
//! An undo guarantees less than for files written by this program, and more than a purge:
//! afterwards the same packages are present in the same versions and states, with the same marks.
//! Changes by maintainer scripts are the responsibility of the packages.

pub(crate) mod apt;
mod area;
mod file;
mod simulation;
mod upstream;

pub use self::file::{PackageFile, index};

pub(crate) use self::apt::configure;
pub(crate) use self::area::Area;
pub(crate) use self::simulation::Simulation;
pub(crate) use self::upstream::{Upstream, UpstreamError, Vouched, check_upstream};

use vgpu_manifest::inventory::{Package, PackageName, PackageState};
use vgpu_manifest::package::PackageReason;

use crate::host::HostError;

/// A failure to install or revert packages. Nothing was changed unless the host reports it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PackageError {
    /// The host, or one of its tools, failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// apt finds no solution.
    #[error("apt cannot satisfy the request; nothing was changed:\n{0}")]
    NoWay(String),
    /// apt's output is not recognized.
    #[error("cannot parse the output of `apt-get --simulate`: `{}`", .0.escape_debug())]
    Unclear(String),
    /// A package would be removed that must stay.
    #[error(
        "apt would also remove {}; nothing was changed; a package that needs it was installed since, or the bundle was made for another node",
        names(.0)
    )]
    Removes(Vec<PackageName>),
    /// A package would be installed that the bundle does not name.
    #[error("apt would also install or change {}, which the bundle does not name; nothing was changed", names(.0))]
    Extra(Vec<PackageName>),
    /// The metapackage of Proxmox VE would be changed.
    #[error("apt would change `proxmox-ve`, which is never touched; nothing was changed")]
    ProxmoxVe,
}

fn names(list: &[PackageName]) -> String {
    let names: Vec<_> = list.iter().map(|name| format!("`{}`", name.as_str())).collect();
    names.join(", ")
}

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
