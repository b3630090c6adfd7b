//! Pinning the boot kernel in the files of Proxmox VE's own tool.
//!
//! `proxmox-boot-tool kernel pin` writes one line to a file. Everything else that it does follows
//! from that line, and is rebuilt with the other derived state at the end of a phase and after a
//! revert: GRUB's drop-in, the boot menus, and apt's list of kernels to keep.

use std::io;

use vgpu_manifest::Mode;
use vgpu_manifest::platform::KernelRelease;

use super::Journal;
use crate::host::{Command, HostError, Look, Meta};
use crate::journal::JournalError;
use crate::kernel::pin::{PIN, PIN_NEXT, TOOL, has_tool};
use crate::state::fixed;

/// Pins the host to `kernel`.
///
/// # Errors
///
/// The host has no `proxmox-boot-tool`, so that nothing would read the pin.
pub(crate) fn pin(journal: &mut Journal<'_>, kernel: &KernelRelease) -> Result<(), JournalError> {
    check_tool(journal.look())?;
    let line = format!("{}\n", kernel.as_str());
    journal.put_bytes(&fixed(PIN), line.as_bytes(), Meta::root(Mode::FILE))
}

/// Lets the host boot the newest kernel again.
pub(crate) fn unpin(journal: &mut Journal<'_>) -> Result<(), JournalError> {
    journal.remove(&fixed(PIN))?;
    journal.remove(&fixed(PIN_NEXT))
}

fn check_tool(look: &dyn Look) -> Result<(), HostError> {
    let runs_commands = look.query(&Command::new("true", &[]))?.is_some();
    if !runs_commands || has_tool(look)? {
        return Ok(());
    }
    let command = Command::new(TOOL, &["refresh"]);
    Err(HostError::Start { command, source: io::ErrorKind::NotFound.into() })
}
