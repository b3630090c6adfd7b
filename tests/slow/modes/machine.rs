//! The machine that is played: its GPUs, what its kernel says, and its boots.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use vgpu_tests::roots::Root;
use vgpu_tests::scratch::expect;

/// The commands that stand for systemd, the kernel's loader, the boot loaders, and Proxmox VE. Each
/// says on what its behaviour rests, and writes down that it was called.
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

/// Runs our program on that machine.
pub(super) const WRAPPER: &str = include_str!("stubs/machine.sh");

/// Where the wrapper finds the machine.
const MACHINE: &str = "/root/machine";

/// Where boot entries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loader {
    /// `/etc/default/grub`, in a BIOS.
    Grub,
    /// `/etc/kernel/cmdline`, on ESPs that `proxmox-boot-tool` keeps.
    SystemdBoot,
}

/// A card in the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Card {
    pub(super) address: &'static str,
    /// The device's id, as sysfs has it.
    pub(super) device: &'static str,
    /// How many virtual functions it can have.
    pub(super) functions: u32,
    /// Whether it has a second function for sound.
    pub(super) sound: bool,
}

/// An A40: supported as it is, with its vGPUs on virtual functions.
pub(super) const A40: Card =
    Card { address: "0000:81:00.0", device: "0x2235", functions: 32, sound: false };

/// A Tesla T4: supported as it is, with mediated devices.
pub(super) const T4: Card =
    Card { address: "0000:81:00.0", device: "0x1eb8", functions: 0, sound: false };

/// An RTX 2080 Ti, which has to be unlocked.
pub(super) const RTX_2080_TI: Card =
    Card { address: "0000:81:00.0", device: "0x1e07", functions: 0, sound: true };

/// A second one, for a guest alone.
pub(super) const SECOND: Card =
    Card { address: "0000:41:00.0", device: "0x1e07", functions: 0, sound: true };

/// What makes a machine that of somebody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) host_name: &'static str,
    pub(super) machine_id: &'static str,
    pub(super) address: &'static str,
}

/// The first node of the tests.
pub(super) const PVE1: Identity = Identity {
    host_name: "pve1",
    machine_id: "6c1f0f3a9f0b4d0b8b1c0a4f3d2e1c00",
    address: "192.0.2.11",
};

/// The machine in a root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    pub(super) cards: &'static [Card],
    pub(super) loader: Loader,
    pub(super) identity: Identity,
}

impl Machine {
    /// Put it into a root with one kernel, as it is before anybody thinks of a GPU, and boot it.
    pub(super) fn install(&self, root: &Root) {
        for (path, text) in STUBS {
            root.write(path, text);
            fs::set_permissions(root.at(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let Identity { host_name, machine_id, address } = self.identity;
        root.write("/etc/hostname", format!("{host_name}\n"));
        root.write("/etc/hosts", format!("127.0.0.1 localhost\n{address} {host_name}\n"));
        root.write("/etc/machine-id", format!("{machine_id}\n"));
        root.write("/etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
        // A small image: what is taken into it is of interest here, not all drivers of Debian.
        root.write("/etc/initramfs-tools/conf.d/small", "MODULES=list\n");
        // A copy that is lost with the machine need not survive it.
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

    /// Start anew with this kernel: what the boot loader gives it, the modules that are to be
    /// loaded, who gets which device, and no unit but those that are switched on.
    pub(super) fn boot(&self, root: &Root, kernel: &str, id: &str) {
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
        for unit in ["nvidia-vgpud", "nvidia-vgpu-mgr", "pve-nvidia-sriov@ALL"] {
            if is_wanted(root, &format!("{unit}.service")) {
                expect(root.command(&["systemctl", "start", unit]), 0);
            }
        }
    }

    /// What the kernel is given, by whoever starts it.
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

    /// Each card in a group of its own.
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

    /// Say that another kernel runs.
    pub(super) fn play_kernel(root: &Root, kernel: &str) {
        Self::play(root, "osrelease", &format!("{kernel}\n"));
    }

    /// What the kernel says, where the wrapper finds it, and where a look from outside does.
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

    /// Have it in sysfs, held by this driver.
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

/// Whether a unit is switched on.
pub(super) fn is_wanted(root: &Root, unit: &str) -> bool {
    root.at(&format!("/etc/systemd/system/multi-user.target.wants/{unit}")).is_symlink()
}

/// The kernels of a root, the newest last.
pub(super) fn kernels(root: &Root) -> Vec<String> {
    let entries = root.at("/lib/modules").read_dir_utf8().unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}
