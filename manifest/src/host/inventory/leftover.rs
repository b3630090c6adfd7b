use std::fmt;

use serde::{Deserialize, Serialize};

use super::Label;
use crate::HostPath;
use crate::platform::PciAddress;
use crate::words;

/// Something that an earlier installation of vGPU or passthrough left behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Leftover {
    /// Its kind.
    pub kind: LeftoverKind,
    /// Its path.
    pub path: HostPath,
    /// Its line, if it is a single line of a configuration file. Only leftovers of passthrough have
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LeftoverLine>,
    /// The GPUs that it takes from NVIDIA's driver, by address; empty if it concerns all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<PciAddress>,
}

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LeftoverLine {
    /// Its number, from 1.
    pub number: u32,
    /// Its text; of a kernel command line, only the parameter.
    pub text: Label,
    /// The other lines of the file.
    pub among: Among,
}

/// The lines around a leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Among {
    /// The file has only settings for passthrough, so it can be removed.
    Leftovers,
    /// The file also has other settings.
    Others,
}

impl Leftover {
    /// Returns a leftover that is the whole of a path, or that its kind explains.
    #[must_use]
    pub const fn at(kind: LeftoverKind, path: HostPath) -> Self {
        Self { kind, path, line: None, gpus: Vec::new() }
    }

    /// Checks whether it concerns a GPU.
    #[must_use]
    pub fn concerns(&self, gpu: PciAddress) -> bool {
        self.gpus.is_empty() || self.gpus.contains(&gpu)
    }
}

impl LeftoverLine {
    /// Returns a line with this number; its text is made printable.
    #[must_use]
    pub fn new(number: u32, text: &str, among: Among) -> Self {
        Self { number, text: Label::lossy(text), among }
    }
}

/// Formats its path, preceded by its line if it has one.
impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => write!(f, "`{}` in {}, line {}", line.text, self.path, line.number),
            None => write!(f, "{}", self.path),
        }
    }
}

words! {
    /// A leftover of an earlier installation.
    ///
    /// All versions of the Bash script `proxmox-vgpu-installer` and the guide that it automates
    /// leave the first ones. The script's own removal deletes few of them. The last ones are from
    /// guides for passthrough.
    LeftoverKind, "a kind of leftover", {
        /// The folder of the script, with its state file, log and downloads.
        ScriptFolder = "script-folder",
        /// The checkout of the driver patches.
        PatchFolder = "patch-folder",
        /// The checkout of `vgpu_unlock-rs` with the library that the drop-ins load.
        UnlockFolder = "unlock-folder",
        /// The configuration of `vgpu_unlock-rs`.
        UnlockConfig = "unlock-config",
        /// A drop-in that preloads the unlock library into an NVIDIA daemon.
        UnlockDropIn = "unlock-drop-in",
        /// An NVIDIA driver that NVIDIA's installer has installed.
        Driver = "driver",
        /// NVIDIA's module in DKMS, or a partly removed one.
        DkmsTree = "dkms-tree",
        /// A DKMS configuration that signs with the script's key.
        DkmsSigning = "dkms-signing",
        /// The script's private, unencrypted key for signing modules.
        SigningKey = "signing-key",
        /// An enabled NVIDIA or SR-IOV service.
        EnabledUnit = "enabled-unit",
        /// VFIO modules in `/etc/modules`.
        ModulesLine = "modules-line",
        /// `vfio_virqfd` in `/etc/modules`, which kernels since 6.2 do not have.
        ModulesVirqfd = "modules-virqfd",
        /// `blacklist nouveau` in `/etc/modprobe.d/blacklist.conf`.
        NouveauBlacklist = "nouveau-blacklist",
        /// Rules that bind the other GPUs to `vfio-pci`.
        UdevRules = "udev-rules",
        /// IOMMU parameters in `/etc/default/grub` itself.
        GrubEdit = "grub-edit",
        /// A kernel pinned for every boot.
        KernelPin = "kernel-pin",
        /// The package source without subscription.
        NoSubscriptionSource = "no-subscription-source",
        /// An enterprise source that was renamed so that apt ignores it.
        DisabledSource = "disabled-source",
        /// A backup of a source, which the script makes on every run.
        SourceBackup = "source-backup",
        /// Docker's package source, or its key.
        DockerSource = "docker-source",
        /// The license server: certificates, compose file, volume.
        LicenseServer = "license-server",
        /// A Rust toolchain of root.
        Rustup = "rustup",
        /// GNU patch 2.7.6, built from source.
        GnuPatch = "gnu-patch",
        /// Ids that bind a GPU of this node to `vfio-pci`: `options vfio-pci ids=…`, or the kernel
        /// parameter `vfio-pci.ids`.
        VfioIds = "vfio-ids",
        /// `softdep nvidia pre: vfio-pci`, which loads `vfio-pci` first.
        VfioSoftdep = "vfio-softdep",
        /// `blacklist nvidia`, or a kernel parameter with the same effect.
        NvidiaBlacklist = "nvidia-blacklist",
        /// `install nvidia /bin/false`.
        NvidiaInstall = "nvidia-install",
        /// The link that starts a third-party unit, which enables virtual functions.
        SriovUnit = "sriov-unit",
        /// A GPU that is bound to `vfio-pci`.
        VfioBound = "vfio-bound",
    }
}

/// The certainty that a leftover comes from the script or its guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Nothing else creates it.
    Certain,
    /// The operator may have created it, for the same or another reason.
    Possible,
}

impl LeftoverKind {
    /// Checks whether passthrough leaves it, and not the script or its guide.
    #[must_use]
    pub const fn is_of_passthrough(self) -> bool {
        matches!(
            self,
            Self::VfioIds
                | Self::VfioSoftdep
                | Self::NvidiaBlacklist
                | Self::NvidiaInstall
                | Self::SriovUnit
                | Self::VfioBound
        )
    }

    /// Returns the certainty that it comes from the script or its guide.
    #[must_use]
    pub const fn certainty(self) -> Certainty {
        match self {
            Self::ScriptFolder
            | Self::PatchFolder
            | Self::UnlockFolder
            | Self::UnlockConfig
            | Self::UnlockDropIn
            | Self::DkmsSigning
            | Self::SigningKey
            | Self::LicenseServer => Certainty::Certain,
            Self::Driver
            | Self::DkmsTree
            | Self::EnabledUnit
            | Self::ModulesLine
            | Self::ModulesVirqfd
            | Self::NouveauBlacklist
            | Self::UdevRules
            | Self::GrubEdit
            | Self::KernelPin
            | Self::NoSubscriptionSource
            | Self::DisabledSource
            | Self::SourceBackup
            | Self::DockerSource
            | Self::Rustup
            | Self::GnuPatch
            | Self::VfioIds
            | Self::VfioSoftdep
            | Self::NvidiaBlacklist
            | Self::NvidiaInstall
            | Self::SriovUnit
            | Self::VfioBound => Certainty::Possible,
        }
    }
}
