use super::words::words;

words! {
    /// Who made the CPU, which decides how the IOMMU is switched on.
    CpuVendor, "a CPU vendor", {
        /// `GenuineIntel`: kernels before PVE's 6.8 need `intel_iommu=on`.
        Intel = "intel",
        /// `AuthenticAMD`: the IOMMU is on by default.
        Amd = "amd",
        /// Anybody else.
        Other = "other",
    }
}

impl CpuVendor {
    /// The vendor by the `vendor_id` of `/proc/cpuinfo`.
    #[must_use]
    pub fn from_id(vendor_id: &str) -> Self {
        match vendor_id {
            "GenuineIntel" => Self::Intel,
            "AuthenticAMD" => Self::Amd,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_is_known_by_the_words_of_its_cpu() {
        assert_eq!(CpuVendor::from_id("GenuineIntel"), CpuVendor::Intel);
        assert_eq!(CpuVendor::from_id("AuthenticAMD"), CpuVendor::Amd);
        assert_eq!(CpuVendor::from_id("HygonGenuine"), CpuVendor::Other);
        for vendor in CpuVendor::ALL {
            assert_eq!(vendor.to_string().parse(), Ok(*vendor));
        }
        assert_eq!(
            "Intel".parse::<CpuVendor>().unwrap_err().to_string(),
            "`Intel` is not a CPU vendor: expected one of `intel` `amd` `other`"
        );
    }
}
