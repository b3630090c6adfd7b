//! The simulated machine: its GPUs, its kernel's output, and its boots.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use vgpu_tests::roots::Root;
use vgpu_tests::scratch::expect;

/// The commands that stand in for systemd, the kernel's module loader, the boot loaders, and
/// Proxmox VE. Each documents the basis of its behavior, and logs its calls.
const STUBS: [(&str, &str); 10] = [
    ("/usr/local/bin/uname", include_str!("stubs/uname")),
    ("/usr/local/sbin/systemctl", include_str!("stubs/systemctl")),
    ("/usr/local/sbin/journalctl", include_str!("stubs/journalctl")),
    ("/usr/local/sbin/modprobe", include_str!("stubs/modprobe")),
    ("/usr/local/sbin/update-grub", include_str!("stubs/update-grub")),
    ("/usr/local/sbin/proxmox-boot-tool", include_str!("stubs/proxmox-boot-tool")),
    ("/usr/local/sbin/qm", include_str!("stubs/never")),
    ("/usr/local/sbin/pct", include_str!("stubs/never")),
    ("/usr/local/sbin/pvesh", include_str!("stubs/never")),
    ("/usr/local/sbin/pveum", include_str!("stubs/never")),
];

/// Runs the installer on that machine.
pub(crate) const WRAPPER: &str = include_str!("stubs/machine.sh");

/// The folder in which the wrapper finds the machine.
const MACHINE: &str = "/root/machine";

/// The source of boot entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loader {
    /// `/etc/default/grub`, with a BIOS.
    Grub,
    /// `/etc/kernel/cmdline`, on ESPs managed by `proxmox-boot-tool`.
    SystemdBoot,
}

/// A GPU in the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card {
    pub(crate) address: &'static str,
    /// The device's id, as in sysfs.
    pub(crate) device: &'static str,
    /// The number of virtual functions that it supports.
    pub(crate) functions: u32,
    /// Whether the GPU has an audio function.
    pub(crate) sound: bool,
}

/// An A40: supported natively, with vGPUs on virtual functions.
pub(crate) const A40: Card =
    Card { address: "0000:81:00.0", device: "0x2235", functions: 32, sound: false };

/// A Tesla T4: supported natively, with mediated devices.
pub(crate) const T4: Card =
    Card { address: "0000:81:00.0", device: "0x1eb8", functions: 0, sound: false };

/// An RTX 2080 Ti, which must be unlocked.
pub(crate) const RTX_2080_TI: Card =
    Card { address: "0000:81:00.0", device: "0x1e07", functions: 0, sound: true };

/// A second one, for passthrough.
pub(crate) const SECOND: Card =
    Card { address: "0000:41:00.0", device: "0x1e07", functions: 0, sound: true };

/// The individual properties of a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) host_name: &'static str,
    pub(crate) machine_id: &'static str,
    pub(crate) address: &'static str,
}

/// The first node of the tests.
pub(crate) const PVE1: Identity = Identity {
    host_name: "pve1",
    machine_id: "6c1f0f3a9f0b4d0b8b1c0a4f3d2e1c00",
    address: "192.0.2.11",
};

/// The machine in a root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) cards: &'static [Card],
    pub(crate) loader: Loader,
    pub(crate) identity: Identity,
}

impl Machine {
    /// Adds the machine to a root with one kernel, without any GPU configuration, and boots it.
    pub(crate) fn install(&self, root: &Root) {
        for (path, text) in STUBS {
            root.write(path, text);
            fs::set_permissions(root.at(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let Identity { host_name, machine_id, address } = self.identity;
        root.write("/etc/hostname", format!("{host_name}\n"));
        root.write("/etc/hosts", format!("127.0.0.1 localhost\n{address} {host_name}\n"));
        root.write("/etc/machine-id", format!("{machine_id}\n"));
        root.write("/etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
        // A small image: only the files added to it matter here, not all of Debian's drivers.
        root.write("/etc/initramfs-tools/conf.d/small", "MODULES=list\n");
        // A copy that is lost with the machine need not be durable.
        root.write("/etc/dpkg/dpkg.cfg.d/unsafe", "force-unsafe-io\n");
        fs::create_dir_all(root.at("/etc/modprobe.d")).unwrap();
        Self::play(root, "cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: svm\n");
        Self::play(root, "hostname", &format!("{host_name}\n"));
        Self::play(root, "modules", "");
        match self.loader {
            Loader::Grub => expect(root.command(&["update-grub"]), 0),
            Loader::SystemdBoot => {
                fs::create_dir_all(root.at("/sys/firmware/efi/efivars")).unwrap();
                root.write("/etc/kernel/proxmox-boot-uuids", "ABCD-1234\n");
                root.write("/etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
                root.write("/boot/efi/EFI/systemd/systemd-bootx64.efi", "");
                expect(root.command(&["proxmox-boot-tool", "refresh"]), 0)
            }
        };
        expect(root.command(&["update-initramfs", "-u", "-k", "all"]), 0);
        let kernel = kernels(root).pop().unwrap();
        self.boot(root, &kernel, "first");
    }

    /// Boots this kernel: applies the boot loader's parameters, the modules to load, the driver
    /// bindings, and only the enabled units.
    pub(crate) fn boot(&self, root: &Root, kernel: &str, id: &str) {
        for folder in ["/sys/bus", "/sys/module", "/sys/kernel", "/sys/class", "/run"] {
            let _ = fs::remove_dir_all(root.at(folder));
        }
        fs::create_dir(root.at("/run")).unwrap();
        let words = self.words(root, kernel);
        Self::play(root, "osrelease", &format!("{kernel}\n"));
        Self::play(root, "boot_id", &format!("{id}\n"));
        Self::play(root, "cmdline", &format!("{words}\n"));
        let image =
            expect(root.command(&["lsinitramfs", &format!("/boot/initrd.img-{kernel}")]), 0);
        let rules = root.at("/etc/udev/rules.d/62-vgpu-offline.rules");
        let early = image.out.lines().any(|line| line.ends_with("rules.d/62-vgpu-offline.rules"));
        let rules = fs::read_to_string(rules).unwrap_or_default();
        for card in self.cards {
            let held = early && rules.contains(&format!("KERNEL==\"{}.*\"", slot(card.address)));
            card.show(root, held.then_some("vfio-pci"));
        }
        if words.split(' ').any(|word| word == "iommu=pt") {
            self.groups(root);
        }
        let mut modules: Vec<String> = vec!["loop".to_owned()];
        let mut files = vec![root.at("/etc/modules")];
        let folder = root.at("/etc/modules-load.d").read_dir_utf8();
        files.extend(folder.into_iter().flatten().flatten().map(camino::Utf8DirEntry::into_path));
        for text in files.iter().filter_map(|path| fs::read_to_string(path).ok()) {
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            modules.extend(lines.map(str::to_owned));
        }
        // As udev does when it finds the GPU.
        if root.run(&["modinfo", "-k", kernel, "nvidia"]).code == Some(0) {
            modules.push("nvidia".to_owned());
        }
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        expect(root.command(&[&["modprobe", "--all"], &modules[..]].concat()), 0);
        for unit in ["nvidia-vgpud", "nvidia-vgpu-mgr"] {
            if is_wanted(root, &format!("{unit}.service")) {
                expect(root.command(&["systemctl", "start", unit]), 0);
            }
        }
        let wants = root.at("/etc/systemd/system/multi-user.target.wants").read_dir_utf8();
        for unit in wants.into_iter().flatten().flatten() {
            let unit = unit.file_name();
            if unit.starts_with("pve-nvidia-sriov@") {
                expect(root.command(&["systemctl", "start", unit]), 0);
            }
        }
    }

    /// Returns the kernel parameters, from the boot loader in use.
    fn words(&self, root: &Root, kernel: &str) -> String {
        let (path, mark) = match self.loader {
            Loader::Grub => {
                ("/boot/grub/grub.cfg".to_owned(), format!("linux /boot/vmlinuz-{kernel} "))
            }
            Loader::SystemdBoot => {
                (format!("/boot/efi/loader/entries/proxmox-{kernel}.conf"), "options ".to_owned())
            }
        };
        let text = fs::read_to_string(root.at(&path)).unwrap();
        let line = text.lines().find_map(|line| line.trim().strip_prefix(&mark)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Puts each GPU into its own IOMMU group.
    fn groups(&self, root: &Root) {
        root.write("/sys/class/iommu/ivhd0/name", "");
        for (number, card) in self.cards.iter().enumerate() {
            for address in card.addresses() {
                let devices = root.at(&format!("/sys/kernel/iommu_groups/{number}/devices"));
                fs::create_dir_all(&devices).unwrap();
                symlink(format!("/sys/bus/pci/devices/{address}"), devices.join(&address)).unwrap();
                let link = root.at(&format!("/sys/bus/pci/devices/{address}/iommu_group"));
                symlink(format!("../../../../kernel/iommu_groups/{number}"), link).unwrap();
            }
        }
    }

    /// Makes another kernel appear as the running one.
    pub(crate) fn play_kernel(root: &Root, kernel: &str) {
        Self::play(root, "osrelease", &format!("{kernel}\n"));
    }

    /// Writes the kernel's files where the wrapper finds them, and where an inspection from outside
    /// does.
    fn play(root: &Root, name: &str, text: &str) {
        root.write(&format!("{MACHINE}/{name}"), text);
        let proc = match name {
            "osrelease" | "hostname" => format!("/proc/sys/kernel/{name}"),
            "boot_id" => "/proc/sys/kernel/random/boot_id".to_owned(),
            name => format!("/proc/{name}"),
        };
        root.write(&proc, text);
    }
}

impl Card {
    fn addresses(self) -> Vec<String> {
        let sound = self.sound.then(|| format!("{}.1", slot(self.address)));
        [self.address.to_owned()].into_iter().chain(sound).collect()
    }

    /// Adds the GPU to sysfs, bound to this driver.
    fn show(self, root: &Root, driver: Option<&str>) {
        for address in self.addresses() {
            let is_gpu = address == self.address;
            let device = format!("/sys/bus/pci/devices/{address}");
            let id = if is_gpu { self.device } else { "0x10f7" };
            for (name, text) in [
                ("vendor", "0x10de"),
                ("device", id),
                ("subsystem_vendor", "0x10de"),
                ("subsystem_device", "0x12a4"),
                ("class", if is_gpu { "0x030000" } else { "0x040300" }),
            ] {
                root.write(&format!("{device}/{name}"), format!("{text}\n"));
            }
            if is_gpu && self.functions > 0 {
                root.write(&format!("{device}/sriov_totalvfs"), format!("{}\n", self.functions));
                root.write(&format!("{device}/sriov_numvfs"), "0\n");
            }
            if let Some(driver) = driver {
                let folder = root.at(&format!("/sys/bus/pci/drivers/{driver}"));
                fs::create_dir_all(folder).unwrap();
                let link = root.at(&format!("{device}/driver"));
                symlink(format!("../../drivers/{driver}"), link).unwrap();
            }
        }
    }
}

fn slot(address: &str) -> &str {
    address.rsplit_once('.').unwrap().0
}

/// Checks whether a unit is enabled.
pub(crate) fn is_wanted(root: &Root, unit: &str) -> bool {
    root.at(&format!("/etc/systemd/system/multi-user.target.wants/{unit}")).is_symlink()
}

/// Returns the kernels of a root, the newest last.
pub(crate) fn kernels(root: &Root) -> Vec<String> {
    let entries = root.at("/lib/modules").read_dir_utf8().unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}
