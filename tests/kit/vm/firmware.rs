use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::scratch::expect;

/// The firmware of a machine, and with it the layout of its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// `SeaBIOS`, which starts the boot sector.
    Bios,
    /// OVMF with Microsoft's keys, which starts only signed programs, from an EFI system partition:
    /// Debian's shim is one.
    SecureBoot,
}

/// The size of a disk: enough for a node with packages and drivers. The file is sparse.
pub(super) const SIZE: u64 = 8 << 30;

/// The start of the root's partition, the first one, behind the space for GRUB.
pub(super) const START: u64 = 1 << 20;

/// The size of the EFI system partition, the second one: enough for two kernels.
const ESP: u64 = 256 << 20;

/// The start of the EFI system partition, before the backup of the partition table.
pub(super) const ESP_START: u64 = SIZE - START - ESP;

/// The unit of partition tables.
pub(super) const SECTOR: u64 = 512;

impl Firmware {
    /// Checks whether the disk has an EFI system partition.
    pub(super) fn has_esp(self) -> bool {
        self != Self::Bios
    }

    /// Returns the size of the root's partition.
    pub(super) fn root_size(self) -> u64 {
        if self.has_esp() { ESP_START - START } else { SIZE - START }
    }

    /// Returns the input of `sfdisk` that partitions a disk.
    pub(super) fn table(self) -> String {
        let [start, size] = [START, self.root_size()].map(|bytes| bytes / SECTOR);
        if self.has_esp() {
            let [esp, esp_size] = [ESP_START, ESP].map(|bytes| bytes / SECTOR);
            format!(
                "label: gpt\nstart={start}, size={size}, type=linux\n\
                 start={esp}, size={esp_size}, type=uefi\n"
            )
        } else {
            format!("label: dos\nstart={start}, size={size}, type=linux, bootable\n")
        }
    }

    /// Creates an empty file system in the EFI system partition of a raw image.
    pub(super) fn format_esp(self, raw: &Utf8Path) {
        if self.has_esp() {
            let mut mformat = Command::new("mformat");
            mformat.args(["-i", &format!("{raw}@@{ESP_START}"), "-F", "-v", "ESP"]);
            mformat.args(["-T", &(ESP / SECTOR).to_string(), "-h", "64", "-s", "32", "::"]);
            expect(mformat, 0);
        }
    }

    /// Returns the program of the firmware and its variables before the first boot, of Debian's
    /// package `ovmf` in `root`.
    pub(super) fn files(self, root: &Utf8Path) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
        let (code, variables) = match self {
            Self::Bios => return None,
            Self::SecureBoot => ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"),
        };
        let folder = root.join("usr/share/OVMF");
        Some((folder.join(code), folder.join(variables)))
    }
}
