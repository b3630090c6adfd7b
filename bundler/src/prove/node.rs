//! The node in a root: its kernel, its GPUs, and the programs that only a booted node has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;
use camino::Utf8Path;
use vgpu_manifest::platform::{CpuVendor, KernelRelease};
use vgpu_manifest::verdict::Targets;

/// The folder of the facts that [`super::namespace`] mounts over those of this machine's kernel.
const FACTS: &str = "var/lib/vgpu-prove";

/// Programs that act on a running system, and succeed without doing anything: nothing runs in the
/// root, so there is no service to start and no module to load.
const IDLE: [&str; 6] =
    ["modprobe", "proxmox-boot-tool", "systemctl", "udevadm", "update-grub", "update-initramfs"];

/// `uname` with the release of the node's kernel. The system call still names this machine's.
const UNAME: &str = "#!/bin/sh\n\
    # The kernel of the node, by vgpu-bundler prove.\n\
    test \"$*\" != -r || exec cat /proc/sys/kernel/osrelease\n\
    exec /usr/bin/uname \"$@\"\n";

/// The package by which Proxmox VE shows its release.
const MANAGER: &str = "pve-manager";

/// Makes the root in `root` look like a booted node with this kernel.
pub(super) fn boot(
    root: &Utf8Path,
    kernel: &KernelRelease,
    targets: &Targets,
) -> anyhow::Result<()> {
    let put = |path: &str, text: &str| put(root, path, text);
    let cpu = match targets.cpu {
        Some(CpuVendor::Amd) => "vendor_id\t: AuthenticAMD\nflags\t\t: svm\n",
        _ => "vendor_id\t: GenuineIntel\nflags\t\t: vmx\n",
    };
    for (name, text) in [
        ("osrelease", format!("{kernel}\n").as_str()),
        ("hostname", "prove\n"),
        ("boot_id", "00000000-0000-4000-8000-000000000000\n"),
        ("cmdline", "root=/dev/sda1 ro\n"),
        ("cpuinfo", cpu),
        ("modules", ""),
    ] {
        put(&format!("{FACTS}/{name}"), text)?;
    }
    // The kernel itself is not needed to build modules for it, only to be found.
    if !root.join(format!("boot/vmlinuz-{kernel}")).exists() {
        put(&format!("boot/vmlinuz-{kernel}"), "")?;
    }
    for (slot, gpu) in targets.gpu.iter().enumerate() {
        let device = format!("sys/bus/pci/devices/0000:{:02x}:00.0", 0x80 + slot);
        let (vendor, board) = gpu.subsystem().unwrap_or((gpu.vendor(), 0));
        for (name, id) in [
            ("vendor", gpu.vendor()),
            ("device", gpu.device()),
            ("subsystem_vendor", vendor),
            ("subsystem_device", board),
        ] {
            put(&format!("{device}/{name}"), &format!("{id:#06x}\n"))?;
        }
        put(&format!("{device}/class"), "0x030000\n")?;
    }
    for name in IDLE {
        program(root, name, "#!/bin/sh\n# Does nothing, by vgpu-bundler prove.\nexit 0\n")?;
    }
    program(root, "uname", UNAME)?;
    // The root is temporary, so its files need not reach the disk.
    put("etc/dpkg/dpkg.cfg.d/vgpu-prove", "force-unsafe-io\n")?;
    // Packages must not start services either.
    put("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")?;
    executable(root, "usr/sbin/policy-rc.d")?;
    if let Some(pve) = targets.pve {
        let status = root.join("var/lib/dpkg/status");
        let known =
            fs::read_to_string(&status).with_context(|| format!("cannot read `{status}`"))?;
        let stanza = format!(
            "Package: {MANAGER}\nStatus: install ok installed\nArchitecture: all\n\
             Version: {pve}.0\nMaintainer: vgpu-bundler prove\nDescription: stands for Proxmox VE\n\n"
        );
        let known = format!("{}\n\n{stanza}", known.trim_end());
        put("var/lib/dpkg/status", &known)?;
        put(&format!("var/lib/dpkg/info/{MANAGER}.list"), "/.\n")?;
    }
    Ok(())
}

/// Makes the next program in the root see another boot.
pub(super) fn reboot(root: &Utf8Path) -> anyhow::Result<()> {
    put(root, &format!("{FACTS}/boot_id"), "00000000-0000-4000-8000-000000000001\n")
}

/// Writes a file of the root, and creates its folder.
pub(super) fn put(root: &Utf8Path, path: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join(path);
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, text)
    };
    write().with_context(|| format!("cannot write `{path}`"))
}

/// Writes a program where it precedes those of packages.
fn program(root: &Utf8Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = format!("usr/local/sbin/{name}");
    put(root, &path, text)?;
    executable(root, &path)
}

fn executable(root: &Utf8Path, path: &str) -> anyhow::Result<()> {
    let path = root.join(path);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).with_context(|| format!("cannot write `{path}`"))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn the_facts_are_those_of_the_targets() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        put(&root, "var/lib/dpkg/status", "Package: dpkg\nStatus: install ok installed\n").unwrap();
        let text = "gpu = ['10de:1eb8', '10de:1e30/10de:12ba']\ndriver = '16.9'\npve = '8.4'\n\
                    cpu = 'amd'\n";
        let targets: Targets = toml::from_str(text).unwrap();
        boot(&root, &"6.8.12-43-pve".parse().unwrap(), &targets).unwrap();
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        assert_eq!(read("var/lib/vgpu-prove/osrelease"), "6.8.12-43-pve\n");
        assert!(read("var/lib/vgpu-prove/cpuinfo").contains("AuthenticAMD"));
        assert_eq!(read("sys/bus/pci/devices/0000:80:00.0/device"), "0x1eb8\n");
        assert_eq!(read("sys/bus/pci/devices/0000:81:00.0/subsystem_device"), "0x12ba\n");
        let status = read("var/lib/dpkg/status");
        assert!(
            status.starts_with("Package: dpkg\n") && status.contains("\n\nPackage: pve-manager\n")
        );
        assert!(status.contains("Version: 8.4.0\n"), "{status}");
        let mode = fs::metadata(root.join("usr/local/sbin/systemctl")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o755);
    }
}
