//! Pinning the boot kernel with Proxmox VE's own tool.
//!
//! `proxmox-boot-tool kernel pin` writes one line, and on a host that boots with plain GRUB a
//! drop-in as well. Nothing else depends on these files: a revert restores them, and rebuilds the
//! boot loader configuration.

use vgpu_manifest::platform::KernelRelease;

use super::{Probe, Reversible};
use crate::host::Command;
use crate::journal::Scope;
use crate::kernel::pin::{GRUB, PIN, PIN_NEXT, TOOL};
use crate::state::fixed;

/// Returns the command that pins the host to `kernel`.
pub(crate) fn pin(kernel: &KernelRelease) -> Reversible {
    reversible(Command::new(TOOL, &["kernel", "pin", kernel.as_str()]))
}

/// Returns the command that lets the host boot the newest kernel again.
pub(crate) fn unpin() -> Reversible {
    reversible(Command::new(TOOL, &["kernel", "unpin"]))
}

/// An interrupted run may have written one of the files and not the other; the step that needs the
/// pin then sets it again.
fn reversible(command: Command) -> Reversible {
    Reversible {
        recover: vec![Command::new(TOOL, &["kernel", "unpin"])],
        scope: Scope { small: [PIN, PIN_NEXT, GRUB].map(fixed).into(), ..Scope::default() },
        ..Reversible::new(command, Probe::Exists(fixed(PIN)))
    }
}
