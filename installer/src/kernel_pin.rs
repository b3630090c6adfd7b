//! Holding the host at a kernel, by Proxmox VE's own tool.
//!
//! `proxmox-boot-tool kernel pin` writes one line, and on a host that boots by plain GRUB a drop-in as
//! well. These files are all of it: a revert puts them back as they were, and rebuilds what the boot
//! loader reads.

use vgpu_manifest::inventory::Name;
use vgpu_manifest::platform::{KernelRelease, KernelSeries};

use crate::host::{Command, HostError, Look};
use crate::journal::{Probe, Reversible, Scope};
use crate::state::fixed;

const TOOL: &str = "proxmox-boot-tool";

/// Where the tool keeps the kernel of every boot.
pub(crate) const PIN: &str = "/etc/kernel/proxmox-boot-pin";
/// Where it keeps the kernel of the next boot only.
pub(crate) const PIN_NEXT: &str = "/etc/kernel/next-boot-pin";
/// Where it tells GRUB, if no ESPs are managed.
const GRUB: &str = "/etc/default/grub.d/proxmox-kernel-pin.cfg";
/// The list of the ESPs that it manages.
pub(crate) const ESPS: &str = "/etc/kernel/proxmox-boot-uuids";

/// The first kernel whose ZFS imports whatever a pool can have, as `zfs-2.4` in the catalogue says.
const READS_ALL_POOLS: KernelSeries = KernelSeries::new(7, 0);

/// What a pool may have from `OpenZFS` 2.4 on, and older kernels cannot import.
const FEATURE: &str = "feature@block_cloning_endian";

/// Hold the host at `kernel`.
pub(crate) fn pin(kernel: &KernelRelease) -> Reversible {
    reversible(Command::new(TOOL, &["kernel", "pin", kernel.as_str()]))
}

/// Let it boot the newest again.
pub(crate) fn unpin() -> Reversible {
    reversible(Command::new(TOOL, &["kernel", "unpin"]))
}

/// Cut short, it may have written one file and not the other; then whoever needs the pin sets it again.
fn reversible(command: Command) -> Reversible {
    Reversible {
        command,
        probe: Probe::Exists(fixed(PIN)),
        recover: vec![Command::new(TOOL, &["kernel", "unpin"])],
        undo: None,
        scope: Scope { small: [PIN, PIN_NEXT, GRUB].map(fixed).into(), ..Scope::default() },
    }
}

/// Whether `kernel` can import a root pool; asked of the pool itself, because no file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imports {
    /// It can, or commands do not run here.
    Yes,
    /// The pool has, or may have at any time, what it cannot read.
    No,
    /// The pool does not say.
    Unknown,
}

/// Ask the pool.
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
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Ok(match said[0].trim() {
        "disabled" | "-" => Imports::Yes,
        // What is enabled becomes active by itself.
        "enabled" | "active" => Imports::No,
        // A ZFS that does not know the feature has no pool with it.
        "" if !output.succeeded() && said[1].contains("invalid property") => Imports::Yes,
        _ => Imports::Unknown,
    })
}
