//! The case that is judged.

use serde::{Deserialize, Serialize};

use crate::catalog::{DriverFile, Release};
use crate::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};
use crate::words;

/// A GPU, its intended use, and the machine that it is in.
///
/// Unknown properties of the machine are `None` and do not make a case unsuitable: more knowledge can
/// make a suitable case unsuitable, but never the reverse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// The GPU, with its subsystem if that is known.
    pub gpu: PciId,
    /// Its intended use.
    pub goal: Goal,
    /// The machine.
    #[serde(default)]
    pub target: Target,
    /// Facts from the files of the bundle.
    #[serde(default)]
    pub findings: Findings,
}

impl Case {
    /// Returns the case of a GPU for vGPU with the driver of a release, on an unknown machine.
    #[must_use]
    pub fn new(gpu: PciId, driver: Release) -> Self {
        let goal = Goal::Vgpu { driver, file: None };
        Self { gpu, goal, target: Target::default(), findings: Findings::default() }
    }
}

/// The intended use of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "want", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Goal {
    /// vGPU: the GPU is shared among guests.
    Vgpu {
        /// The release of the host driver.
        driver: Release,
        /// The form of the driver's file; `None` for the suitable one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<DriverFile>,
    },
    /// Passthrough: one guest uses the whole GPU.
    Passthrough,
}

/// The known properties of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Target {
    /// The release of Proxmox VE.
    pub pve: Option<PveRelease>,
    /// The kernel.
    pub kernel: Option<KernelRelease>,
    /// The state of Secure Boot.
    pub secure_boot: Option<SecureBoot>,
    /// The boot loader.
    pub boot_loader: Option<BootLoader>,
    /// The file system of `/`.
    pub root: Option<RootFs>,
    /// The features of the root pool, if `/` is on ZFS.
    pub pool: Option<PoolFeatures>,
    /// The vendor of the CPU.
    pub cpu: Option<CpuVendor>,
}

words! {
    /// The features of a ZFS pool, which the kernel must support.
    PoolFeatures, "features of a pool", {
        /// Features that 6.x kernels support.
        Classic = "classic",
        /// `com.truenas:block_cloning_endian` of `OpenZFS` 2.4 is enabled or active.
        OpenZfs24 = "openzfs-2.4",
    }
}

/// Facts from the files of the bundle. Each one settles a question on which sources disagree, and
/// applies only to the driver, file and kernel of its case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Findings {
    /// Whether `Module.symvers` of the kernel's headers has `enable_apicv`.
    pub apicv: Option<Export>,
    /// Whether the driver's `vgpuConfig.xml` lists the GPU.
    pub listed: Option<Listing>,
    /// Whether the driver's modules compile against the kernel's headers.
    pub compiled: Option<Compiled>,
}

words! {
    /// Whether a kernel exports a symbol.
    Export, "a state of a symbol", {
        /// It exports the symbol.
        Exported = "exported",
        /// It does not export it, or to other modules only.
        Missing = "missing",
    }
}

words! {
    /// Whether a driver's `vgpuConfig.xml` lists a GPU.
    Listing, "a state of a GPU in a list", {
        /// It lists the GPU.
        Listed = "listed",
        /// It does not list the GPU.
        Omitted = "omitted",
    }
}

words! {
    /// The result of compiling a driver's modules.
    Compiled, "a result of a compilation", {
        /// The modules compile.
        Compiles = "compiles",
        /// The modules do not compile.
        Fails = "fails",
    }
}
