//! The two ways from a stock host to vGPUs, on the same machine.

use std::fmt;
use std::fmt::Write as _;
use std::fs;

use camino::Utf8PathBuf;
use vgpu_manifest::Digest;
use vgpu_tests::kit::Kit;
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::roots::{Files, Layer, Release, Roots};

use super::super::bundle::{Content, Patched, packages, wants};
use super::super::machine::{A40, Loader, Machine, PVE1};
use super::super::stage::{Stage, TOOLCHAIN};
use super::super::watch::{Spent, Watch};
use super::counts::Counts;
use crate::node::site::control;

const VERSION: &str = "550.163.02";

/// A host, with the compressor of Proxmox VE's images.
const NODE: Layer<'static> = Layer {
    name: "waiting",
    packages: &[
        "linux-image-amd64",
        "initramfs-tools",
        "systemd-sysv",
        "udev",
        "pciutils",
        "kmod",
        "zstd",
    ],
};

/// The packages that the script installs, except for Proxmox's helper, which the node has. The script would
/// also install what these recommend.
const OF_SCRIPT: [&str; 12] = [
    "git",
    "build-essential",
    "dkms",
    "mdevctl",
    "wget",
    "curl",
    "megatools",
    "jq",
    "mokutil",
    "unzip",
    "sqlite3",
    "linux-headers-amd64",
];

/// The arguments of strace that show which programs start.
const EXECUTED: [&str; 3] = ["--trace=execve", "--status=successful", "--string-limit=4096"];

/// A way to vGPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Installer,
    Script,
    ScriptWithFewPackages,
}

impl Side {
    /// Every side, this project first and what it replaces second.
    pub(super) const ALL: [Self; 3] = [Self::Installer, Self::Script, Self::ScriptWithFewPackages];

    /// Whether its programs are counted: with other packages, the script runs the same ones.
    pub(super) fn is_counted(self) -> bool {
        self != Self::ScriptWithFewPackages
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installer => "`apply` and its resume",
            Self::Script => "the script",
            Self::ScriptWithFewPackages => "the script, with the packages of the bundle",
        })
    }
}

/// A stock host with everything that either side needs.
pub(super) struct Scene {
    stock: Stage,
    _kit: Kit,
}

impl Scene {
    pub(super) fn new() -> Option<Self> {
        let roots = Roots::open()?;
        let release = Release::Debian12;
        let pristine = roots.layered(release, NODE)?;
        let mut kit = Kit::new();
        let machine = Machine { cards: &[A40], loader: Loader::Grub, identity: PVE1 };
        let stock = Stage::stock(pristine.fresh(), machine, &kit);
        // As on a node, the images have all drivers.
        fs::remove_file(stock.root().at("/etc/initramfs-tools/conf.d/small")).unwrap();
        let [few, all] = [&TOOLCHAIN[..], &OF_SCRIPT].map(|names| roots.files(&pristine, names));
        for (name, files) in [("few", &few), ("all", &all)] {
            archive(&stock, name, files);
        }
        let driver = StandIn::host(VERSION);
        let path = stock.root().at(DRIVER);
        driver.write(&path).unwrap();
        stock.root().write("/root/step-1.sh", include_str!("step-1.sh"));
        stock.root().write("/root/step-2.sh", include_str!("step-2.sh"));
        let packages = packages(&mut kit, &few.paths());
        let (drivers, unlock, wants) = (vec![VERSION], Vec::new(), wants());
        let content = Content { release, drivers, packages, patched: Patched::No, unlock, wants };
        stock.site.insert(&content.bundle(&mut kit, 1));
        Some(Self { stock, _kit: kit })
    }

    /// Returns the time of both phases.
    pub(super) fn time(&self, side: Side) -> Spent {
        let mut stage = self.stock.fork();
        stage.begin(&format!("waiting-{side:?}"));
        go(&mut stage, side);
        let log = stage.log();
        stage.note(&log);
        let [first, second] = stage.spent[..] else { unreachable!("a phase is one command") };
        first + second
    }

    /// Counts the programs of each phase, and checks that the way ends with vGPUs.
    pub(super) fn count(&self, side: Side) -> [Counts; 2] {
        let mut stage = self.stock.fork();
        stage.begin(&format!("waiting-{side:?}-counted"));
        stage.watch = Some(Watch::new(&EXECUTED));
        go(&mut stage, side);
        has_vgpus(&stage);
        let watch = stage.watch.as_ref().unwrap();
        [1, 2].map(|phase| Counts::of(&watch.trace(phase)))
    }
}

/// The driver, where the script has downloaded it.
const DRIVER: &str = "/root/driver.run";

/// Goes one way, in two commands.
fn go(stage: &mut Stage, side: Side) {
    let (archive, names) = match side {
        Side::Installer => {
            stage.apply(&[], 10);
            stage.reboot(0);
            return;
        }
        Side::Script => ("all", &OF_SCRIPT[..]),
        Side::ScriptWithFewPackages => ("few", &TOOLCHAIN[..]),
    };
    let line = format!("deb [trusted=yes] file:/srv/{archive} ./\n");
    stage.root().write("/etc/apt/sources.list", line);
    let packages = format!("PACKAGES={}", names.join(" "));
    stage.program(&["env", &packages, "sh", "-e", "/root/step-1.sh"]);
    stage.reboot(0);
    let driver = format!("DRIVER={DRIVER}");
    stage.program(&["env", &driver, "sh", "-e", "/root/step-2.sh"]);
}

/// Checks that guests can get vGPUs, now and after a boot.
fn has_vgpus(stage: &Stage) {
    let root = stage.root();
    let found = root.run(&["modinfo", "-k", &stage.kernel, "-F", "version", "nvidia"]);
    assert_eq!(found.out.trim(), VERSION, "{}", found.err);
    let read = |path: &str| fs::read_to_string(root.at(path)).unwrap();
    assert_eq!(read("/sys/module/nvidia/version").trim(), VERSION);
    assert_eq!(read("/sys/bus/pci/devices/0000:81:00.0/sriov_numvfs").trim(), "32");
    assert!(read("/root/machine/cmdline").contains("iommu=pt"));
    assert!(root.run(&["/sbin/modprobe", "--showconfig"]).out.contains("blacklist nouveau\n"));
    for unit in ["nvidia-vgpud.service", "nvidia-vgpu-mgr.service"] {
        assert!(root.at(&format!("/run/units/{unit}")).exists(), "{unit}");
        assert!(super::super::machine::is_wanted(root, unit), "{unit}");
    }
}

/// Writes these packages as a local archive, `/srv/NAME`.
fn archive(stage: &Stage, name: &str, files: &Files) {
    let mut index = String::new();
    let paths: Vec<Utf8PathBuf> = files.paths();
    for path in &paths {
        let (bytes, file) = (fs::read(path).unwrap(), path.file_name().unwrap());
        let (control, digest, size) = (control(path), Digest::of(&bytes), bytes.len());
        stage.root().write(&format!("/srv/{name}/{file}"), bytes);
        write!(index, "{control}Filename: ./{file}\nSize: {size}\nSHA256: {digest}\n\n").unwrap();
    }
    stage.root().write(&format!("/srv/{name}/Packages"), index);
}
