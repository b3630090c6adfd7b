//! Properties of a kernel, from its headers package, without running the kernel.
//!
//! Sources disagree on which kernels can load NVIDIA's modules. The headers that a module is built
//! against settle it: `Module.symvers` lists the exported symbols, and `include/config/auto.conf`
//! the kernel's configuration.

mod config;
mod symvers;

pub use self::config::VfioOption;
pub use self::symvers::{Exported, SymversError, exports};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::config::vfio_options;
use self::symvers::export;
use crate::platform::KernelRelease;
use crate::verdict::Export;

/// The KVM symbol that `nvidia-vgpu-vfio` of some branches uses.
pub const APICV: &str = "enable_apicv";

/// The record of kernel headers in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeadersRecord {
    /// The kernel of the headers.
    pub kernel: KernelRelease,
    /// Whether the kernel exports [`APICV`] to every module.
    pub apicv: Export,
    /// The options required for vGPU that are set.
    pub vfio: BTreeSet<VfioOption>,
}

impl HeadersRecord {
    /// The path of the list of exported symbols, below a folder of headers.
    pub const SYMVERS: &str = "Module.symvers";
    /// The path of the kernel's configuration, below a folder of headers.
    pub const CONFIG: &str = "include/config/auto.conf";
    /// The largest of these files that is read: 16 MiB. `Module.symvers` has 2 MiB.
    pub const MAX_FILE: u64 = 16 << 20;

    /// Returns the record of a kernel from the text of these files.
    ///
    /// # Errors
    ///
    /// A line of `symvers` has another format.
    pub fn of(kernel: KernelRelease, symvers: &str, config: &str) -> Result<Self, SymversError> {
        Ok(Self { kernel, apicv: export(symvers, APICV)?, vfio: vfio_options(config) })
    }

    /// Checks whether NVIDIA's host modules can be built: `vgpu_kvm_sanity_check` in their Kbuild
    /// requires an IOMMU backend, KVM's side of VFIO, and a bus for vGPUs.
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
        let symvers = "0x11\tenable_apicv\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\t\n";
        let kernel: KernelRelease = "6.8.12-43-pve".parse().unwrap();
        let record = |config: &str| HeadersRecord::of(kernel.clone(), symvers, config).unwrap();
        let type1 = "CONFIG_VFIO_IOMMU_TYPE1=m\nCONFIG_KVM_VFIO=y\nCONFIG_VFIO_PCI_CORE=m\n";
        let iommufd = "CONFIG_IOMMUFD_VFIO_CONTAINER=y\nCONFIG_KVM_VFIO=y\nCONFIG_VFIO_MDEV=m\n";
        assert!(record(type1).can_host() && record(iommufd).can_host());
        for line in type1.lines() {
            assert!(!record(&type1.replace(line, "")).can_host(), "{line}");
        }
        assert_eq!(record(type1).apicv, Export::Exported);
        assert!(HeadersRecord::of(kernel.clone(), "one two\n", type1).is_err());
        one_spelling(&record(type1), &[("6.8.12", "6-8")]);
    }
}
