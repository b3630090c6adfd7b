//! A node's disk as its operator finds it, and the machine around it.

use std::collections::BTreeSet;
use std::fs;

use camino::Utf8PathBuf;
use vgpu_tests::roots::{Files, Layer, Release, Roots};
use vgpu_tests::tree::MayDiffer;
use vgpu_tests::vm::{Boot, Disk, Emulator, Gpu, Hardware, Machine, Tree};

use crate::modes::stage::pve;

/// A node without GPU software. Debian's kernel for clouds has all that the driver needs, and boots in
/// half the time of the other one. The compiler and the kernel's headers are on the node, because
/// unpacking them takes minutes in an emulated machine; DKMS and its dependencies are not, so that the
/// bundle has packages.
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
        "gcc",
        "make",
        "linux-headers-cloud-amd64",
    ],
};

/// GRUB on a BIOS, with its messages on the serial console. On a busy host, the kernel's check of the
/// timer fails now and then. Mitigations for real processors cost an emulated one a lot of time.
const GRUB: &str = "GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"
GRUB_CMDLINE_LINUX=\"console=ttyS0 no_timer_check mitigations=off\"
GRUB_TERMINAL=serial
";

/// Images with the modules of the machine only, which are made and unpacked quickly.
const INITRAMFS: &str = "MODULES=dep\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n";

/// The last steps of the installation, on the machine itself.
const FIRST_BOOT: &str = "set -e
systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
grub-install /dev/vda
update-grub
update-initramfs -u -k all
";

/// Everything that nodes are made of.
pub(super) struct Rig {
    pub(super) roots: Roots,
    pub(super) emulator: Emulator,
    pub(super) hardware: Hardware,
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
        let recipe = [GRUB, INITRAMFS, FIRST_BOOT, Machine::RECIPE].concat();
        let stock = roots.derived(&host, "disk", &recipe, |folder| {
            let root = host.fresh();
            pve(&root);
            Machine::prepare(&root);
            root.write("/etc/default/grub", GRUB);
            root.write("/etc/initramfs-tools/conf.d/small", INITRAMFS);
            let disk = Disk::of(&emulator, &root);
            let boot = Boot::Kernel(root.path().to_owned());
            let hardware = Hardware { boot, ..Hardware::default() };
            let mut machine = Machine::start(&emulator, &hardware, &disk);
            machine.settle();
            machine.expect(FIRST_BOOT, 0);
            let _ = machine.power_off();
            fs::copy(disk.path(), folder.join("disk.qcow2")).unwrap();
        });
        let hardware = Hardware { gpu: Gpu::A40, ..Hardware::default() };
        Some(Self { roots, emulator, hardware, stock })
    }

    /// Returns the path of the stock disk's image.
    fn image(&self) -> Utf8PathBuf {
        self.stock.paths().into_iter().next().unwrap()
    }

    /// Returns a new stock disk.
    pub(super) fn disk(&self) -> Disk {
        Disk::over(&self.emulator, &self.image())
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
const MAY_DIFFER: [MayDiffer; 7] = [
    it("root/", "the operator's own copies"),
    it("tmp/", "what compilers leave; emptied at each boot"),
    it("var/tmp/", "what an interrupted `mkinitramfs` leaves; emptied by systemd after 30 days"),
    it("var/log/", "the journal and other logs"),
    it("var/lib/dpkg/status-old", "dpkg's own backup"),
    it("var/lib/systemd/", "the seed and timers"),
    it("boot/initrd.img-*", "rebuilt from the same files; it contains times"),
];

pub(super) const fn it(path: &'static str, why: &'static str) -> MayDiffer {
    MayDiffer { path, why }
}
