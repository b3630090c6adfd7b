use serde::{Deserialize, Serialize};

use super::{Label, Name};
use crate::platform::{CpuVendor, PveRelease};

/// The system that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Os {
    /// `ID` of os-release: `debian`, also on Proxmox VE.
    pub id: Option<Name>,
    /// `VERSION_CODENAME` of os-release: `bookworm`.
    pub codename: Option<Name>,
    /// What `/etc/debian_version` says: `12.11`.
    pub debian: Option<Label>,
    /// The release of Proxmox VE, by the version of the package `pve-manager`.
    pub pve: Option<PveRelease>,
}

/// The processor, and what it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cpu {
    /// Who made it.
    pub vendor: CpuVendor,
    /// Whether it is the machine's own.
    pub machine: Machine,
}

/// What the system runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// Real hardware.
    Physical,
    /// A virtual machine: the CPU has the flag `hypervisor`.
    Virtual,
}

/// Whether the IOMMU translates for devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IommuState {
    /// The kernel has an IOMMU, and devices are in groups.
    On,
    /// There is none, or it is switched off in the firmware or on the kernel command line.
    Off,
}

/// Whether the node may use Proxmox's enterprise repository. The key itself is never recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subscription {
    /// No key is set.
    None,
    /// A key is set, and was active when Proxmox last checked it.
    Active,
    /// A key is set, and is new, expired, suspended or not valid.
    Inactive,
}
