//! The verdict.

use serde::{Serialize, Serializer};

use super::{Case, Doubt, Statement};
use crate::catalog::{
    DeviceId, Driver, DriverFile, Evidence, Identity, Library, Modules, Patch, Release, Rule, State,
};
use crate::platform::{BootLoader, KernelRelease, PveSeries};
use crate::words;

/// Whether a case works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict<'c> {
    /// It works, or no known fact prevents it.
    Suitable(Box<Suitable<'c>>),
    /// It does not work.
    Unsuitable(Box<Unsuitable<'c>>),
}

impl<'c> Verdict<'c> {
    /// Returns the details of a suitable case.
    #[must_use]
    pub fn suitable(&self) -> Option<&Suitable<'c>> {
        match self {
            Self::Suitable(suitable) => Some(suitable),
            Self::Unsuitable(_) => None,
        }
    }

    /// Returns the details of an unsuitable case.
    #[must_use]
    pub fn unsuitable(&self) -> Option<&Unsuitable<'c>> {
        match self {
            Self::Suitable(_) => None,
            Self::Unsuitable(unsuitable) => Some(unsuitable),
        }
    }
}

words! {
    /// The mode in which guests use a GPU.
    Mode, "a mode", {
        /// vGPU with NVIDIA's support.
        Native = "native",
        /// vGPU with an unlock library, which presents the GPU as another one.
        Unlock = "unlock",
        /// Passthrough of the whole GPU to one guest.
        Passthrough = "passthrough",
    }
}

/// The name of a GPU in verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct GpuName {
    /// The device id.
    pub id: DeviceId,
    /// Its name in pci.ids.
    pub name: String,
    /// The architecture, if it is known.
    pub arch: Option<String>,
}

/// A suitable case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Suitable<'c> {
    /// The GPU.
    pub gpu: GpuName,
    /// The mode in which guests use it.
    pub mode: Mode,
    /// Unproven if anything is in doubt.
    pub state: State,
    /// The open questions.
    pub doubts: Vec<Doubt<'c>>,
    /// The driver to install; `None` for a passthrough.
    pub driver: Option<Install<'c>>,
    /// The unlocking; `None` unless the GPU is unlocked.
    pub unlock: Option<Unlock<'c>>,
    /// The Debian packages without which the driver cannot be installed, except the kernel.
    pub packages: Vec<String>,
    /// The Debian packages that keep the driver working with later kernels.
    pub recommended: Vec<String>,
    /// The package of the kernel.
    pub kernel_package: Option<String>,
    /// Kernel parameters.
    pub kernel_words: Vec<&'static str>,
    /// The boot loader, which determines the file for kernel parameters.
    pub boot_loader: Option<BootLoader>,
    /// Lines of the modprobe configuration.
    pub modprobe: Vec<&'static str>,
    /// Modules to load at boot.
    pub load: Vec<&'static str>,
    /// Reboots with their reasons.
    pub reboots: Vec<Vec<RebootFor>>,
    /// Manual steps, most of them on the console.
    pub console: Vec<Statement<'c>>,
    /// Notes.
    pub warnings: Vec<Statement<'c>>,
    /// The evidence.
    pub evidence: Vec<&'c Evidence>,
}

/// The installation of the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Install<'c> {
    /// The driver.
    #[serde(serialize_with = "release_of")]
    #[cfg_attr(feature = "schema", schemars(with = "Short<'_>"))]
    pub driver: &'c Driver,
    /// The form of its file.
    pub file: DriverFile,
    /// Arguments for NVIDIA's installer.
    pub args: Vec<String>,
    /// The kernel modules that it installs.
    pub modules: Modules,
}

/// The unlocking of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Unlock<'c> {
    /// The GPU as which it is presented; `None` if its own identity is sufficient.
    pub shown_as: Option<&'c Identity>,
    /// The patch.
    pub patch: Option<&'c Patch>,
    /// The library; `None` if none supports the driver.
    pub library: Option<&'c Library>,
    /// The `vgpuConfig.xml` that the driver needs.
    pub config: Config,
}

words! {
    /// The `vgpuConfig.xml` that a driver needs.
    Config, "a vgpuConfig.xml", {
        /// The driver's own.
        Own = "own",
        /// The one of a 16.x package.
        Branch16 = "branch-16",
    }
}

words! {
    /// A reason for a reboot.
    RebootFor, "a reason for a reboot", {
        /// New kernel parameters.
        KernelWords = "kernel-words",
        /// The host's graphics drivers must release the GPU.
        ReleaseCard = "release-card",
        /// The module signing key must be enrolled.
        ModuleKey = "module-key",
    }
}

/// An unsuitable case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Unsuitable<'c> {
    /// The GPU; `None` if it is not an NVIDIA GPU.
    pub gpu: Option<GpuName>,
    /// The reason.
    pub reason: Statement<'c>,
    /// Alternatives, the smallest change first; at most one for each kind of change.
    pub nearest: Vec<Choice>,
}

impl Unsuitable<'_> {
    /// Returns the violated rule.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.reason.rule
    }
}

/// An alternative case that works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Choice {
    /// The differences.
    pub changes: Vec<Change>,
    /// The mode in which guests use the GPU.
    pub mode: Mode,
    /// Whether anything is in doubt.
    pub state: State,
    /// The case itself.
    pub case: Case,
}

/// A difference between two cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "change", content = "to", rename_all = "kebab-case")]
pub enum Change {
    /// The form of the driver's file.
    File(DriverFile),
    /// The driver.
    Driver(Release),
    /// The kernel.
    Kernel(KernelRelease),
    /// Secure Boot is disabled in the firmware.
    SecureBootOff,
    /// The release of Proxmox VE.
    Pve(PveSeries),
    /// The GPU is passed through to one guest.
    Passthrough,
}

/// A driver, as a verdict names it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Short<'d> {
    /// The release of NVIDIA vGPU.
    release: Release,
    /// The version of the host driver.
    host: &'d str,
    /// The name of its file.
    file: &'d str,
    /// The version of the guest driver for Linux; `null` if it is not recorded.
    linux_guest: Option<&'d str>,
    /// The version of the guest driver for Windows; `null` if it is not recorded.
    windows_guest: Option<&'d str>,
}

fn release_of<S: Serializer>(driver: &Driver, to: S) -> Result<S::Ok, S::Error> {
    let short = Short {
        release: driver.release,
        host: driver.host.as_str(),
        file: &driver.file,
        linux_guest: Some(driver.linux_guest.as_str()).filter(|_| !driver.newer),
        windows_guest: Some(driver.windows_guest.as_str()).filter(|_| !driver.newer),
    };
    short.serialize(to)
}
