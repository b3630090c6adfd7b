//! The Debian and Proxmox VE files on a disk.

use std::fmt::Write as _;
use std::io;

use super::Root;

/// A release of Proxmox VE, or of Debian alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// On bullseye.
    Pve7,
    /// On bookworm.
    Pve8,
    /// On trixie.
    Pve9,
    /// Bookworm without Proxmox VE.
    Debian12,
}

/// A package: name, architecture, version, and whether it was installed as a dependency.
type Package = (&'static str, &'static str, &'static str, bool);

const BULLSEYE: &[Package] = &[
    ("apt", "amd64", "2.2.4", false),
    ("base-files", "amd64", "11.1+deb11u11", false),
    ("dpkg", "amd64", "1.20.13", false),
    ("genisoimage", "amd64", "9:1.1.11-3.2", true),
    ("grub-pc", "amd64", "2.06-3~deb11u6", false),
    ("libc6", "amd64", "2.31-13+deb11u11", false),
    ("pve-headers-5.15.158-2-pve", "amd64", "5.15.158-2", true),
    ("pve-kernel-5.15.158-2-pve", "amd64", "5.15.158-2", true),
    ("pve-manager", "amd64", "7.4-17", true),
];

const BOOKWORM: &[Package] = &[
    ("adduser", "all", "3.134", false),
    ("apt", "amd64", "2.6.2", false),
    ("base-files", "amd64", "12.4+deb12u11", false),
    ("bash", "amd64", "5.2.15-2+b13", false),
    ("coreutils", "amd64", "9.1-1", false),
    ("dpkg", "amd64", "1.21.23", false),
    ("grub-common", "amd64", "2.06-13+deb12u2", true),
    ("grub-efi-amd64", "amd64", "2.06-13+deb12u2", false),
    ("initramfs-tools", "all", "0.142+deb12u3", true),
    ("libc6", "amd64", "2.36-9+deb12u14", false),
    ("lvm2", "amd64", "2.03.16-2", false),
    ("openssh-server", "amd64", "1:9.2p1-2+deb12u10", true),
    ("perl", "amd64", "5.36.0-7+deb12u4", true),
    ("python3", "amd64", "3.11.2-1+b1", false),
    ("systemd", "amd64", "252.39-1~deb12u2", false),
    ("udev", "amd64", "252.39-1~deb12u2", false),
    ("util-linux", "amd64", "2.38.1-5+deb12u3", false),
];

const PVE_8: &[Package] = &[
    ("genisoimage", "amd64", "9:1.1.11-3.4", true),
    ("proxmox-default-kernel", "all", "1.1.0", true),
    ("proxmox-kernel-6.8", "all", "6.8.12-43", true),
    ("proxmox-kernel-6.8.12-43-pve-signed", "amd64", "6.8.12-43", true),
    ("proxmox-ve", "all", "8.4.0", false),
    ("pve-manager", "all", "8.4.1", true),
];

const TRIXIE: &[Package] = &[
    ("apt", "amd64", "3.0.3", false),
    ("base-files", "amd64", "13.8+deb13u1", false),
    ("dpkg", "amd64", "1.22.21", false),
    ("genisoimage", "amd64", "9:1.1.11-4", true),
    ("libc6", "amd64", "2.41-12", false),
    ("proxmox-headers-7.0.14-14-pve", "amd64", "7.0.14-14", true),
    ("proxmox-kernel-7.0.14-14-pve-signed", "amd64", "7.0.14-14", true),
    ("pve-manager", "all", "9.2.1", true),
];

impl Release {
    fn codename(self) -> &'static str {
        match self {
            Self::Pve7 => "bullseye",
            Self::Pve8 | Self::Debian12 => "bookworm",
            Self::Pve9 => "trixie",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Pve7 => "11.11",
            Self::Pve8 | Self::Debian12 => "12.11",
            Self::Pve9 => "13.1",
        }
    }

    fn packages(self) -> Vec<Package> {
        match self {
            Self::Pve7 => BULLSEYE.to_vec(),
            Self::Pve8 => [BOOKWORM, PVE_8].concat(),
            Self::Pve9 => TRIXIE.to_vec(),
            Self::Debian12 => BOOKWORM.to_vec(),
        }
    }
}

/// Writes everything except hardware, kernels and the boot loader.
pub(super) fn write(root: &mut Root, release: Release) -> io::Result<()> {
    skeleton(root)?;
    identity(root, release)?;
    packages(root, release, &[])?;
    match release {
        Release::Pve9 => sources_deb822(root, release),
        _ => sources_one_line(root, release),
    }
}

/// Creates the folders that every host has, with merged `/usr`.
fn skeleton(root: &mut Root) -> io::Result<()> {
    for folder in ["bin", "lib", "lib64", "sbin"] {
        root.dir(&format!("/usr/{folder}"))?;
        root.link(&format!("/{folder}"), &format!("usr/{folder}"))?;
    }
    for folder in [
        "/boot",
        "/dev",
        "/etc/initramfs-tools/conf.d",
        "/etc/kernel",
        "/etc/modprobe.d",
        "/etc/modules-load.d",
        "/etc/pve/qemu-server",
        "/etc/systemd/system/multi-user.target.wants",
        "/etc/udev/rules.d",
        "/home",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/srv",
        "/tmp",
        "/usr/local/sbin",
        "/usr/src",
        "/var/cache",
        "/var/lib",
        "/var/log",
        "/var/tmp",
    ] {
        root.dir(folder)?;
    }
    root.file("/etc/modules", "# /etc/modules: kernel modules to load at boot time.\n")?;
    root.file("/etc/modprobe.d/pve-blacklist.conf", "blacklist nvidiafb\n")?;
    root.file(
        "/proc/mounts",
        "proc /proc proc rw 0 0\n/dev/mapper/pve-root / ext4 rw,relatime 0 0\n",
    )
}

/// Writes the node's identity, which an inventory contains only on request.
fn identity(root: &mut Root, release: Release) -> io::Result<()> {
    let (codename, version) = (release.codename(), release.version());
    let major = version.split('.').next().unwrap_or_default();
    let os_release = format!(
        "PRETTY_NAME=\"Debian GNU/Linux {major} ({codename})\"\nNAME=\"Debian GNU/Linux\"\n\
         VERSION_ID=\"{major}\"\nVERSION=\"{major} ({codename})\"\nVERSION_CODENAME={codename}\nID=debian\n"
    );
    root.file("/usr/lib/os-release", os_release)?;
    root.link("/etc/os-release", "../usr/lib/os-release")?;
    root.file("/etc/debian_version", format!("{version}\n"))?;
    root.file("/etc/hostname", "secret-name\n")?;
    root.file("/etc/machine-id", "00000000000000000000000000000001\n")?;
    root.file("/proc/sys/kernel/hostname", "secret-name\n")?;
    root.file("/proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n")?;
    root.file("/sys/class/dmi/id/product_serial", "SERIAL-1\n")?;
    root.file("/sys/class/dmi/id/board_serial", "SERIAL-2\n")
}

/// Writes the records of dpkg and apt, with these additional packages.
pub(super) fn packages(root: &mut Root, release: Release, more: &[Package]) -> io::Result<()> {
    let (mut status, mut extended) = (String::new(), String::new());
    for (name, arch, version, auto) in release.packages().iter().chain(more) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            status,
            "Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: admin\n\
             Maintainer: Maintainer <maintainer@example.org>\nArchitecture: {arch}\nVersion: {version}\n\
             Description: a stand-in\n of which only this record exists\n"
        );
        if *auto {
            let _ = writeln!(extended, "Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n");
        }
    }
    root.file("/var/lib/dpkg/status", status)?;
    root.file("/var/lib/apt/extended_states", extended)
}

fn sources_one_line(root: &mut Root, release: Release) -> io::Result<()> {
    let codename = release.codename();
    let security = format!("{codename}-security");
    root.file(
        "/etc/apt/sources.list",
        format!(
            "deb http://mirror.example/debian {codename} main contrib\n\n# security\n\
             deb http://mirror.example/debian-security {security} main contrib\n"
        ),
    )?;
    if release == Release::Debian12 {
        return Ok(());
    }
    root.file(
        "/etc/apt/sources.list.d/pve-enterprise.list",
        format!("deb https://enterprise.example/debian/pve {codename} pve-enterprise\n"),
    )
}

fn sources_deb822(root: &mut Root, release: Release) -> io::Result<()> {
    let codename = release.codename();
    let debian = format!(
        "Types: deb\nURIs: http://user:password@mirror.example/debian\nSuites: {codename} {codename}-updates\n\
         Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    );
    root.file("/etc/apt/sources.list.d/debian.sources", debian)?;
    let enterprise = format!(
        "Types: deb\nURIs: https://enterprise.example/debian/pve\nSuites: {codename}\n\
         Components: pve-enterprise\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n\
         Enabled: false\n"
    );
    root.file("/etc/apt/sources.list.d/pve-enterprise.sources", enterprise)
}
