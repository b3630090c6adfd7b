//! Properties of a machine: Proxmox VE, firmware, boot loader, root file system, CPU.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseTextError, serde_as_text, words};

/// A release of Proxmox VE, with its point release: `8.4`.
///
/// Every release parses; those that the catalog covers have a [`PveSeries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = r"^\d+\.\d+$"))
)]
pub struct PveRelease {
    major: u8,
    minor: u8,
}

words! {
    /// A major release of Proxmox VE that the catalog covers.
    PveSeries, "a major release of Proxmox VE", {
        /// PVE 7, on Debian 11 bullseye.
        Seven = "7",
        /// PVE 8, on Debian 12 bookworm.
        Eight = "8",
        /// PVE 9, on Debian 13 trixie.
        Nine = "9",
    }
}

impl PveRelease {
    /// Returns the release with these numbers.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// Returns the first number.
    #[must_use]
    pub const fn major(self) -> u8 {
        self.major
    }

    /// Returns the second number.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// Returns the major release; `None` if the catalog does not cover it.
    #[must_use]
    pub const fn series(self) -> Option<PveSeries> {
        match self.major {
            7 => Some(PveSeries::Seven),
            8 => Some(PveSeries::Eight),
            9 => Some(PveSeries::Nine),
            _ => None,
        }
    }
}

impl PveSeries {
    /// Returns the code name of its Debian release.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Seven => "bullseye",
            Self::Eight => "bookworm",
            Self::Nine => "trixie",
        }
    }
}

impl FromStr for PveRelease {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(major.parse().ok()?, minor.parse().ok()?)))
            .filter(|release| release.to_string() == text)
            .ok_or_else(|| {
                ParseTextError::new(text, "a release of Proxmox VE", "two numbers: `8.4`")
            })
    }
}

impl fmt::Display for PveRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

serde_as_text!(PveRelease);

words! {
    /// The program that loads the kernel.
    BootLoader, "a boot loader", {
        /// GRUB: kernel parameters are set in `/etc/default/grub.d/`.
        Grub = "grub",
        /// systemd-boot: kernel parameters are set in `/etc/kernel/cmdline`. PVE's installer selects
        /// it only for UEFI with a ZFS root and without Secure Boot.
        SystemdBoot = "systemd-boot",
    }
}

words! {
    /// A way to place the boot loader's files where the firmware finds them.
    BootSync, "a way to sync the boot loader", {
        /// `proxmox-boot-tool` copies kernels to the ESPs listed in `/etc/kernel/proxmox-boot-uuids`.
        ProxmoxBootTool = "proxmox-boot-tool",
        /// The loader reads `/boot` itself.
        Direct = "direct",
    }
}

words! {
    /// A kind of firmware.
    Firmware, "a kind of firmware", {
        /// UEFI: `/sys/firmware/efi` exists.
        Uefi = "uefi",
        /// Legacy BIOS, or the compatibility mode of UEFI.
        Bios = "bios",
    }
}

words! {
    /// The state of Secure Boot.
    SecureBoot, "a state of Secure Boot", {
        /// The variable `SecureBoot` is 1: modules must be signed by an enrolled key.
        Enabled = "enabled",
        /// UEFI without enforcement.
        Disabled = "disabled",
        /// Legacy BIOS, or firmware without the variable.
        Unsupported = "unsupported",
    }
}

words! {
    /// The file system of `/`.
    RootFs, "a root file system", {
        /// ext4, the default of PVE's installer on LVM.
        Ext4 = "ext4",
        /// XFS.
        Xfs = "xfs",
        /// Btrfs.
        Btrfs = "btrfs",
        /// ZFS: a kernel cannot boot from a pool whose features are newer than its ZFS module.
        Zfs = "zfs",
        /// Any other.
        Other = "other",
    }
}

words! {
    /// The vendor of the CPU, which determines how the IOMMU is enabled.
    CpuVendor, "a CPU vendor", {
        /// `GenuineIntel`: kernels before PVE's 6.8 need `intel_iommu=on`.
        Intel = "intel",
        /// `AuthenticAMD`: the IOMMU is on by default.
        Amd = "amd",
        /// Another vendor.
        Other = "other",
    }
}

impl CpuVendor {
    /// Returns the vendor for a `vendor_id` of `/proc/cpuinfo`.
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
    fn a_release_has_one_spelling_and_is_ordered_by_number() {
        let [old, new]: [PveRelease; 2] = ["8.4", "8.10"].map(|text| text.parse().unwrap());
        assert!(old < new);
        assert_eq!(old.to_string(), "8.4");
        for bad in ["", "8", "8.", ".4", "8.4.1", "08.4", "8.04", "+8.4", "8.4 ", "pve8.4", "8.256"]
        {
            assert!(bad.parse::<PveRelease>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_release_has_no_series() {
        assert_eq!(PveRelease::new(7, 4).series(), Some(PveSeries::Seven));
        assert_eq!(PveRelease::new(9, 0).series().map(PveSeries::debian), Some("trixie"));
        assert_eq!(PveRelease::new(6, 4).series(), None);
        assert_eq!(PveRelease::new(10, 0).series(), None);
        assert_eq!("8".parse(), Ok(PveSeries::Eight));
    }

    #[test]
    fn every_word_reads_back_as_itself_also_in_json() {
        for fs in RootFs::ALL {
            let json = serde_json::to_string(fs).unwrap();
            assert_eq!(json, format!("\"{fs}\""));
            assert_eq!(serde_json::from_str::<RootFs>(&json).unwrap(), *fs);
        }
        assert_eq!("systemd-boot".parse(), Ok(BootLoader::SystemdBoot));
        assert_eq!("proxmox-boot-tool".parse(), Ok(BootSync::ProxmoxBootTool));
        assert_eq!("uefi".parse(), Ok(Firmware::Uefi));
        assert_eq!("unsupported".parse(), Ok(SecureBoot::Unsupported));
        assert!("GRUB".parse::<BootLoader>().is_err());
        assert!(serde_json::from_str::<SecureBoot>("true").is_err());
    }

    #[test]
    fn a_vendor_is_recognized_by_its_id() {
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
