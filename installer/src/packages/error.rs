use vgpu_manifest::inventory::PackageName;

use crate::host::HostError;

/// Packages could not be installed or taken back. Nothing was changed unless the host says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The host, or one of its tools, refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// apt sees no way.
    #[error("apt cannot satisfy the request; nothing was changed:\n{0}")]
    NoWay(String),
    /// apt said something that this program does not understand.
    #[error("cannot parse the output of `apt-get --simulate`: `{}`", .0.escape_debug())]
    Unclear(String),
    /// Something would go that has to stay.
    #[error(
        "apt would also remove {}; nothing was changed; a package that needs it was installed since, or the bundle was made for another node",
        names(.0)
    )]
    Removes(Vec<PackageName>),
    /// Something would come that the bundle does not name.
    #[error("apt would also install or change {}, which the bundle does not name; nothing was changed", names(.0))]
    Extra(Vec<PackageName>),
    /// The metapackage of Proxmox VE would be touched.
    #[error("apt would change `proxmox-ve`, which is never touched; nothing was changed")]
    ProxmoxVe,
}

fn names(list: &[PackageName]) -> String {
    let names: Vec<_> = list.iter().map(|name| format!("`{}`", name.as_str())).collect();
    names.join(", ")
}
