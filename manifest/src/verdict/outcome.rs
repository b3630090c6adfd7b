//! What a verdict is.

use serde::{Serialize, Serializer};

use super::{Case, Doubt, Statement};
use crate::catalog::{
    DeviceId, Driver, DriverFile, Evidence, Identity, Library, Modules, Patch, Release, Rule, State,
};
use crate::platform::words::words;
use crate::platform::{BootLoader, KernelRelease, PveSeries};

/// Whether a case works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict<'c> {
    /// It works, or nothing that is known speaks against it.
    Suitable(Box<Suitable<'c>>),
    /// It does not.
    Unsuitable(Box<Unsuitable<'c>>),
}

impl<'c> Verdict<'c> {
    /// The good news, if it is.
    #[must_use]
    pub fn suitable(&self) -> Option<&Suitable<'c>> {
        match self {
            Self::Suitable(suitable) => Some(suitable),
            Self::Unsuitable(_) => None,
        }
    }

    /// The bad news, if it is.
    #[must_use]
    pub fn unsuitable(&self) -> Option<&Unsuitable<'c>> {
        match self {
            Self::Suitable(_) => None,
            Self::Unsuitable(unsuitable) => Some(unsuitable),
        }
    }
}

words! {
    /// How a GPU serves guests.
    Mode, "a mode", {
        /// With vGPUs, as NVIDIA made it.
        Native = "native",
        /// With vGPUs, shown to the driver as another card.
        Unlock = "unlock",
        /// Whole, to one guest.
        Passthrough = "passthrough",
    }
}

/// A GPU, as verdicts name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GpuName {
    /// The device id.
    pub id: DeviceId,
    /// What pci.ids calls it.
    pub name: String,
    /// The architecture, if it is known.
    pub arch: Option<String>,
}

/// A case that works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Suitable<'c> {
    /// The GPU.
    pub gpu: GpuName,
    /// How it serves guests.
    pub mode: Mode,
    /// Unproven if there is any doubt.
    pub state: State,
    /// What the sources leave open.
    pub doubts: Vec<Doubt<'c>>,
    /// The driver to install; `None` for a passthrough.
    pub driver: Option<Install<'c>>,
    /// What makes the card look like another; `None` unless it is unlocked.
    pub unlock: Option<Unlock<'c>>,
    /// Debian packages that the node needs, but the kernel itself.
    pub packages: Vec<String>,
    /// The package of the kernel, which a node that runs it has.
    pub kernel_package: Option<String>,
    /// Words for the kernel command line.
    pub kernel_words: Vec<&'static str>,
    /// Where those words go, if the boot loader is known.
    pub boot_loader: Option<BootLoader>,
    /// Lines for modprobe.
    pub modprobe: Vec<&'static str>,
    /// Modules to load at boot.
    pub load: Vec<&'static str>,
    /// Reboots, each with what it is for.
    pub reboots: Vec<Vec<RebootFor>>,
    /// What must be done by hand, most of it on the console.
    pub console: Vec<Statement<'c>>,
    /// What one should know.
    pub warnings: Vec<Statement<'c>>,
    /// Why it works.
    pub evidence: Vec<&'c Evidence>,
}

/// How the driver is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Install<'c> {
    /// The driver.
    #[serde(serialize_with = "release_of")]
    pub driver: &'c Driver,
    /// The form of its file.
    pub file: DriverFile,
    /// Arguments for NVIDIA's installer.
    pub args: Vec<String>,
    /// The kernel modules that it installs.
    pub modules: Modules,
}

/// How the card is unlocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unlock<'c> {
    /// The card that it is shown as; `None` if its own identity will do.
    pub shown_as: Option<&'c Identity>,
    /// The patch.
    pub patch: Option<&'c Patch>,
    /// The library; `None` if there is none for the driver.
    pub library: Option<&'c Library>,
    /// Which `vgpuConfig.xml` the driver needs.
    pub config: Config,
}

words! {
    /// Which `vgpuConfig.xml` a driver needs.
    Config, "a vgpuConfig.xml", {
        /// Its own.
        Own = "own",
        /// That of a 16.x package.
        Branch16 = "branch-16",
    }
}

words! {
    /// What takes effect with a reboot.
    RebootFor, "a reason for a reboot", {
        /// The IOMMU and the other words on the kernel command line.
        KernelWords = "kernel-words",
        /// The host's own graphics drivers let go of the card.
        ReleaseCard = "release-card",
        /// The module signing key is enrolled.
        ModuleKey = "module-key",
    }
}

/// A case that does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unsuitable<'c> {
    /// The GPU; `None` if it is not one of NVIDIA's.
    pub gpu: Option<GpuName>,
    /// Why not.
    pub reason: Statement<'c>,
    /// What works instead, the least change first; one choice for each kind of change.
    pub nearest: Vec<Choice>,
}

impl Unsuitable<'_> {
    /// The rule that forbids it.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.reason.rule
    }
}

/// Another case that works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Choice {
    /// What is different.
    pub changes: Vec<Change>,
    /// How the GPU serves guests then.
    pub mode: Mode,
    /// Whether there is any doubt.
    pub state: State,
    /// The case itself.
    pub case: Case,
}

/// One thing that differs between two cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", content = "to", rename_all = "kebab-case")]
pub enum Change {
    /// The form of the driver's file.
    File(DriverFile),
    /// The driver.
    Driver(Release),
    /// The kernel.
    Kernel(KernelRelease),
    /// Secure Boot is switched off in the firmware.
    SecureBootOff,
    /// The release of Proxmox VE.
    Pve(PveSeries),
    /// The GPU is given whole to one guest.
    Passthrough,
}

fn release_of<S: Serializer>(driver: &Driver, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Short<'d> {
        release: Release,
        host: &'d str,
        file: &'d str,
        linux_guest: &'d str,
        windows_guest: &'d str,
    }
    let short = Short {
        release: driver.release,
        host: driver.host.as_str(),
        file: &driver.file,
        linux_guest: driver.linux_guest.as_str(),
        windows_guest: driver.windows_guest.as_str(),
    };
    short.serialize(to)
}
