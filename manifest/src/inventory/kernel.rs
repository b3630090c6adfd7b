use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Label, Name};
use crate::platform::KernelRelease;

/// Kernels, running and installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kernels {
    /// The one that runs.
    pub running: Option<KernelRelease>,
    /// The one that `proxmox-boot-tool kernel pin` set for every boot.
    pub pinned: Option<KernelRelease>,
    /// The one that is set for the next boot only.
    pub pinned_next: Option<KernelRelease>,
    /// All that are there, the oldest first.
    pub installed: Vec<Kernel>,
    /// The loaded modules that a vGPU host has to do with.
    pub modules: Vec<LoadedModule>,
}

/// A kernel of which at least a part is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kernel {
    /// Its release.
    pub release: KernelRelease,
    /// What is there of it.
    pub has: BTreeSet<KernelPart>,
}

/// A part of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelPart {
    /// `/boot/vmlinuz-RELEASE`.
    Image,
    /// `/lib/modules/RELEASE/kernel`.
    Modules,
    /// `/lib/modules/RELEASE/build` with a makefile: modules can be built for it.
    Headers,
    /// An NVIDIA module under `/lib/modules/RELEASE`, by DKMS or by the installer itself.
    NvidiaModule,
}

/// A module that is loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadedModule {
    /// Its name, with underscores.
    pub name: Name,
    /// The version that it gives itself, where it does.
    pub version: Option<Label>,
}
