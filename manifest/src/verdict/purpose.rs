//! The machines that a bundle targets, and whether it fits them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Case, Contents, Goal, PoolFeatures, Suitability, Target};
use crate::catalog::{Catalog, DriverFile, Release, Rule};
use crate::inventory::Inventory;
use crate::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};

/// The machines that a bundle targets, as the recipe declares them.
///
/// Properties that are not declared are unknown and do not make the bundle unsuitable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Targets {
    /// The GPUs to use for vGPU.
    pub gpu: Vec<PciId>,
    /// The release of the host driver.
    pub driver: Release,
    /// The form of the driver's file; absent for the suitable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<DriverFile>,
    /// The release of Proxmox VE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pve: Option<PveRelease>,
    /// The kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelRelease>,
    /// The state of Secure Boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<SecureBoot>,
    /// The boot loader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_loader: Option<BootLoader>,
    /// The file system of `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootFs>,
    /// The vendor of the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuVendor>,
}

/// The targets of a bundle, and the rules that they violate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Purpose {
    /// The targets.
    pub targets: Targets,
    /// The violated rules of the verdict, which the builder of the bundle has allowed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unsuitable: BTreeSet<Rule>,
}

impl Targets {
    /// Returns the properties of the machine.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            pve: self.pve,
            kernel: self.kernel.clone(),
            secure_boot: self.secure_boot,
            boot_loader: self.boot_loader,
            root: self.root,
            pool: None,
            cpu: self.cpu,
        }
    }

    /// Checks whether `gpu` is one of the GPUs to use for vGPU.
    #[must_use]
    pub fn covers(&self, gpu: PciId) -> bool {
        self.gpu.iter().any(|wanted| wanted.covers(gpu))
    }

    /// Judges whether the driver supports all GPUs on such a machine, given the bundle's own files.
    #[must_use]
    pub fn judge<'c>(&self, catalog: &'c Catalog, contents: &Contents<'_>) -> Suitability<'c> {
        let driver = catalog.driver(self.driver);
        let file = self.file.or_else(|| contents.file(driver?));
        let case = |gpu: &PciId| Case {
            gpu: *gpu,
            goal: Goal::Vgpu { driver: self.driver, file },
            target: self.target(),
            findings: contents.findings(driver, self.kernel.as_ref(), *gpu),
        };
        Suitability::of(catalog, self.gpu.iter().map(case))
    }
}

/// A feature of pools since `OpenZFS` 2.4 that older kernels do not support.
const FEATURE_OF_ZFS_2_4: &str = "com.truenas:block_cloning_endian";

impl From<&Inventory> for Target {
    /// Returns the machine of an inventory, with the running kernel.
    fn from(inventory: &Inventory) -> Self {
        // A pool can have at most the features of its ZFS module, so only absent ones are certain.
        let pool = inventory.root.pool.as_ref().filter(|pool| {
            let known = &pool.features_at_most;
            !known.is_empty() && known.iter().all(|name| name.as_str() != FEATURE_OF_ZFS_2_4)
        });
        Self {
            pve: inventory.os.pve,
            kernel: inventory.kernels.running.clone(),
            secure_boot: Some(inventory.boot.secure_boot),
            boot_loader: inventory.boot.loader,
            root: inventory.root.kind,
            pool: pool.map(|_| PoolFeatures::Classic),
            cpu: Some(inventory.cpu.vendor),
        }
    }
}
