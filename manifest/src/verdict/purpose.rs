//! What a bundle is made for, and whether it can be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Case, Contents, Goal, PoolFeatures, Suitability, Target};
use crate::catalog::{Catalog, DriverFile, Release, Rule};
use crate::inventory::Inventory;
use crate::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};

/// The machines that a bundle is made for, as the recipe declares them.
///
/// What is not declared is not known, and is not held against the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Targets {
    /// The GPUs that shall serve vGPUs.
    pub gpu: Vec<PciId>,
    /// The release whose host driver does it.
    pub driver: Release,
    /// The form of the driver's file; absent for the one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<DriverFile>,
    /// The release of Proxmox VE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pve: Option<PveRelease>,
    /// The kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelRelease>,
    /// Secure Boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<SecureBoot>,
    /// The boot loader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_loader: Option<BootLoader>,
    /// The file system of `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootFs>,
    /// Who made the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuVendor>,
}

/// What a bundle is made for, and what speaks against that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Purpose {
    /// The machines.
    pub targets: Targets,
    /// The rules of the verdict that forbid it. Whoever made the bundle allowed that.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unsuitable: BTreeSet<Rule>,
}

impl Targets {
    /// The machine.
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

    /// Whether `gpu` is one of those that shall serve vGPUs.
    #[must_use]
    pub fn covers(&self, gpu: PciId) -> bool {
        self.gpu.iter().any(|wanted| wanted.covers(gpu))
    }

    /// Whether the driver serves all GPUs on such a machine, given what the bundle's own files say.
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

/// A feature that pools have from `OpenZFS` 2.4 on, and older kernels cannot read.
const FEATURE_OF_ZFS_2_4: &str = "com.truenas:block_cloning_endian";

impl From<&Inventory> for Target {
    /// The machine that an inventory describes, with the kernel that runs.
    fn from(inventory: &Inventory) -> Self {
        // The pool has at most what its module knows, so only what that lacks is certain.
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
