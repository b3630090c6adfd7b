use std::collections::BTreeSet;

use vgpu_manifest::inventory::{Boot, EnrolledKey, KeyStore, Lockdown};
use vgpu_manifest::platform::{BootLoader, BootSync, Firmware, SecureBoot};
use vgpu_manifest::{Digest, KernelWord};

use super::boot_sign::evidence;
use super::efi;
use super::reader::Reader;
use crate::kernel::pin::ESPS;

const EFI: &str = "/sys/firmware/efi";
const CMDLINE: &str = "/proc/cmdline";

/// Returns how the machine boots.
pub(super) fn look(reader: &Reader<'_>) -> Boot {
    let firmware = firmware(reader);
    let evidence = evidence(reader, firmware);
    Boot {
        firmware,
        loader: evidence.first().map(|sign| sign.loader),
        evidence,
        sync: sync(reader),
        secure_boot: secure_boot(reader),
        lockdown: reader.text("/sys/kernel/security/lockdown").and_then(|text| lockdown(&text)),
        keys: keys(reader),
        dkms_key: reader.bytes("/var/lib/dkms/mok.pub").map(|der| Digest::of(&der)),
        words: reader.short(CMDLINE, words(&reader.text(CMDLINE).unwrap_or_default())),
    }
}

fn firmware(reader: &Reader<'_>) -> Firmware {
    if reader.is_dir(EFI) { Firmware::Uefi } else { Firmware::Bios }
}

/// Returns the boot loader, by the strongest evidence.
pub(super) fn loader(reader: &Reader<'_>) -> Option<BootLoader> {
    evidence(reader, firmware(reader)).first().map(|sign| sign.loader)
}

/// Returns the way in which the boot loader's files reach the firmware.
pub(super) fn sync(reader: &Reader<'_>) -> BootSync {
    let managed = reader.text(ESPS).is_some_and(|text| has_lines(&text));
    if managed { BootSync::ProxmoxBootTool } else { BootSync::Direct }
}

/// Returns the path of an EFI variable.
pub(super) fn variable_path(name: &str, namespace: &str) -> String {
    format!("{EFI}/efivars/{name}-{namespace}")
}

/// Returns the value of an EFI variable.
pub(super) fn variable(reader: &Reader<'_>, name: &str, namespace: &str) -> Option<Vec<u8>> {
    let path = variable_path(name, namespace);
    let file = reader.bytes(&path)?;
    let value = efi::value(&file).ok_or("too short for an EFI variable");
    reader.understood(&path, value).map(<[u8]>::to_vec)
}

/// Returns the Secure Boot state as the kernel derives it: signatures are not enforced in setup
/// mode, nor if validation is disabled in shim.
pub(super) fn secure_boot(reader: &Reader<'_>) -> SecureBoot {
    let is_set = |name, namespace| Some(*variable(reader, name, namespace)?.first()? == 1);
    match is_set("SecureBoot", efi::GLOBAL) {
        None => SecureBoot::Unsupported,
        Some(true)
            if is_set("SetupMode", efi::GLOBAL) != Some(true)
                && is_set("MokSBStateRT", efi::SHIM) != Some(true) =>
        {
            SecureBoot::Enabled
        }
        Some(_) => SecureBoot::Disabled,
    }
}

fn keys(reader: &Reader<'_>) -> Vec<EnrolledKey> {
    let stores = [
        (KeyStore::Pk, "PK", efi::GLOBAL),
        (KeyStore::Kek, "KEK", efi::GLOBAL),
        (KeyStore::Db, "db", efi::SECURITY),
        (KeyStore::Mok, "MokListRT", efi::SHIM),
    ];
    let mut keys = BTreeSet::new();
    for (store, name, namespace) in stores {
        let Some(lists) = variable(reader, name, namespace) else { continue };
        let path = variable_path(name, namespace);
        let found = efi::certificates(&lists).ok_or("inconsistent sizes");
        let found = reader.understood(&path, found).unwrap_or_default();
        keys.extend(found.into_iter().map(|fingerprint| EnrolledKey { store, fingerprint }));
    }
    reader.short(EFI, keys)
}

/// Returns the level in brackets: `none [integrity] confidentiality`.
fn lockdown(text: &str) -> Option<Lockdown> {
    match text.split_once('[')?.1.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

/// Checks whether a file has any lines besides comments.
fn has_lines(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The kernel parameters that concern devices; no others are recorded.
const WORDS: [&str; 24] = [
    "amd_iommu",
    "efi",
    "efifb",
    "initcall_blacklist",
    "intel_iommu",
    "iommu",
    "iommu.passthrough",
    "iommu.strict",
    "lockdown",
    "module_blacklist",
    "modprobe.blacklist",
    "module.sig_enforce",
    "nomodeset",
    "nouveau.blacklist",
    "nouveau.modeset",
    "nvidia.NVreg_EnableGpuFirmware",
    "pci",
    "pcie_acs_override",
    "rd.driver.blacklist",
    "simplefb",
    "vfio-pci.disable_vga",
    "vfio-pci.ids",
    "vfio_iommu_type1.allow_unsafe_interrupts",
    "video",
];

fn words(cmdline: &str) -> Vec<KernelWord> {
    let words = cmdline.split_whitespace();
    let about_devices = |word: &&str| WORDS.contains(&word.split('=').next().unwrap_or_default());
    words.filter(about_devices).filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_words_about_devices_leave_the_node() {
        let cmdline = "BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro secret=x intel_iommu=on iommu=pt video=\"a b\"\n";
        let words: Vec<_> = words(cmdline).iter().map(ToString::to_string).collect();
        assert_eq!(words, ["intel_iommu=on", "iommu=pt"]);
    }

    #[test]
    fn the_level_of_lockdown_is_the_one_in_brackets() {
        assert_eq!(lockdown("none [integrity] confidentiality\n"), Some(Lockdown::Integrity));
        assert_eq!(lockdown("[none] integrity confidentiality\n"), Some(Lockdown::None));
        assert_eq!(lockdown("none integrity"), None);
    }

    #[test]
    fn comments_list_no_esp() {
        assert!(!has_lines("# none\n\n"));
        assert!(has_lines("# one\nABCD-1234\n"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            lockdown(&text);
            words(&text);
            has_lines(&text);
        }
    }
}
