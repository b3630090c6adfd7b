use serde::{Deserialize, Serialize};

use crate::HostPath;
use crate::platform::words::words;

/// Something that an earlier vGPU installation left behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Where it is.
    pub path: HostPath,
}

words! {
    /// What an earlier vGPU installation can leave behind.
    ///
    /// These are the traces of the Bash script `proxmox-vgpu-installer`, in all its versions, and
    /// of the guide that it automates. Its own removal takes away few of them.
    LeftoverKind, "a kind of leftover", {
        /// The folder that the script was run from, with its state file, log and downloads.
        ScriptFolder = "script-folder",
        /// The checkout of the driver patches.
        PatchFolder = "patch-folder",
        /// The checkout of `vgpu_unlock-rs`, which the drop-ins load a library from.
        UnlockFolder = "unlock-folder",
        /// The configuration of `vgpu_unlock-rs`.
        UnlockConfig = "unlock-config",
        /// A drop-in that preloads the unlock library into an NVIDIA daemon.
        UnlockDropIn = "unlock-drop-in",
        /// An NVIDIA driver that its own installer put there.
        Driver = "driver",
        /// NVIDIA's module in DKMS's care, or a half-removed rest of it.
        DkmsTree = "dkms-tree",
        /// DKMS told to sign with the script's key.
        DkmsSigning = "dkms-signing",
        /// The script's key for signing modules: private, unencrypted.
        SigningKey = "signing-key",
        /// An NVIDIA or SR-IOV service that is switched on.
        EnabledUnit = "enabled-unit",
        /// VFIO modules in `/etc/modules`.
        ModulesLine = "modules-line",
        /// `vfio_virqfd` in `/etc/modules`, which no kernel since 6.2 has.
        ModulesVirqfd = "modules-virqfd",
        /// `blacklist nouveau` in `/etc/modprobe.d/blacklist.conf`.
        NouveauBlacklist = "nouveau-blacklist",
        /// Rules that hand the other GPUs to `vfio-pci`.
        UdevRules = "udev-rules",
        /// IOMMU words in `/etc/default/grub` itself.
        GrubEdit = "grub-edit",
        /// A kernel pinned for every boot.
        KernelPin = "kernel-pin",
        /// A source for packages without subscription.
        NoSubscriptionSource = "no-subscription-source",
        /// An enterprise source renamed out of apt's sight.
        DisabledSource = "disabled-source",
        /// A copy of a source that the script made on every run.
        SourceBackup = "source-backup",
        /// Docker's own package source, or the key for it.
        DockerSource = "docker-source",
        /// The licence server: certificates, compose file, volume.
        LicenceServer = "licence-server",
        /// A Rust toolchain of root's.
        Rustup = "rustup",
        /// GNU patch 2.7.6, built from source.
        GnuPatch = "gnu-patch",
    }
}

/// How sure it is that a leftover comes from the script or its guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Nothing else makes it.
    Certain,
    /// The operator may well have done the same, for the same or another reason.
    Possible,
}

impl LeftoverKind {
    /// How sure it is that it comes from the script or its guide.
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
