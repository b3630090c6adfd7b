//! Simulated nodes: folders that look to a program like the root of a Proxmox VE host.
//!
//! Each has the files that the installer reads and writes, and little else: sysfs and procfs as the
//! kernel lays them out, with its symlinks, EFI variables, dpkg's status, apt's sources, kernels,
//! boot loader files. GPUs have the ids of `pci.ids`; addresses, sizes and other devices are
//! invented.

mod debian;
mod efi;
mod kernels;
mod machines;
mod pci;
mod root;
mod script;

use std::io;

use camino::Utf8Path;

pub use self::root::Root;

/// A simulated node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// PVE 8, Intel, UEFI and GRUB, an unused Tesla T4: the node of the demo.
    TeslaT4,
    /// PVE 8, AMD, UEFI and GRUB, a Tesla P4.
    TeslaP4,
    /// PVE 7, Intel, legacy BIOS, the IOMMU off, two Tesla P40.
    TwoP40,
    /// PVE 9, AMD, UEFI and systemd-boot with a ZFS root, an A40 with its virtual functions.
    A40,
    /// PVE 8, Intel, UEFI and GRUB, an RTX 2080 Ti with its four functions in one IOMMU group.
    Rtx2080Ti,
    /// PVE 8, Intel with an integrated GPU, a GTX 1080 bound to nouveau.
    Gtx1080WithIgpu,
    /// PVE 9, AMD, UEFI and GRUB under Secure Boot, an L40S, an enrolled DKMS key.
    L40s,
    /// A virtual machine without PVE, legacy BIOS, an H200 passed through to it.
    H200InVm,
    /// PVE 8, Intel, UEFI and systemd-boot with a ZFS root, an A2, and a GT 710 for the console.
    A2AndGt710,
    /// PVE 8, AMD, only the display of a management controller.
    NoGpu,
    /// PVE 8 as the Bash script leaves it: unlocked RTX 2080 SUPER, pinned kernel, license server.
    ScriptLeftovers,
}

impl Node {
    /// Every node.
    pub const ALL: [Self; 11] = [
        Self::TeslaT4,
        Self::TeslaP4,
        Self::TwoP40,
        Self::A40,
        Self::Rtx2080Ti,
        Self::Gtx1080WithIgpu,
        Self::L40s,
        Self::H200InVm,
        Self::A2AndGt710,
        Self::NoGpu,
        Self::ScriptLeftovers,
    ];

    /// Returns a name for folders and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TeslaT4 => "tesla-t4",
            Self::TeslaP4 => "tesla-p4",
            Self::TwoP40 => "two-p40",
            Self::A40 => "a40",
            Self::Rtx2080Ti => "rtx-2080-ti",
            Self::Gtx1080WithIgpu => "gtx-1080-with-igpu",
            Self::L40s => "l40s",
            Self::H200InVm => "h200-in-vm",
            Self::A2AndGt710 => "a2-and-gt-710",
            Self::NoGpu => "no-gpu",
            Self::ScriptLeftovers => "script-leftovers",
        }
    }

    /// Writes the node's root into a folder, which is created if necessary.
    pub fn write(self, folder: &Utf8Path) -> io::Result<()> {
        machines::write(self, &mut Root::new(folder)?)
    }
}
