//! A node's disk as its operator finds it, and the machine around it.

use std::collections::BTreeSet;
use std::fs;

use vgpu_tests::roots::{Files, Layer, Release, Root, Roots};
use vgpu_tests::tree::MayDiffer;
use vgpu_tests::vm::{Boot, Disk, Emulator, Firmware, Gpu, Hardware, Machine, Tree};

use crate::modes::stage::pve;

/// A node without GPU software. Debian's kernel for clouds has all that the driver needs, and boots in
/// half the time of the other one. The compiler and the kernel's headers are on the node, because
/// unpacking them takes minutes in an emulated machine; DKMS and its dependencies are not, so that the
/// bundle has packages.
const NODE: [&str; 12] = [
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "pciutils",
    "openssh-client",
    "strace",
    "gcc",
    "make",
    "linux-headers-cloud-amd64",
];

/// The boot loader's settings. On a busy host, the kernel's check of the timer fails now and then.
/// Mitigations for real processors cost an emulated one a lot of time.
const GRUB: &str = "GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"
GRUB_CMDLINE_LINUX=\"console=ttyS0 no_timer_check mitigations=off\"
";

/// Images with the modules of the machine only, which are made and unpacked quickly.
const INITRAMFS: &str = "MODULES=dep\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n";

/// The last steps of the installation, on the machine itself.
const FIRST_BOOT: &str = "set -e
systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
";

/// Installs GRUB. Without an entry in the firmware's menu, UEFI starts the program at the fallback path.
const GRUB_ON_BIOS: &str = "grub-install /dev/vda\nupdate-grub\n";
const GRUB_ON_UEFI: &str =
    "grub-install --target=x86_64-efi --no-nvram --force-extra-removable\nupdate-grub\n";

/// GRUB's menu again: with UEFI it has an entry for the firmware's settings (`30_uefi-firmware`).
const UNDER_FIRMWARE: &str = "update-grub";

/// The way in which a node boots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    release: Release,
    firmware: Firmware,
}

impl Kind {
    /// Debian 12 with GRUB on a BIOS.
    pub(super) const BIOS: Self = Self { release: Release::Debian12, firmware: Firmware::Bios };

    /// Debian 12 with GRUB under Secure Boot: shim, GRUB and kernel as Debian signs them.
    pub(super) const SECURE_BOOT: Self =
        Self { release: Release::Debian12, firmware: Firmware::SecureBoot };

    /// The packages of the boot loader.
    fn packages(self) -> &'static [&'static str] {
        match self.firmware {
            Firmware::Bios => &["grub-pc"],
            Firmware::SecureBoot => {
                &["grub-efi-amd64", "grub-efi-amd64-signed", "shim-signed", "efibootmgr"]
            }
        }
    }

    /// Writes the settings of the boot loader.
    fn configure(self, root: &Root) {
        root.write("/etc/default/grub", self.grub());
        if self.firmware == Firmware::SecureBoot {
            fs::create_dir_all(root.at("/boot/efi")).unwrap();
            let table = fs::read_to_string(root.at("/etc/fstab")).unwrap();
            root.write("/etc/fstab", format!("{table}/dev/vda2 /boot/efi vfat umask=0077 0 1\n"));
        }
    }

    /// The settings of GRUB, with its messages on the serial port. The firmware of UEFI has its own
    /// console there, and GRUB as Debian signs it has no driver for the port.
    fn grub(self) -> String {
        let terminal = if self.firmware == Firmware::Bios { "serial" } else { "console" };
        format!("{GRUB}GRUB_TERMINAL={terminal}\n")
    }

    /// The last steps of the installation.
    fn first_boot(self) -> String {
        let install = match self.firmware {
            Firmware::Bios => GRUB_ON_BIOS,
            Firmware::SecureBoot => GRUB_ON_UEFI,
        };
        format!("{FIRST_BOOT}update-initramfs -u -k all\n{install}")
    }
}

/// Everything that nodes are made of.
pub(super) struct Rig {
    pub(super) roots: Roots,
    pub(super) emulator: Emulator,
    pub(super) hardware: Hardware,
    pub(super) kind: Kind,
    /// The stock disk, which is never changed.
    stock: Files,
}

impl Rig {
    /// Opens the rig, and installs the stock disk of a node if it is not cached. If that is not
    /// possible here, prints the missing requirement.
    pub(super) fn open(kind: Kind) -> Option<Self> {
        let roots = Roots::open()?;
        let emulator = Emulator::open(&roots)?;
        let packages = [&NODE, kind.packages()].concat();
        let host = roots.layered(kind.release, Layer { name: "machine", packages: &packages })?;
        let first_boot = kind.first_boot();
        let how = format!("{kind:?}{}", kind.grub());
        let recipe = [&how, INITRAMFS, &first_boot, UNDER_FIRMWARE, Machine::RECIPE].concat();
        let stock = roots.derived(&host, "disk", &recipe, |folder| {
            let root = host.fresh();
            pve(&root);
            Machine::prepare(&root);
            kind.configure(&root);
            root.write("/etc/initramfs-tools/conf.d/small", INITRAMFS);
            let disk = Disk::of(&emulator, &root, kind.firmware);
            let boot = Boot::Kernel(root.path().to_owned());
            let hardware = Hardware { boot, ..Hardware::default() };
            let machine = Machine::start(&emulator, &hardware, &disk);
            carry_out(machine, &first_boot);
            if kind.firmware == Firmware::SecureBoot {
                let machine = Machine::start(&emulator, &Hardware::default(), &disk);
                carry_out(machine, UNDER_FIRMWARE);
            }
            disk.save(folder);
        });
        let hardware = Hardware { gpu: Gpu::A40, ..Hardware::default() };
        Some(Self { roots, emulator, hardware, kind, stock })
    }

    /// Returns a new stock disk.
    pub(super) fn disk(&self) -> Disk {
        Disk::over(&self.emulator, self.stock.path(), self.kind.firmware)
    }

    /// Powers a machine on, and does not wait for its units.
    pub(super) fn start(&self, disk: &Disk) -> Machine {
        Machine::start(&self.emulator, &self.hardware, disk)
    }

    /// Boots a machine from a disk until all units have started.
    pub(super) fn boot(&self, disk: &Disk) -> Machine {
        let mut machine = self.start(disk);
        machine.settle();
        machine
    }

    /// Checks that two disks have the same files and packages, apart from [`MAY_DIFFER`] and these
    /// paths; returns the number of files.
    pub(super) fn same(&self, before: &Disk, after: &Disk, may: &[MayDiffer]) -> usize {
        let (before, after) = (before.tree(&self.emulator), after.tree(&self.emulator));
        assert_eq!(packages(&before), packages(&after));
        let (before, after) = (before.snapshot(), after.snapshot());
        let left = before.unexplained(&after, &[&MAY_DIFFER, may].concat());
        assert_eq!(left, Vec::<String>::new());
        after.len()
    }
}

/// Runs a step of the installation, and shuts the machine down.
fn carry_out(mut machine: Machine, script: &str) {
    machine.settle();
    machine.expect(script, 0);
    let _ = machine.power_off();
}

/// Returns the packages with version and state, and their marks.
fn packages(tree: &Tree) -> BTreeSet<String> {
    let of = |file: &str, names: &[&str]| {
        let text = fs::read_to_string(tree.path(file)).unwrap_or_default();
        let fields = |stanza: &str| {
            let is_named = |line: &&str| names.iter().any(|name| line.starts_with(name));
            stanza.lines().filter(is_named).collect::<Vec<_>>().join("; ")
        };
        text.split("\n\n").map(fields).filter(|it| !it.is_empty()).collect::<BTreeSet<_>>()
    };
    let states =
        of("var/lib/dpkg/status", &["Package: ", "Status: ", "Architecture: ", "Version: "]);
    let marks = of("var/lib/apt/extended_states", &["Package: ", "Auto-Installed: 1"]);
    assert!(states.len() > 50, "{states:?}");
    &states | &marks
}

/// Everything else on the disk must be unchanged: contents, modes, owners, links and attributes.
const MAY_DIFFER: [MayDiffer; 8] = [
    it("root/", "the operator's own copies"),
    it("tmp/", "what compilers leave; emptied at each boot"),
    it("var/tmp/", "what an interrupted `mkinitramfs` leaves; emptied by systemd after 30 days"),
    it("var/log/", "the journal and other logs"),
    it("var/lib/dpkg/status-old", "dpkg's own backup"),
    it("var/lib/dpkg/tmp.ci*", "what a cut leaves; removed before the next package is unpacked"),
    it("var/lib/systemd/", "the seed and timers"),
    it("boot/initrd.img-*", "rebuilt from the same files; it contains times"),
];

pub(super) const fn it(path: &'static str, why: &'static str) -> MayDiffer {
    MayDiffer { path, why }
}
