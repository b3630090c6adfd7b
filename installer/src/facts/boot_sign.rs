//! Evidence of the boot loader that a machine uses.

use std::collections::BTreeSet;

use vgpu_manifest::inventory::{LoaderEvidence, LoaderSign};
use vgpu_manifest::platform::{BootLoader, Firmware};

use super::boot::variable;
use super::efi;
use super::reader::Reader;

/// Files in an EFI system partition that are specific to one boot loader.
const ESP_FILES: [(&str, BootLoader); 5] = [
    ("/boot/efi/EFI/proxmox/grubx64.efi", BootLoader::Grub),
    ("/boot/efi/EFI/proxmox/shimx64.efi", BootLoader::Grub),
    ("/boot/efi/EFI/debian/grubx64.efi", BootLoader::Grub),
    ("/boot/efi/EFI/debian/shimx64.efi", BootLoader::Grub),
    ("/boot/efi/EFI/systemd/systemd-bootx64.efi", BootLoader::SystemdBoot),
];

/// Returns all evidence, the strongest first.
pub(super) fn evidence(reader: &Reader<'_>, firmware: Firmware) -> Vec<LoaderEvidence> {
    let mut found = BTreeSet::new();
    let mut add = |sign, loader| _ = found.insert(LoaderEvidence { sign, loader });
    let info = variable(reader, "LoaderInfo", efi::LOADER);
    if let Some(loader) = info.and_then(|info| by_name(&efi::text(&info))) {
        add(LoaderSign::LoaderInfo, loader);
    }
    if let Some(loader) = booted_file(reader).and_then(|file| by_file(&file)) {
        add(LoaderSign::BootEntry, loader);
    }
    for (path, loader) in ESP_FILES {
        if reader.exists(path) {
            add(LoaderSign::EspFile, loader);
        }
    }
    if firmware == Firmware::Bios {
        add(LoaderSign::LegacyBios, BootLoader::Grub);
    }
    if reader.exists("/boot/grub/grub.cfg") {
        add(LoaderSign::GrubConfig, BootLoader::Grub);
    }
    found.into_iter().collect()
}

/// Returns the file of the entry that the firmware booted.
fn booted_file(reader: &Reader<'_>) -> Option<String> {
    let current = variable(reader, "BootCurrent", efi::GLOBAL)?;
    let number = u16::from_le_bytes(*current.first_chunk()?);
    efi::file_of_entry(&variable(reader, &format!("Boot{number:04X}"), efi::GLOBAL)?)
}

/// Returns the boot loader with this identification; GRUB sets one since 2.12.
fn by_name(name: &str) -> Option<BootLoader> {
    if name.starts_with("systemd-boot ") {
        Some(BootLoader::SystemdBoot)
    } else {
        name.starts_with("GRUB ").then_some(BootLoader::Grub)
    }
}

/// Returns the boot loader that has such a file; shim loads GRUB on Debian and Proxmox VE. The
/// fallback name `BOOTX64.EFI` is not specific to any.
fn by_file(file: &str) -> Option<BootLoader> {
    let file = file.rsplit('\\').next().unwrap_or_default();
    let is = |name: &str| file.eq_ignore_ascii_case(name);
    if is("systemd-bootx64.efi") {
        Some(BootLoader::SystemdBoot)
    } else {
        (is("grubx64.efi") || is("shimx64.efi")).then_some(BootLoader::Grub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_are_known_by_name_and_file() {
        assert_eq!(by_name("systemd-boot 252.36-1~deb12u1"), Some(BootLoader::SystemdBoot));
        assert_eq!(by_name("GRUB 2.12"), Some(BootLoader::Grub));
        assert_eq!(by_name("rEFInd"), None);
        assert_eq!(by_file("\\EFI\\proxmox\\SHIMX64.EFI"), Some(BootLoader::Grub));
        assert_eq!(by_file("\\EFI\\systemd\\systemd-bootx64.efi"), Some(BootLoader::SystemdBoot));
        assert_eq!(by_file("\\EFI\\BOOT\\BOOTX64.EFI"), None);
    }
}
