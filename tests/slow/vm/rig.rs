//! A node's disk as its operator finds it, and the machine around it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::roots::{Archive, Files, Layer, Release, Roots};
use vgpu_tests::tree::MayDiffer;
use vgpu_tests::vm::{Boot, Disk, Emulator, Gpu, Hardware, Machine};

use crate::modes::stage::pve;

/// A node without GPU software. Debian's kernel for clouds has all that the driver needs, and boots in
/// half the time of the other one.
const NODE: Layer<'static> = Layer {
    name: "machine",
    packages: &[
        "linux-image-cloud-amd64",
        "initramfs-tools",
        "systemd-sysv",
        "udev",
        "dbus",
        "kmod",
        "pciutils",
        "grub-pc",
        "openssh-client",
        "strace",
    ],
};

/// GRUB on a BIOS, with its messages on the serial console. On a busy host, the kernel's check of the
/// timer fails now and then.
const GRUB: &str = "GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"
GRUB_CMDLINE_LINUX=\"console=ttyS0 no_timer_check\"
GRUB_TERMINAL=serial
";

/// Everything that nodes are made of.
pub(super) struct Rig {
    pub(super) roots: Roots,
    pub(super) emulator: Emulator,
    pub(super) hardware: Hardware,
    suites: Vec<Archive>,
    /// The stock disk, which is never changed.
    stock: Files,
}

impl Rig {
    /// Opens the rig, and installs the stock disk of a release if it is not cached. If that is not
    /// possible here, prints the missing requirement.
    pub(super) fn open(release: Release) -> Option<Self> {
        let roots = Roots::open()?;
        let emulator = Emulator::open(&roots)?;
        let host = roots.layered(release, NODE)?;
        let recipe = [GRUB, Machine::RECIPE].concat();
        let stock = roots.derived(&host, "disk", &recipe, |folder| {
            let root = host.fresh();
            pve(&root);
            Machine::prepare(&root);
            root.write("/etc/default/grub", GRUB);
            let disk = Disk::of(&emulator, &root);
            let boot = Boot::Kernel(root.path().to_owned());
            let hardware = Hardware { boot, ..Hardware::default() };
            let mut machine = Machine::start(&emulator, &hardware, &disk);
            machine.settle();
            machine.expect("grub-install /dev/vda && update-grub", 0);
            let _ = machine.power_off();
            fs::copy(disk.path(), folder.join("disk.qcow2")).unwrap();
        });
        let hardware = Hardware { gpu: Gpu::A40, ..Hardware::default() };
        let suites = host.archives().to_vec();
        Some(Self { roots, emulator, hardware, suites, stock })
    }

    /// Returns the suites that the node was installed from.
    pub(super) fn suites(&self) -> &[Archive] {
        &self.suites
    }

    /// Returns the path of the stock disk's image.
    fn image(&self) -> Utf8PathBuf {
        self.stock.paths().into_iter().next().unwrap()
    }

    /// Returns a new stock disk.
    pub(super) fn disk(&self) -> Disk {
        Disk::over(&self.emulator, &self.image())
    }

    /// Boots a machine from a disk until all units have started.
    pub(super) fn boot(&self, disk: &Disk) -> Machine {
        let mut machine = Machine::start(&self.emulator, &self.hardware, disk);
        machine.settle();
        machine
    }

    /// Checks that two disks have the same files, apart from [`MAY_DIFFER`] and these paths.
    pub(super) fn same(&self, before: &Disk, after: &Disk, may: &[&str]) -> usize {
        let (before, after) = (before.tree(&self.emulator), after.tree(&self.emulator));
        let (before, after) = (before.snapshot(), after.snapshot());
        let mut left = before.unexplained(&after, &MAY_DIFFER);
        left.retain(|line| !may.iter().any(|path| line.starts_with(path)));
        assert_eq!(left, Vec::<String>::new());
        after.len()
    }
}

/// Writes the transcript of a machine to the output of the suite.
pub(super) fn record(name: &str, parts: &[String]) {
    let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = folder.join("node-suite");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("vm-{name}.txt")), parts.concat()).unwrap();
}

/// Everything else on the disk must be unchanged: contents, modes, owners, links and attributes.
const MAY_DIFFER: [MayDiffer; 17] = [
    it("root/", "the operator's own copies"),
    it("tmp/", "what compilers leave; emptied at each boot"),
    it("var/tmp/", "the same"),
    it("var/log/", "the journal and other logs"),
    it("var/cache/", "caches of apt, debconf, ldconfig and man"),
    it("var/lib/dpkg/status", "compared package by package; fields may be in another order"),
    it("var/lib/dpkg/status-old", "dpkg's own backup"),
    it("var/lib/dpkg/lock*", "made by the first program that needs it"),
    it("var/lib/dpkg/triggers/", "rewritten whenever a package has a trigger, in another order"),
    it("var/lib/dpkg/diversions-old", "dpkg's own backup"),
    it("var/lib/apt/extended_states", "compared mark by mark"),
    it("var/lib/systemd/", "the seed, timers, and what Debian's scripts remember of units"),
    it("var/lib/dbus/", "the machine id of the first boot"),
    it("etc/ld.so.cache", "rebuilt by ldconfig"),
    it("boot/initrd.img-*", "rebuilt from the same files; it contains times"),
    it("var/lib/initramfs-tools/", "checksums of those"),
    it("boot/grub/grubenv", "GRUB's own state"),
];

const fn it(path: &'static str, why: &'static str) -> MayDiffer {
    MayDiffer { path, why }
}
