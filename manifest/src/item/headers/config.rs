use std::collections::BTreeSet;

use crate::words;

words! {
    /// A kernel option that vGPU hosting depends on.
    VfioOption, "an option of VFIO", {
        /// `CONFIG_VFIO_IOMMU_TYPE1`: the older IOMMU backend.
        IommuType1 = "VFIO_IOMMU_TYPE1",
        /// `CONFIG_IOMMUFD_VFIO_CONTAINER`: the newer backend with the interface of the older one.
        IommufdContainer = "IOMMUFD_VFIO_CONTAINER",
        /// `CONFIG_KVM_VFIO`: KVM's support for VFIO devices.
        KvmVfio = "KVM_VFIO",
        /// `CONFIG_VFIO_MDEV`: mediated devices.
        Mdev = "VFIO_MDEV",
        /// `CONFIG_VFIO_PCI_CORE`: the base of vendor-specific VFIO drivers.
        PciCore = "VFIO_PCI_CORE",
    }
}

/// Returns the options that `config` sets, built in or as a module. Its format is that of `.config`
/// and of `include/config/auto.conf`.
#[must_use]
pub(super) fn vfio_options(config: &str) -> BTreeSet<VfioOption> {
    let set = |line: &str| {
        let (name, value) = line.trim_end().strip_prefix("CONFIG_")?.split_once('=')?;
        let is_set = value == "y" || value == "m";
        name.parse().ok().filter(|_| is_set)
    };
    config.lines().filter_map(set).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_set_counts() {
        let config = "#\n# Automatically generated file; DO NOT EDIT.\n#\nCONFIG_VFIO_MDEV=m\r\n\
                      # CONFIG_KVM_VFIO is not set\nCONFIG_VFIO_PCI_CORE=n\nCONFIG_KVM=y\n\
                      CONFIG_VFIO_IOMMU_TYPE1=y\nVFIO_MDEV=y\nCONFIG_VFIO_MDEV_MORE=y\n";
        let found = vfio_options(config);
        assert_eq!(found, BTreeSet::from([VfioOption::IommuType1, VfioOption::Mdev]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(CONFIG_[A-Z1]{0,9}=?[ymn\"]{0,2}\\PC{0,5}\n){0,9}") {
            let _ = vfio_options(&text);
        }
    }
}
