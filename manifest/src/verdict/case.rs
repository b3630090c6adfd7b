//! What is judged.

use serde::{Deserialize, Serialize};

use crate::catalog::{DriverFile, Release};
use crate::platform::words::words;
use crate::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};

/// One GPU, what it is wanted for, and the machine that it is in.
///
/// What is not known of the machine is `None`, and is not held against it: knowing more can make
/// a suitable case unsuitable, never the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// The GPU, with its subsystem if that is known.
    pub gpu: PciId,
    /// What it is wanted for.
    pub goal: Goal,
    /// The machine.
    #[serde(default)]
    pub target: Target,
    /// What was found out by looking into the very files concerned.
    #[serde(default)]
    pub findings: Findings,
}

impl Case {
    /// A GPU that shall serve vGPUs with the driver of a release, on a machine of which nothing
    /// is known.
    #[must_use]
    pub fn new(gpu: PciId, driver: Release) -> Self {
        let goal = Goal::Vgpu { driver, file: None };
        Self { gpu, goal, target: Target::default(), findings: Findings::default() }
    }
}

/// What a GPU is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Goal {
    /// To be shared among guests, as vGPUs.
    Vgpu {
        /// The release whose host driver does it.
        driver: Release,
        /// The form of the driver's file; `None` for the one that fits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<DriverFile>,
    },
    /// To be given whole to one guest.
    Passthrough,
}

/// What is known of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Target {
    /// The release of Proxmox VE.
    pub pve: Option<PveRelease>,
    /// The kernel that it shall run.
    pub kernel: Option<KernelRelease>,
    /// Secure Boot.
    pub secure_boot: Option<SecureBoot>,
    /// The boot loader.
    pub boot_loader: Option<BootLoader>,
    /// The file system of `/`.
    pub root: Option<RootFs>,
    /// The features of the root pool, if `/` is on ZFS.
    pub pool: Option<PoolFeatures>,
    /// Who made the CPU.
    pub cpu: Option<CpuVendor>,
}

words! {
    /// What a ZFS pool demands of a kernel.
    PoolFeatures, "features of a pool", {
        /// Nothing that a 6.x kernel does not know.
        Classic = "classic",
        /// `com.truenas:block_cloning_endian` of `OpenZFS` 2.4 is enabled or active.
        OpenZfs24 = "openzfs-2.4",
    }
}

/// What was found out by looking into the files concerned. Each finding settles what sources
/// disagree about, and is about the driver, file and kernel of its case alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Findings {
    /// Whether `Module.symvers` of the kernel's headers has `enable_apicv`.
    pub apicv: Option<Export>,
    /// Whether the driver's `vgpuConfig.xml` lists the GPU.
    pub listed: Option<Listing>,
    /// What came of compiling the driver's modules against the kernel's headers.
    pub compiled: Option<Compiled>,
}

words! {
    /// Whether a kernel exports a symbol.
    Export, "a state of a symbol", {
        /// It does.
        Exported = "exported",
        /// It does not, or to other modules only.
        Missing = "missing",
    }
}

words! {
    /// Whether a driver's `vgpuConfig.xml` lists a GPU.
    Listing, "a state of a GPU in a list", {
        /// It does.
        Listed = "listed",
        /// It does not.
        Omitted = "omitted",
    }
}

words! {
    /// What came of compiling a driver's modules.
    Compiled, "an end of a compilation", {
        /// They compiled.
        Compiles = "compiles",
        /// They did not.
        Fails = "fails",
    }
}
