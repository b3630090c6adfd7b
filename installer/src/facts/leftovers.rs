//! Leftovers of the Bash script, of the guide that it automates, and of an earlier passthrough.

use std::collections::BTreeSet;

use camino::Utf8Path;
use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Gpu, Leftover, LeftoverKind};

use super::passthrough;
use super::reader::Reader;

/// Leftovers that are identified by their path.
const PATHS: [(LeftoverKind, &str); 25] = [
    (LeftoverKind::PatchFolder, "/root/vgpu-proxmox"),
    (LeftoverKind::PatchFolder, "/opt/vgpu-proxmox"),
    (LeftoverKind::UnlockFolder, "/opt/vgpu_unlock-rs"),
    (LeftoverKind::UnlockConfig, "/etc/vgpu_unlock"),
    (LeftoverKind::UnlockDropIn, "/etc/systemd/system/nvidia-vgpud.service.d/vgpu_unlock.conf"),
    (LeftoverKind::UnlockDropIn, "/etc/systemd/system/nvidia-vgpu-mgr.service.d/vgpu_unlock.conf"),
    (LeftoverKind::Driver, "/usr/bin/nvidia-uninstall"),
    (LeftoverKind::DkmsTree, "/var/lib/dkms/nvidia"),
    (LeftoverKind::DkmsSigning, "/etc/dkms/framework.conf.d/nvidia-vgpu.conf"),
    (LeftoverKind::UdevRules, "/etc/udev/rules.d/90-vfio-pci.rules"),
    (LeftoverKind::KernelPin, "/etc/kernel/proxmox-boot-pin"),
    (LeftoverKind::NoSubscriptionSource, "/etc/apt/sources.list.d/pve-no-subscription.list"),
    (LeftoverKind::NoSubscriptionSource, "/etc/apt/sources.list.d/pve-no-subscription.sources"),
    (LeftoverKind::NoSubscriptionSource, "/etc/apt/sources.list.d/ceph-no-subscription.list"),
    (LeftoverKind::NoSubscriptionSource, "/etc/apt/sources.list.d/ceph-no-subscription.sources"),
    (LeftoverKind::DisabledSource, "/etc/apt/sources.list.d/pve-enterprise.list.disabled"),
    (LeftoverKind::DisabledSource, "/etc/apt/sources.list.d/ceph.list.disabled"),
    (LeftoverKind::DockerSource, "/etc/apt/sources.list.d/docker.list"),
    (LeftoverKind::DockerSource, "/etc/apt/keyrings/docker.asc"),
    (LeftoverKind::LicenseServer, "/opt/docker/fastapi-dls"),
    (LeftoverKind::LicenseServer, "/root/fastapi-dls/docker-compose.yml"),
    (LeftoverKind::LicenseServer, "/var/lib/docker/volumes/dls-db"),
    (LeftoverKind::Rustup, "/root/.cargo"),
    (LeftoverKind::Rustup, "/root/.rustup"),
    (LeftoverKind::GnuPatch, "/usr/local/bin/patch"),
];

/// Leftovers that are single lines in regular configuration files.
const LINES: [(LeftoverKind, &str, Test); 5] = [
    (LeftoverKind::ModulesLine, "/etc/modules", is_vfio_module),
    (LeftoverKind::ModulesVirqfd, "/etc/modules", |line| line == "vfio_virqfd"),
    (LeftoverKind::NouveauBlacklist, "/etc/modprobe.d/blacklist.conf", is_nouveau_blacklist),
    (LeftoverKind::GrubEdit, "/etc/default/grub", is_grub_edit),
    (LeftoverKind::DkmsSigning, "/etc/dkms/framework.conf", is_script_key),
];

/// Checks whether a trimmed line is such a leftover.
type Test = fn(&str) -> bool;

/// Returns all leftovers, by kind and path.
pub(super) fn look(reader: &Reader<'_>, gpus: &[Gpu]) -> Vec<Leftover> {
    let mut found: BTreeSet<_> = passthrough::look(reader, gpus).into_iter().collect();
    let mut add = |kind, path: &str| {
        found.extend(HostPath::new(path).ok().map(|path| Leftover::at(kind, path)));
    };
    for (kind, path) in PATHS {
        if reader.exists(path) {
            add(kind, path);
        }
    }
    for (kind, path, is_left) in LINES {
        let text = reader.text(path).unwrap_or_default();
        if text.lines().map(str::trim).any(is_left) {
            add(kind, path);
        }
    }
    for folder in script_folders(reader) {
        add(LeftoverKind::ScriptFolder, &folder);
        let inside = [
            (LeftoverKind::PatchFolder, "vgpu-proxmox"),
            (LeftoverKind::SigningKey, "secure-boot/module-signing.key"),
        ];
        for (kind, name) in inside {
            let path = format!("{folder}/{name}");
            if reader.exists(&path) {
                add(kind, &path);
            }
        }
    }
    for path in source_backups(reader) {
        add(LeftoverKind::SourceBackup, &path);
    }
    for path in enabled_units(reader) {
        add(LeftoverKind::EnabledUnit, &path);
    }
    reader.short("/", found)
}

/// Folders of root with the script's table of GPUs.
fn script_folders(reader: &Reader<'_>) -> Vec<String> {
    let folders = reader.names("/root").into_iter().map(|name| format!("/root/{name}"));
    let folders = folders.filter(|folder| reader.is_dir(folder));
    folders.filter(|folder| reader.exists(&format!("{folder}/gpu_info.db"))).collect()
}

/// Backups that the script makes on every run: `proxmox.sources.1712345678.bak`.
fn source_backups(reader: &Reader<'_>) -> Vec<String> {
    let folder = "/etc/apt/sources.list.d";
    let names = reader.names(folder).into_iter().filter(|name| is_source_backup(name));
    names.map(|name| format!("{folder}/{name}")).collect()
}

fn is_source_backup(name: &str) -> bool {
    let stem = name.strip_suffix(".bak");
    let time = stem.and_then(|stem| stem.split_once(".sources.")).map(|(_, time)| time);
    time.is_some_and(|time| !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit()))
}

/// Links that enable a service, for any target.
fn enabled_units(reader: &Reader<'_>) -> Vec<String> {
    let system = "/etc/systemd/system";
    let wants = |name: &String| Utf8Path::new(name).extension() == Some("wants");
    let folders = reader.names(system).into_iter().filter(wants);
    let links = folders.flat_map(|folder| {
        let names = reader.names(&format!("{system}/{folder}"));
        names.into_iter().map(move |name| (folder.clone(), name))
    });
    let ours = links.filter(|(_, name)| is_vgpu_unit(name));
    ours.map(|(folder, name)| format!("{system}/{folder}/{name}")).collect()
}

fn is_vgpu_unit(name: &str) -> bool {
    matches!(name, "nvidia-vgpud.service" | "nvidia-vgpu-mgr.service")
        || name.starts_with("pve-nvidia-sriov@")
}

fn is_vfio_module(line: &str) -> bool {
    matches!(line, "vfio" | "vfio_iommu_type1" | "vfio_pci")
}

fn is_nouveau_blacklist(line: &str) -> bool {
    line.split_whitespace().eq(["blacklist", "nouveau"])
}

/// Checks for the parameters that the script appends to the variable.
fn is_grub_edit(line: &str) -> bool {
    let adjacent = ["intel_iommu=on iommu=pt", "amd_iommu=on iommu=pt"];
    let variable = line.trim_start_matches(['#', ' ']).starts_with("GRUB_CMDLINE_LINUX_DEFAULT=");
    variable && adjacent.iter().any(|words| line.contains(words))
}

fn is_script_key(line: &str) -> bool {
    let assigned = line.strip_prefix("mok_signing_key=");
    assigned.is_some_and(|value| value.contains("/secure-boot/module-signing.key"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_the_script_are_told_from_others() {
        assert!(is_grub_edit("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=on iommu=pt\""));
        assert!(is_grub_edit("#GRUB_CMDLINE_LINUX_DEFAULT=\"quiet amd_iommu=on iommu=pt\""));
        assert!(!is_grub_edit("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=on\""));
        assert!(!is_grub_edit("# intel_iommu=on iommu=pt"));
        assert!(
            is_nouveau_blacklist("blacklist  nouveau")
                && !is_nouveau_blacklist("# blacklist nouveau")
        );
        assert!(is_script_key("mok_signing_key=\"/root/x/secure-boot/module-signing.key\""));
        assert!(!is_script_key("mok_signing_key=\"/var/lib/dkms/mok.key\""));
    }

    #[test]
    fn backups_and_units_are_known_by_name() {
        assert!(is_source_backup("proxmox.sources.1754500000.bak"));
        for other in ["proxmox.sources", "proxmox.sources.bak", "a.sources..bak", "a.sources.x.bak"]
        {
            assert!(!is_source_backup(other), "{other}");
        }
        assert!(
            is_vgpu_unit("pve-nvidia-sriov@ALL.service")
                && !is_vgpu_unit("nvidia-persistenced.service")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            for (_, _, is_left) in LINES {
                is_left(&text);
            }
            is_source_backup(&text);
        }
    }
}
