//! Pinning the boot kernel, in the files of Proxmox VE's own tool or of GRUB.
//!
//! `proxmox-boot-tool kernel pin` writes one line to a file. Everything else that it does follows
//! from that line, and is rebuilt with the other derived state at the end of a phase and after a
//! revert: GRUB's drop-in, the boot menus, and apt's list of kernels to keep.

use vgpu_manifest::Mode;
use vgpu_manifest::platform::KernelRelease;

use super::{Journal, Probe, Reversible};
use crate::facts::grub_entry;
use crate::host::{Command, HostError, Look, Meta};
use crate::journal::JournalError;
use crate::kernel::pin::{DROP_IN, GRUB_BLOCK, PIN, PIN_NEXT, has_tool};
use crate::state::fixed;

/// The means by which a host can be pinned to a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PinMeans {
    /// The file of `proxmox-boot-tool`.
    Tool,
    /// A drop-in that selects this entry of GRUB's menu, on a host without the tool.
    Grub(String),
}

impl PinMeans {
    /// Returns the means to pin `kernel`; `None` if the host has neither the tool nor an entry for the
    /// kernel in GRUB's menu.
    pub(crate) fn of(look: &dyn Look, kernel: &KernelRelease) -> Result<Option<Self>, HostError> {
        Ok(if has_tool(look)? {
            Some(Self::Tool)
        } else {
            grub_entry(look, kernel).map(Self::Grub)
        })
    }

    /// Checks whether `kernel` is pinned by these means.
    pub(crate) fn hold(&self, look: &dyn Look, kernel: &KernelRelease) -> Result<bool, HostError> {
        let (path, text) = self.file(kernel);
        let is = look.text(&fixed(path))?;
        Ok(is.is_some_and(|is| is.trim_end() == text.trim_end()))
    }

    fn file(&self, kernel: &KernelRelease) -> (&'static str, String) {
        match self {
            Self::Tool => (PIN, format!("{}\n", kernel.as_str())),
            Self::Grub(entry) => (
                DROP_IN,
                format!(
                    "# The kernel that this vGPU host boots; without this file, the newest one.\n\
                     # Written by vgpu-installer; `vgpu-installer revert` restores the previous state.\n\
                     GRUB_DEFAULT=\"{entry}\"\n"
                ),
            ),
        }
    }
}

/// Pins the host to `kernel`.
pub(crate) fn pin(
    journal: &mut Journal<'_>,
    kernel: &KernelRelease,
    means: &PinMeans,
) -> Result<(), JournalError> {
    let (path, text) = means.file(kernel);
    journal.put_bytes(&fixed(path), text.as_bytes(), Meta::root(Mode::FILE))
}

/// Selects `kernel` for the next boot only.
///
/// `proxmox-boot-cleanup.service` ends the selection after a boot that succeeded, whatever its kernel;
/// GRUB itself ends it before it starts the kernel.
pub(crate) fn boot_once(
    journal: &mut Journal<'_>,
    kernel: &KernelRelease,
    means: &PinMeans,
) -> Result<(), JournalError> {
    match means {
        PinMeans::Tool => {
            let line = format!("{}\n", kernel.as_str());
            journal.put_bytes(&fixed(PIN_NEXT), line.as_bytes(), Meta::root(Mode::FILE))
        }
        PinMeans::Grub(entry) => journal.act(Reversible {
            undo: Some(Command::new("grub-editenv", &[GRUB_BLOCK, "unset", "next_entry"])),
            ..Reversible::new(
                Command::new("grub-reboot", &[entry.as_str()]),
                Probe::Exists(fixed(GRUB_BLOCK)),
            )
        }),
    }
}

/// Lets the host boot the newest kernel again.
pub(crate) fn unpin(journal: &mut Journal<'_>) -> Result<(), JournalError> {
    [PIN, PIN_NEXT, DROP_IN].into_iter().try_for_each(|path| journal.remove(&fixed(path)))
}
