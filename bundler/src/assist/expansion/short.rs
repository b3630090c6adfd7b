//! The short form of a recipe: `[vgpu]`, the machine and what it is to do, and `[packages]`.

use serde::{Deserialize, Serialize};
use vgpu_manifest::ParseTextError;
use vgpu_manifest::catalog::Release;
use vgpu_manifest::package::Fingerprint;
use vgpu_manifest::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};
use vgpu_manifest::verdict::{PoolFeatures, Target};

use super::Preset;
use crate::assist::Licensing;
use crate::types::{Address, LocalPath, OneOrMany, Request, Upgrades};

/// The table `[vgpu]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Vgpu {
    /// The inventory of the node. Other fields take precedence over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<LocalPath>,
    /// The GPUs to use. Default: those of the node.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub(crate) gpu: OneOrMany<PciId>,
    pub(crate) driver: DriverChoice,
    /// The host driver, or the portal .zip that contains it. Default: its usual name in `inputs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) driver_file: Option<LocalPath>,
    /// The folder of drivers and patches. Default: `inputs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inputs: Option<LocalPath>,
    /// The guest drivers to include.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) guests: Vec<Guest>,
    #[serde(default, skip_serializing_if = "Licensing::is_nothing")]
    pub(crate) licensing: Licensing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pve: Option<PveRelease>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<KernelRelease>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secure_boot: Option<SecureBoot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) boot_loader: Option<BootLoader>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<RootFs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pool: Option<PoolFeatures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<CpuVendor>,
}

/// A vGPU release, or `passthrough`: each GPU goes to one guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum DriverChoice {
    Release(Release),
    Passthrough,
}

const PASSTHROUGH: &str = "passthrough";

impl TryFrom<String> for DriverChoice {
    type Error = ParseTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == PASSTHROUGH { Ok(Self::Passthrough) } else { text.parse().map(Self::Release) }
    }
}

impl From<DriverChoice> for String {
    fn from(choice: DriverChoice) -> Self {
        match choice {
            DriverChoice::Release(release) => release.to_string(),
            DriverChoice::Passthrough => PASSTHROUGH.to_owned(),
        }
    }
}

vgpu_manifest::words! {
    /// The operating system of guests.
    Guest, "a kind of guest", {
        Linux = "linux",
        Windows = "windows",
    }
}

impl Vgpu {
    /// Returns the facts about the machine that it names.
    pub(super) fn facts(&self) -> Target {
        Target {
            pve: self.pve,
            kernel: self.kernel.clone(),
            secure_boot: self.secure_boot,
            boot_loader: self.boot_loader,
            root: self.root,
            pool: self.pool,
            cpu: self.cpu,
        }
    }
}

/// The table `[packages]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Packages {
    /// The archives, in the order in which they are asked.
    pub(super) archives: Vec<Preset>,
    /// Packages besides those that the driver needs.
    #[serde(default)]
    pub(super) install: Vec<Request>,
    #[serde(default)]
    pub(super) upgrades: Upgrades,
    #[serde(default)]
    debian: Settings,
    #[serde(default)]
    debian_security: Settings,
    #[serde(default)]
    pve_no_subscription: Settings,
    #[serde(default)]
    pve_enterprise: Settings,
}

/// The settings of a known archive.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    /// The mirrors. Default: those of this machine's apt.
    #[serde(default)]
    pub(super) mirror: OneOrMany<Address>,
    /// The file with its keys. Default: one of this machine, or a download.
    pub(super) keyring: Option<LocalPath>,
    /// The keys of a mirror that signs the archive again. Default: those of Debian or Proxmox.
    #[serde(default)]
    pub(super) signed_by: OneOrMany<Fingerprint>,
}

impl Packages {
    pub(super) fn settings(&self, preset: Preset) -> &Settings {
        match preset {
            Preset::Debian => &self.debian,
            Preset::DebianSecurity => &self.debian_security,
            Preset::PveNoSubscription => &self.pve_no_subscription,
            Preset::PveEnterprise => &self.pve_enterprise,
        }
    }

    /// Returns an archive that has settings but is not in the list.
    pub(super) fn unlisted(&self) -> Option<Preset> {
        let is_set = |it: &Settings| {
            !it.mirror.is_empty() || it.keyring.is_some() || !it.signed_by.is_empty()
        };
        let mut all = Preset::ALL.iter().copied();
        all.find(|it| is_set(self.settings(*it)) && !self.archives.contains(it))
    }
}

/// Returns the facts, and otherwise those that are known.
pub(crate) fn over(facts: Target, known: Target) -> Target {
    Target {
        pve: facts.pve.or(known.pve),
        kernel: facts.kernel.or(known.kernel),
        secure_boot: facts.secure_boot.or(known.secure_boot),
        boot_loader: facts.boot_loader.or(known.boot_loader),
        root: facts.root.or(known.root),
        pool: facts.pool.or(known.pool),
        cpu: facts.cpu.or(known.cpu),
    }
}
