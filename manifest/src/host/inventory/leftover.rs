use serde::{Deserialize, Serialize};

use crate::HostPath;
use crate::words;

/// Something that an earlier vGPU installation left behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Leftover {
    /// Its kind.
    pub kind: LeftoverKind,
    /// Its path.
    pub path: HostPath,
}

words! {
    /// A leftover of an earlier vGPU installation.
    ///
    /// All versions of the Bash script `proxmox-vgpu-installer` and the guide that it automates
    /// leave these. The script's own removal deletes few of them.
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
        LicenceServer = "licence-server",
        /// A Rust toolchain of root.
        Rustup = "rustup",
        /// GNU patch 2.7.6, built from source.
        GnuPatch = "gnu-patch",
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
            | Self::LicenceServer => Certainty::Certain,
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
            | Self::GnuPatch => Certainty::Possible,
        }
    }
}
