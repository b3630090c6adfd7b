//! What a package of kernel headers says of its kernel, without any kernel being run.
//!
//! Sources disagree on which kernels NVIDIA's modules can be loaded into. The headers that a module
//! is built against settle it: `Module.symvers` lists what the kernel exports, and
//! `include/config/auto.conf` how it was configured.

mod config;
mod symvers;

pub use self::config::{VfioOption, vfio_options};
pub use self::symvers::{SymversError, export};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::platform::KernelRelease;
use crate::verdict::Export;

/// The symbol of KVM that `nvidia-vgpu-vfio` of some branches uses.
pub const APICV: &str = "enable_apicv";

/// What a bundle says of kernel headers in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeadersRecord {
    /// The kernel that it is for.
    pub kernel: KernelRelease,
    /// Whether the kernel exports [`APICV`] to every module.
    pub apicv: Export,
    /// The options that vGPUs need, as far as they are set.
    pub vfio: BTreeSet<VfioOption>,
}

impl HeadersRecord {
    /// Whether NVIDIA's host modules agree to be built: `vgpu_kvm_sanity_check` in their Kbuild
    /// wants an IOMMU backend, KVM's side of VFIO, and a bus for vGPUs.
    #[must_use]
    pub fn can_host(&self) -> bool {
        let has = |option| self.vfio.contains(&option);
        (has(VfioOption::IommuType1) || has(VfioOption::IommufdContainer))
            && has(VfioOption::KvmVfio)
            && (has(VfioOption::Mdev) || has(VfioOption::PciCore))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::one_spelling;

    #[test]
    fn a_host_needs_one_of_each_kind() {
        let record = |config: &str| HeadersRecord {
            kernel: "6.8.12-43-pve".parse().unwrap(),
            apicv: Export::Exported,
            vfio: vfio_options(config),
        };
        let type1 = "CONFIG_VFIO_IOMMU_TYPE1=m\nCONFIG_KVM_VFIO=y\nCONFIG_VFIO_PCI_CORE=m\n";
        let iommufd = "CONFIG_IOMMUFD_VFIO_CONTAINER=y\nCONFIG_KVM_VFIO=y\nCONFIG_VFIO_MDEV=m\n";
        assert!(record(type1).can_host() && record(iommufd).can_host());
        for line in type1.lines() {
            assert!(!record(&type1.replace(line, "")).can_host(), "{line}");
        }
        one_spelling(&record(type1), &[("6.8.12", "6-8")]);
    }
}
