//! The files and the tool of a kernel pin, and the check whether a kernel can import the root pool.

use vgpu_manifest::inventory::Name;
use vgpu_manifest::platform::{KernelRelease, KernelSeries};

use crate::host::{Command, HostError, Look};
use crate::state::fixed;

/// Proxmox VE's tool for boot loaders and kernels.
pub(crate) const TOOL: &str = "proxmox-boot-tool";

/// The tool's file with the pinned kernel.
pub(crate) const PIN: &str = "/etc/kernel/proxmox-boot-pin";
/// The tool's file with the kernel of the next boot only.
pub(crate) const PIN_NEXT: &str = "/etc/kernel/next-boot-pin";
/// The tool's list of managed ESPs.
pub(crate) const ESPS: &str = "/etc/kernel/proxmox-boot-uuids";

/// GRUB's environment block, which holds the entry of the next boot.
pub(crate) const GRUB_BLOCK: &str = "/boot/grub/grubenv";

/// GRUB's drop-in that pins a kernel on a host without the tool.
pub(crate) const DROP_IN: &str = "/etc/default/grub.d/vgpu-offline-kernel.cfg";

/// Checks whether the host has the tool.
pub(crate) fn has_tool(look: &dyn Look) -> Result<bool, HostError> {
    for folder in ["/usr/sbin", "/usr/local/sbin"] {
        if look.stat(&fixed(&format!("{folder}/{TOOL}")))?.is_some() {
            return Ok(true);
        }
    }
    Ok(look.stat(&fixed(ESPS))?.is_some())
}

/// Returns the command that derives GRUB's drop-in from the files of the pin, on a host without
/// ESPs; `None` if the pinned kernel is not installed, which the tool refuses.
///
/// The drop-in cannot be restored like a file: with a next-boot pin, `kernel pin X` writes it for
/// the kernel of the next boot, and `proxmox-boot-cleanup.service` later writes it for X.
pub(crate) fn pin_again(look: &dyn Look) -> Result<Option<Command>, HostError> {
    let pinned = |path| -> Result<Option<String>, HostError> {
        let text = look.text(&fixed(path))?.unwrap_or_default();
        let line = text.lines().next().map(str::trim).unwrap_or_default();
        Ok(line.parse::<KernelRelease>().ok().map(|kernel| kernel.as_str().to_owned()))
    };
    let (pin, next) = (pinned(PIN)?, pinned(PIN_NEXT)?);
    let Some(kernel) = pin.as_ref().or(next.as_ref()) else {
        return Ok(Some(Command::new(TOOL, &["kernel", "unpin"])));
    };
    if look.stat(&fixed(&format!("/boot/vmlinuz-{kernel}")))?.is_none() {
        return Ok(None);
    }
    let more: &[&str] = if pin.is_some() { &[] } else { &["--next-boot"] };
    Ok(Some(Command::new(TOOL, &[&["kernel", "pin", kernel], more].concat())))
}

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
