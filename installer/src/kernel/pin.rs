//! Files of a kernel pin, and the check whether a kernel can import the root pool.

use vgpu_manifest::inventory::Name;
use vgpu_manifest::platform::{KernelRelease, KernelSeries};

use crate::host::{Command, HostError, Look};

/// Proxmox VE's tool for boot loaders and kernels.
pub(crate) const TOOL: &str = "proxmox-boot-tool";

/// The tool's file with the pinned kernel.
pub(crate) const PIN: &str = "/etc/kernel/proxmox-boot-pin";
/// The tool's file with the kernel of the next boot only.
pub(crate) const PIN_NEXT: &str = "/etc/kernel/next-boot-pin";
/// The tool's drop-in for GRUB, used if it manages no ESPs.
pub(crate) const GRUB: &str = "/etc/default/grub.d/proxmox-kernel-pin.cfg";
/// The tool's list of managed ESPs.
pub(crate) const ESPS: &str = "/etc/kernel/proxmox-boot-uuids";

/// The first kernel whose ZFS imports a pool with any feature; see `zfs-2.4` in the catalog.
const READS_ALL_POOLS: KernelSeries = KernelSeries::new(7, 0);

/// A pool feature of `OpenZFS` 2.4, which prevents older kernels from importing the pool.
const FEATURE: &str = "feature@block_cloning_endian";

/// Whether a kernel can import the root pool. Only the pool itself has this information; no file
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imports {
    /// It can, or commands do not run here.
    Yes,
    /// The pool uses, or may activate at any time, a feature that the kernel does not support.
    No,
    /// The state of the pool could not be read.
    Unknown,
}

/// Checks whether `kernel` can import the pool.
pub(crate) fn imports(
    look: &dyn Look,
    kernel: &KernelRelease,
    pool: &Name,
) -> Result<Imports, HostError> {
    if kernel.series() >= READS_ALL_POOLS {
        return Ok(Imports::Yes);
    }
    let words = ["get", "-H", "-o", "value", FEATURE, pool.as_str()];
    let output = match look.query(&Command::new("zpool", &words)) {
        Err(HostError::Start { .. }) => return Ok(Imports::Unknown),
        Err(error) => return Err(error),
        Ok(None) => return Ok(Imports::Yes),
        Ok(Some(output)) => output,
    };
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Ok(match texts[0].trim() {
        "disabled" | "-" => Imports::Yes,
        // ZFS activates an enabled feature on its first use.
        "enabled" | "active" => Imports::No,
        // A ZFS release without the feature cannot have a pool with it.
        "" if !output.succeeded() && texts[1].contains("invalid property") => Imports::Yes,
        _ => Imports::Unknown,
    })
}
