//! The operating system, the CPU, the root file system, and the optional identity of a node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Label, Name};
use crate::HostPath;
use crate::platform::{CpuVendor, PciAddress, PveRelease, RootFs};

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Os {
    /// `ID` of os-release: `debian`, also on Proxmox VE.
    pub id: Option<Name>,
    /// `VERSION_CODENAME` of os-release: `bookworm`.
    pub codename: Option<Name>,
    /// The content of `/etc/debian_version`: `12.11`.
    pub debian: Option<Label>,
    /// The release of Proxmox VE, from the version of the package `pve-manager`.
    pub pve: Option<PveRelease>,
}

/// The CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cpu {
    /// Its vendor.
    pub vendor: CpuVendor,
    /// The kind of machine: physical or virtual.
    pub machine: Machine,
}

/// A kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// A physical machine.
    Physical,
    /// A virtual machine: the CPU has the flag `hypervisor`.
    Virtual,
}

/// The state of the IOMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum IommuState {
    /// The kernel has an IOMMU, and devices are in groups.
    On,
    /// The machine has none, or it is disabled in the firmware or by a kernel parameter.
    Off,
}

/// The subscription of the node for Proxmox's enterprise repository. The key itself is never
/// recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Subscription {
    /// No key is set.
    None,
    /// A key is set and was active at Proxmox's last check.
    Active,
    /// A key is set and is new, expired, suspended or invalid.
    Inactive,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RootFileSystem {
    /// Its kind; `None` if no mount is listed for it.
    pub kind: Option<RootFs>,
    /// Its pool, if it is ZFS.
    pub pool: Option<RootPool>,
    /// Free space on the file systems that an installation writes to, by path.
    pub free: Vec<FreeSpace>,
}

/// The ZFS pool of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RootPool {
    /// Its name: `rpool`.
    pub name: Name,
    /// The upper bound of its features: those of the ZFS module that has imported it.
    ///
    /// Only ZFS's own tools report the features in use. A kernel whose ZFS module supports all of
    /// these can boot from the pool.
    pub features_at_most: Vec<Name>,
}

/// Free space on the file system of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FreeSpace {
    /// The path.
    pub path: HostPath,
    /// Free space in GiB, rounded down so that small writes do not change the inventory.
    pub gib: u64,
}

/// The identity of the node, which is recorded only at the operator's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    /// The host name.
    pub host_name: Option<Label>,
    /// The serial number of the machine.
    pub machine_serial: Option<Label>,
    /// The serial number of its mainboard.
    pub board_serial: Option<Label>,
    /// The UUIDs of the GPUs, as reported by the NVIDIA driver.
    pub gpu_uuids: BTreeMap<PciAddress, Label>,
}
