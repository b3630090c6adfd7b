use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::roots::Root;
use crate::scratch::expect;
use crate::skip::have;

/// The disk size: enough for a node with packages, images and a driver. The file is sparse.
const DISK: u64 = 6 << 30;

/// The marker of the end of a scene on the console.
const END: &str = "scene ended: ";

/// The unit that runs a scene after boot and then powers the machine off.
const UNIT: &str = "[Unit]
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=file:/dev/ttyS1
StandardError=inherit
ExecStart=/bin/sh -c 'sh -eu /root/scene.sh; echo \"scene ended: $?\"'
ExecStopPost=-/bin/systemctl --no-ask-password poweroff
[Install]
WantedBy=default.target
";

/// Checks whether all requirements are available. Prints a message if not.
#[must_use]
pub fn tools() -> bool {
    ["qemu-system-x86_64", "mke2fs"].into_iter().all(have)
}

/// A virtual machine, powered off, that starts a kernel without a boot loader and plays one scene.
#[derive(Debug)]
pub struct Vm {
    folder: tempfile::TempDir,
}

/// The output of a machine from power on to power off.
#[derive(Debug)]
pub struct Seen {
    /// The output of the scene.
    pub scene: String,
    /// The exit code of the scene; `None` if it did not finish.
    pub code: Option<i32>,
    /// The console output of the kernel and systemd.
    pub console: String,
}

impl Vm {
    /// Returns a machine whose disk is a copy of `root` and which runs `scene` when it is powered
    /// on.
    #[must_use]
    pub fn of(root: &Root, scene: &str) -> Self {
        root.write("/root/scene.sh", scene);
        root.write("/etc/systemd/system/scene.service", UNIT);
        root.write("/etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 1\n");
        let wants = root.at("/etc/systemd/system/default.target.wants");
        fs::create_dir_all(&wants).expect("a folder");
        std::os::unix::fs::symlink("../scene.service", wants.join("scene.service"))
            .expect("a link");
        let vm = Self { folder: tempfile::tempdir().expect("a folder") };
        for name in ["vmlinuz", "initrd.img"] {
            let from = newest(&root.at("/boot"), name);
            fs::copy(from, vm.path(name)).expect("a kernel and its initramfs");
        }
        let disk = fs::File::create(vm.path("disk")).expect("a disk");
        disk.set_len(DISK).expect("a disk");
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.args(["-q", "-t", "ext4", "-d", root.path().as_str(), vm.path("disk").as_str()]);
        expect(mke2fs, 0);
        vm
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join(name)
    }

    /// Powers it on, and waits until it is off again, for at most `limit`.
    #[must_use]
    pub fn play(&self, limit: Duration) -> Seen {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048"]);
        qemu.args(["-cpu", "max", "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot"]);
        qemu.args(["-kernel", self.path("vmlinuz").as_str()]);
        qemu.args(["-initrd", self.path("initrd.img").as_str()]);
        qemu.args(["-append", "root=/dev/vda rw console=ttyS0 panic=-1"]);
        qemu.arg("-drive")
            .arg(format!("file={},format=raw,if=virtio,cache=unsafe", self.path("disk")));
        for name in ["console", "scene"] {
            qemu.arg("-serial").arg(format!("file:{}", self.path(name)));
        }
        qemu.args(["-device", "virtio-rng-pci"]);
        let mut child = qemu.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("qemu");
        let begun = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if begun.elapsed() > limit {
                child.kill().expect("a child");
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        child.wait().expect("a child");
        let text = |name| {
            let bytes = fs::read(self.path(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
        };
        let scene = text("scene");
        let code =
            scene.rsplit_once(END).and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
        Seen { scene, code, console: text("console") }
    }

    /// Powers it on like [`Self::play`]; the scene must succeed.
    #[must_use]
    pub fn play_well(&self, limit: Duration) -> String {
        let seen = self.play(limit);
        let tail: Vec<_> = seen.console.lines().rev().take(30).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        assert_eq!(seen.code, Some(0), "{}\n-- console --\n{tail}", seen.scene);
        seen.scene
    }
}

/// Returns the file in `folder` with the prefix `name` and the newest kernel's release.
fn newest(folder: &Utf8Path, name: &str) -> Utf8PathBuf {
    let files = folder.read_dir_utf8().expect("a folder").map(|entry| entry.expect("a file"));
    let files = files.filter(|entry| entry.file_name().starts_with(&format!("{name}-")));
    files.map(|entry| entry.path().to_owned()).max().expect("a kernel")
}
