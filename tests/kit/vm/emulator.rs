use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::ids::{Ids, with_ids};
use super::{Disk, Firmware};
use crate::roots::{Layer, Pristine, Release, Roots};
use crate::skip;

/// The packages of the emulator.
const QEMU: Layer<'static> =
    Layer { name: "qemu", packages: &["qemu-system-x86", "qemu-utils", "ovmf"] };

/// A GPU that the kernel sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gpu {
    /// None.
    None,
    /// An A40 with eight virtual functions, in an IOMMU group of its own.
    A40,
}

/// The way in which a machine finds its kernel.
#[derive(Debug, Clone)]
pub enum Boot {
    /// The firmware of the disk starts the boot loader on it.
    Disk,
    /// The emulator loads the newest kernel of a root, on a BIOS.
    Kernel(Utf8PathBuf),
}

/// A machine without its disk.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// Its GPU.
    pub gpu: Gpu,
    /// The source of its kernel.
    pub boot: Boot,
    /// Its memory, in MiB.
    pub memory: u32,
    /// The start of its clock, as QEMU's `-rtc base=` takes it.
    pub clock: &'static str,
}

impl Default for Hardware {
    fn default() -> Self {
        Self { gpu: Gpu::None, boot: Boot::Disk, memory: 2048, clock: "utc" }
    }
}

/// The emulator, in a root of its own.
#[derive(Debug)]
pub struct Emulator {
    root: Pristine,
    /// The folder with the patched copy.
    folder: tempfile::TempDir,
}

impl Emulator {
    /// Returns the emulator. If it cannot be had, prints the missing requirement.
    #[must_use]
    pub fn open(roots: &Roots) -> Option<Self> {
        if !["mke2fs", "e2fsck", "mformat", "mcopy", "sfdisk"].into_iter().all(skip::have) {
            return None;
        }
        let root = roots.layered(Release::Debian13, QEMU)?;
        Some(Self { root, folder: tempfile::tempdir().expect("a folder") })
    }

    fn at(&self, path: &str) -> Utf8PathBuf {
        self.root.path().join(path)
    }

    /// Returns the program of a firmware and its variables before the first boot.
    pub(super) fn firmware(&self, firmware: Firmware) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
        firmware.files(self.root.path())
    }

    /// Returns a command of the emulator's root, run by the root's own loader with its libraries.
    fn command(&self, program: &Utf8Path) -> Command {
        let mut command = Command::new(self.at("usr/lib64/ld-linux-x86-64.so.2"));
        command.args(["--library-path", self.at("usr/lib/x86_64-linux-gnu").as_str()]);
        command.arg(program).env("QEMU_MODULE_DIR", self.at("usr/lib/x86_64-linux-gnu/qemu"));
        command.stdin(Stdio::null());
        command
    }

    /// Returns a `qemu-img` command.
    #[must_use]
    pub fn image(&self, words: &[&str]) -> Command {
        let mut command = self.command(&self.at("usr/bin/qemu-img"));
        command.args(words);
        command
    }

    /// Returns the command of a machine with this disk. Its console, the port of its agent and its
    /// control socket are files in `folder`.
    pub(super) fn machine(&self, hardware: &Hardware, disk: &Disk, folder: &Utf8Path) -> Command {
        let Hardware { gpu, boot, memory, clock } = hardware;
        let mut qemu = self.command(&self.program(*gpu));
        for files in ["usr/share/qemu", "usr/share/seabios"] {
            qemu.args(["-L", self.at(files).as_str()]);
        }
        qemu.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-smp", "2"]);
        if matches!(boot, Boot::Disk) {
            self.flash(&mut qemu, disk);
        }
        // The installer sets the parameters of the IOMMU by the vendor of the CPU. Page tables of five
        // levels only cost time.
        qemu.args(["-cpu", "max,vendor=GenuineIntel,la57=off", "-device", "intel-iommu"]);
        qemu.args(["-m", &memory.to_string(), "-rtc", &format!("base={clock}")]);
        qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-nic", "none"]);
        qemu.args(["-device", "virtio-rng-pci", "-device", "virtio-scsi-pci,id=sticks"]);
        let drive = format!("file={},if=none,id=disk,format=qcow2,cache=writeback", disk.path());
        qemu.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=disk,bootindex=1"]);
        if *gpu == Gpu::A40 {
            // Behind a port of its own, which can address more than eight functions.
            qemu.args(["-device", "pcie-root-port,id=behind,chassis=1,slot=1"]);
            qemu.args(["-device", "igb,bus=behind,romfile="]);
        }
        let socket =
            |name: &str| format!("socket,id={name},path={folder}/{name},server=on,wait=off");
        qemu.args(["-device", "virtio-serial-pci", "-chardev", &socket("agent")]);
        qemu.args(["-device", "virtserialport,chardev=agent,name=agent"]);
        qemu.args(["-chardev", &socket("control"), "-mon", "control,mode=control"]);
        qemu.args(["-serial", &format!("file:{folder}/console")]);
        if let Boot::Kernel(root) = boot {
            qemu.args(["-kernel", newest(root, "vmlinuz").as_str()]);
            qemu.args(["-initrd", newest(root, "initrd.img").as_str()]);
            qemu.args(["-append", "root=/dev/vda1 rw console=ttyS0 no_timer_check panic=-1"]);
        }
        qemu
    }

    /// Adds the flash with the firmware of a disk, unless that is a BIOS.
    fn flash(&self, qemu: &mut Command, disk: &Disk) {
        let Some((code, _)) = self.firmware(disk.firmware()) else { return };
        let drive = |unit: u32, file: &Utf8Path, more: &str| {
            format!("if=pflash,unit={unit},format=raw,file={file}{more}")
        };
        qemu.args(["-drive", &drive(0, &code, ",readonly=on")]);
        qemu.args(["-drive", &drive(1, &disk.variables(), "")]);
        // The variables can be changed by the firmware only, as the descriptor of `ovmf` demands
        // (40-edk2-x86_64-secure-enrolled.json).
        if disk.firmware() == Firmware::SecureBoot {
            qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
            qemu.args(["-global", "ICH9-LPC.disable_s3=1"]);
        }
    }

    /// Returns the program, which is patched for a GPU.
    fn program(&self, gpu: Gpu) -> Utf8PathBuf {
        let plain = self.at("usr/bin/qemu-system-x86_64");
        if gpu == Gpu::None {
            return plain;
        }
        let copy = Utf8Path::from_path(self.folder.path()).expect("UTF-8").join("qemu-with-a-gpu");
        if !copy.exists() {
            // The ids that PCI's list has for an A40, a 3D controller.
            let ids = Ids { vendor: 0x10de, device: 0x2235, class: 0x0302 };
            let program = with_ids(fs::read(&plain).expect("the emulator"), ids);
            fs::write(&copy, program).expect("a copy");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        copy
    }
}

/// Returns the file in `/boot` of `root` with the prefix `name` and the newest kernel's release.
fn newest(root: &Utf8Path, name: &str) -> Utf8PathBuf {
    let files = root.join("boot");
    let files = files.read_dir_utf8().expect("a folder").map(|entry| entry.expect("a file"));
    let files = files.filter(|entry| entry.file_name().starts_with(&format!("{name}-")));
    files.map(|entry| entry.path().to_owned()).max().expect("a kernel")
}
