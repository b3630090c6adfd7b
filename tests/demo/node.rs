//! The node: a simulated Proxmox VE 8 with an RTX 2080 Ti, whose commands run in its folder.
//!
//! A shell and a few tools of this machine are copied there. apt, DKMS, systemd, the boot loader
//! and the module loader are stand-ins, as in the slow tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::nodes;
use vgpu_tests::tree::Snapshot;

use crate::laptop::PACKAGES;
use crate::show::has;

/// The tools that scripts in the node's folder call.
const TOOLS: [&str; 37] = [
    "awk", "cat", "chmod", "cksum", "cp", "cut", "date", "dirname", "echo", "env", "expr", "grep",
    "gzip", "head", "id", "install", "ln", "ls", "md5sum", "mkdir", "mv", "printf", "readlink",
    "rm", "rmdir", "sed", "sh", "sleep", "sort", "sync", "tail", "tar", "test", "touch", "tr",
    "true", "wc",
];

/// The stand-ins, by their places.
const COMMANDS: [(&str, &str); 12] = [
    ("usr/bin/apt-get", include_str!("commands/apt-get")),
    ("usr/bin/apt-mark", IDLE),
    ("usr/bin/dpkg", IDLE),
    ("usr/bin/uname", include_str!("../slow/modes/stubs/uname")),
    ("usr/bin/systemctl", include_str!("../slow/modes/stubs/systemctl")),
    ("usr/bin/journalctl", include_str!("../slow/modes/stubs/journalctl")),
    ("usr/sbin/dkms", include_str!("commands/dkms")),
    ("usr/sbin/depmod", IDLE),
    ("usr/sbin/modinfo", IDLE),
    ("usr/sbin/modprobe", include_str!("commands/modprobe")),
    ("usr/sbin/update-grub", include_str!("../slow/modes/stubs/update-grub")),
    ("usr/sbin/update-initramfs", IDLE),
];

/// A command whose results no program reads.
const IDLE: &str = "#!/bin/sh\nexit 0\n";

/// The paths that a boot makes anew, those of the installer itself, and logs.
const PASSED_OVER: [&str; 8] =
    ["dev", "etc/vgpu-offline", "proc", "run", "sys", "tmp", "var/lib/vgpu-offline", "var/log"];

/// How commands come to run in the node's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// This user is root.
    Root,
    /// In a user namespace, this user is root.
    Namespace,
}

pub(crate) struct Node {
    root: Utf8PathBuf,
    /// How its commands run; `None` if they do not.
    rights: Option<Rights>,
    boots: u32,
}

impl Rights {
    /// Returns how commands can run here; `None` if they cannot.
    pub(crate) fn here() -> Option<Self> {
        let succeeds = |command: &mut Command| {
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            quiet.status().is_ok_and(|status| status.success())
        };
        // The node gets copies of tools, with the libraries that `ldd` lists.
        if !has("ldd") {
            return None;
        }
        if succeeds(Command::new("chroot").args(["/", "true"])) {
            return Some(Self::Root);
        }
        let mut namespace = Self::Namespace.command("chroot");
        succeeds(namespace.args(["/", "true"])).then_some(Self::Namespace)
    }

    /// Returns a command that may change its root directory.
    pub(crate) fn command(self, program: &str) -> Command {
        match self {
            Self::Root => Command::new(program),
            Self::Namespace => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user", "--", program]);
                command
            }
        }
    }
}

impl Node {
    pub(crate) fn new(root: &Utf8Path, rights: Option<Rights>) -> Result<Self> {
        nodes::Node::Rtx2080Ti.write(root)?;
        let node = Self { root: root.to_owned(), rights, boots: 1 };
        node.bring()?;
        for (path, text) in COMMANDS {
            let path = root.join(path);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        fs::create_dir_all(root.join("root/machine"))?;
        fs::copy(root.join("proc/sys/kernel/osrelease"), root.join("root/machine/osrelease"))?;
        fs::write(root.join("dev/null"), "")?;
        for path in ["etc/hostname", "proc/sys/kernel/hostname"] {
            fs::write(root.join(path), "pve1\n")?;
        }
        for folder in ["usr/lib/systemd/system", "usr/share"] {
            fs::create_dir_all(root.join(folder))?;
        }
        node.run(&["update-grub"])?;
        Ok(node)
    }

    /// Makes dpkg know the packages, if the bundle cannot bring them.
    pub(crate) fn have_packages(&self) -> Result<()> {
        let path = self.root.join("var/lib/dpkg/status");
        let mut status = fs::read_to_string(&path)?;
        for (name, version) in PACKAGES {
            writeln!(
                status,
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
            )?;
        }
        Ok(fs::write(path, status)?)
    }

    /// Returns a picture of every path that a revert has to restore.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::of(&self.root, &PASSED_OVER)?)
    }

    /// Boots: the kernel gets the parameters of the boot loader, the modules are loaded, and the
    /// enabled services started. Returns what the installer's own unit runs, if it is
    /// enabled.
    pub(crate) fn boot(&mut self) -> Result<Vec<String>> {
        self.boots += 1;
        let at = |path: &str| self.root.join(path);
        let menu = fs::read_to_string(at("boot/grub/grub.cfg"))?;
        let words = menu.lines().find_map(|line| line.trim().strip_prefix("linux "));
        fs::write(at("proc/cmdline"), format!("BOOT_IMAGE={}\n", words.context("no kernel")?))?;
        let id = format!("00000000-0000-4000-8000-{:012}\n", self.boots);
        fs::write(at("proc/sys/kernel/random/boot_id"), id)?;
        fs::remove_dir_all(at("run"))?;
        fs::create_dir(at("run"))?;
        self.unload()?;
        let wanted = at("etc/systemd/system/multi-user.target.wants");
        if at("usr/bin/nvidia-smi").exists() {
            self.run(&["modprobe", "nvidia"])?;
            for unit in ["nvidia-vgpud.service", "nvidia-vgpu-mgr.service"] {
                if wanted.join(unit).is_symlink() {
                    self.run(&["systemctl", "start", unit])?;
                }
            }
        }
        let unit = wanted.join("vgpu-offline-resume.service");
        if !unit.is_symlink() {
            return Ok(Vec::new());
        }
        let unit = fs::read_to_string(at("etc/systemd/system/vgpu-offline-resume.service"))?;
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart="));
        let words = line.context("the unit runs nothing")?.split(' ');
        Ok(words.skip(1).map(str::to_owned).collect())
    }

    /// Takes the GPU from NVIDIA's module.
    fn unload(&self) -> Result<()> {
        for device in self.root.join("sys/bus/pci/devices").read_dir_utf8()? {
            let device = device?.into_path();
            if fs::read_link(device.join("driver")).is_ok_and(|it| it.ends_with("drivers/nvidia")) {
                fs::remove_file(device.join("driver"))?;
                fs::remove_dir_all(device.join("mdev_supported_types"))?;
            }
        }
        let _ = fs::remove_dir_all(self.root.join("sys/module/nvidia"));
        Ok(())
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let Some(rights) = self.rights else { return Ok(()) };
        let mut command = rights.command("chroot");
        command.arg(&self.root).args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words:?} in the node's folder: {said}");
        Ok(())
    }

    /// Copies the tools, with the libraries that they load.
    fn bring(&self) -> Result<()> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut files = BTreeSet::new();
        for tool in TOOLS {
            let found = path.split(':').map(|folder| Utf8Path::new(folder).join(tool));
            let Some(found) = found.into_iter().find(|path| path.is_file()) else { continue };
            fs::copy(&found, self.root.join("usr/bin").join(tool))?;
            let listed = Command::new("ldd").arg(&found).output().context("cannot run ldd")?;
            let listed = String::from_utf8(listed.stdout)?;
            let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
            files.extend(libraries.map(str::to_owned));
        }
        for file in files {
            let to = self.root.join(file.trim_start_matches('/'));
            fs::create_dir_all(to.parent().context("no folder")?)?;
            fs::copy(&file, to)?;
        }
        Ok(())
    }
}
