//! The requested sets, with release and node.

use vgpu_tests::roots::Release;
use vgpu_tests::roots::Release::{Debian11, Debian12, Debian13};

use self::Node::{Aged, Base, Full, Held, Plain};
use self::Then::{Install, Simulate};
use self::Told::{Inventory, Nothing, Status};
use self::Upgrades::{All, Coupled, Never};

/// A set of packages, with the expectations for its closure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub(super) release: Release,
    /// The requested packages, in one line.
    pub(super) wanted: &'static str,
    pub(super) node: Node,
    pub(super) told: Told,
    pub(super) upgrades: Upgrades,
    pub(super) then: Then,
}

/// The packages already on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The smallest system in which apt works.
    Plain,
    /// The same, with a toolchain and common packages of hosts.
    Full,
    /// The smallest system with all packages of `Priority: important`.
    Base,
    /// The smallest system as of the first point release.
    Aged,
    /// The same, with its C library on hold.
    Held,
}

/// The source of the bundler's knowledge of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// dpkg's status file.
    Status,
    /// The inventory, which has names and versions only.
    Inventory,
    /// None: the bundler assumes the packages of every system of the release, like [`Node::Base`].
    Nothing,
}

/// The upgrade setting of the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrades {
    Never,
    Coupled,
    All,
}

/// The check of the closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Simulate,
    Install,
}

/// The packages of [`Node::Full`] in addition to those of [`Node::Plain`].
pub(super) const FULL: [&str; 6] =
    ["build-essential", "openssh-server", "ifupdown", "pciutils", "python3", "lvm2"];

impl Node {
    pub(super) fn name(self) -> &'static str {
        match self {
            Plain => "plain",
            Full => "full",
            Base => "base",
            Aged => "aged",
            Held => "held",
        }
    }
}

impl Upgrades {
    pub(super) fn word(self) -> &'static str {
        match self {
            Never => "never",
            Coupled => "coupled",
            All => "all",
        }
    }
}

const fn set(release: Release, wanted: &'static str) -> Set {
    Set { release, wanted, node: Plain, told: Status, upgrades: Never, then: Simulate }
}

impl Set {
    const fn on(self, node: Node) -> Self {
        Self { node, ..self }
    }

    const fn by(self, told: Told) -> Self {
        Self { told, ..self }
    }

    const fn with(self, upgrades: Upgrades) -> Self {
        Self { upgrades, ..self }
    }

    const fn really(self) -> Self {
        Self { then: Install, ..self }
    }

    /// The requested packages.
    pub(super) fn packages(&self) -> Vec<&'static str> {
        self.wanted.split(' ').collect()
    }
}

/// Packages for a vGPU host, followed by harder closures: virtual packages, alternatives, several
/// providers, conflicts to avoid, hundreds of packages.
pub(super) const SETS: &[Set] = &[
    // -- Debian 12 -----------------------------------------------------------------------------
    set(Debian12, "dkms gcc make").really(),
    set(Debian12, "dkms gcc make mdevctl").on(Base).by(Nothing),
    set(Debian12, "dkms build-essential"),
    set(Debian12, "mdevctl").really(),
    set(Debian12, "podman").really(),
    set(Debian12, "docker.io"),
    set(Debian12, "mokutil shim-signed grub-efi-amd64-signed"),
    set(Debian12, "linux-headers-amd64"),
    set(Debian12, "linux-image-amd64"),
    set(Debian12, "rustc cargo"),
    set(Debian12, "rustc-web cargo-web"),
    set(Debian12, "dkms gcc make linux-headers-amd64 mdevctl mokutil unzip pkg-config patch"),
    set(Debian12, "docker.io docker-compose"),
    set(Debian12, "skopeo xorriso"),
    set(Debian12, "sbsigntool openssl"),
    set(Debian12, "megatools jq curl git"),
    set(Debian12, "python3-fastapi uvicorn nginx-light"),
    set(Debian12, "bsd-mailx"),
    set(Debian12, "bsd-mailx postfix"),
    set(Debian12, "ifupdown2 thin-provisioning-tools"),
    set(Debian12, "libvirt-daemon-system qemu-utils"),
    set(Debian12, "clang lld"),
    set(Debian12, "dkms linux-headers-amd64").on(Full),
    set(Debian12, "rustc cargo mdevctl").on(Full).by(Inventory),
    set(Debian12, "docker.io podman").on(Full),
    set(Debian12, "dkms gcc make").on(Aged).with(Coupled),
    set(Debian12, "build-essential").on(Aged).with(Coupled).really(),
    set(Debian12, "openssh-server perl").on(Aged).with(Coupled),
    set(Debian12, "mdevctl").on(Aged).with(All).really(),
    // -- Debian 13 -----------------------------------------------------------------------------
    set(Debian13, "dkms gcc make").really(),
    set(Debian13, "dkms gcc make mdevctl").on(Base).by(Nothing),
    set(Debian13, "dkms build-essential"),
    set(Debian13, "mdevctl").really(),
    set(Debian13, "podman"),
    set(Debian13, "docker.io").really(),
    set(Debian13, "mokutil shim-signed grub-efi-amd64-signed"),
    set(Debian13, "linux-headers-amd64"),
    set(Debian13, "linux-image-amd64"),
    set(Debian13, "rustc cargo"),
    set(Debian13, "dkms gcc make linux-headers-amd64 mdevctl mokutil unzip pkg-config patch"),
    set(Debian13, "docker.io docker-compose"),
    set(Debian13, "skopeo xorriso"),
    set(Debian13, "sbsigntool openssl"),
    set(Debian13, "megatools jq curl git"),
    set(Debian13, "python3-fastapi uvicorn nginx-light"),
    set(Debian13, "bsd-mailx"),
    set(Debian13, "systemd-boot"),
    set(Debian13, "libvirt-daemon-system qemu-utils"),
    set(Debian13, "virt-manager"),
    set(Debian13, "dkms linux-headers-amd64").on(Full).really(),
    set(Debian13, "rustc cargo mdevctl").on(Full),
    set(Debian13, "docker.io podman").on(Full).by(Inventory),
    set(Debian13, "build-essential").on(Aged).by(Inventory).with(Coupled),
    set(Debian13, "mdevctl").on(Aged).with(All),
    // -- Debian 11 -----------------------------------------------------------------------------
    set(Debian11, "dkms gcc make").really(),
    set(Debian11, "dkms build-essential"),
    set(Debian11, "mdevctl").really(),
    set(Debian11, "dkms gcc make mdevctl").on(Base).by(Nothing),
    set(Debian11, "podman"),
    set(Debian11, "docker.io"),
    set(Debian11, "mokutil shim-signed grub-efi-amd64-signed"),
    set(Debian11, "linux-headers-amd64"),
    set(Debian11, "linux-image-amd64"),
    set(Debian11, "rustc cargo"),
    set(Debian11, "skopeo xorriso"),
    set(Debian11, "bsd-mailx"),
    set(Debian11, "build-essential").on(Aged).with(Coupled),
];
