use vgpu_manifest::inventory::PackageName;

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
