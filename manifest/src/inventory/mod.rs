//! What a node says of itself, written by the installer and read by the bundler.
//!
//! One JSON document, plain data and nothing else. The node writes it from what it finds in sysfs,
//! procfs, dpkg's status and EFI variables; a bundler far away judges from it what fits. It names
//! no host, no serial number and no secret unless the operator asked for an [`Identity`], and a
//! second look at an unchanged node yields the same bytes: every list is sorted, no time is in it.

mod apt;
mod boot;
mod document;
mod gpu;
mod identity;
mod kernel;
mod label;
mod leftover;
mod machine;
mod package;
mod storage;

pub use self::apt::{AptSource, AptUri, SignedBy, SourceKind, SourceState};
pub use self::boot::{Boot, EnrolledKey, KeyStore, LoaderEvidence, LoaderSign, Lockdown};
pub use self::document::{InventoryError, MAX_DOCUMENT, MAX_LIST, SCHEMA};
pub use self::gpu::{
    Bar, BarKind, Function, Gpu, GroupMember, IommuGroup, PciClass, SrIov, VgpuInterface,
    VirtualFunction,
};
pub use self::identity::Identity;
pub use self::kernel::{Kernel, KernelPart, Kernels, LoadedModule};
pub use self::label::{Label, Name};
pub use self::leftover::{Certainty, Leftover, LeftoverKind};
pub use self::machine::{Cpu, IommuState, Machine, Os, Subscription};
pub use self::package::{Mark, Package, PackageName, PackageState, PackageVersion, Want};
pub use self::storage::{FreeSpace, RootFileSystem, RootPool};

use serde::{Deserialize, Serialize};

use crate::HostPath;

/// Everything that a node says of itself.
///
/// Read one with [`Inventory::from_json`] and write one with [`Inventory::to_json`]; these hold the
/// limits and the order that serde alone does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Inventory {
    /// The version of this document's shape: [`SCHEMA`].
    pub schema: u32,
    /// The system that is installed.
    pub os: Os,
    /// The processor, and what it runs on.
    pub cpu: Cpu,
    /// Whether the IOMMU translates.
    pub iommu: IommuState,
    /// How the machine starts.
    pub boot: Boot,
    /// Kernels, running and installed.
    pub kernels: Kernels,
    /// The root file system.
    pub root: RootFileSystem,
    /// Every display device but the virtual functions, which stand with their physical one.
    pub gpus: Vec<Gpu>,
    /// The IOMMU groups that a GPU or virtual function listed above is in.
    pub iommu_groups: Vec<IommuGroup>,
    /// Where apt looks for packages.
    pub apt_sources: Vec<AptSource>,
    /// Whether the node may use Proxmox's enterprise repository.
    pub subscription: Subscription,
    /// What dpkg knows to be there.
    pub packages: Vec<Package>,
    /// What an earlier installation by the Bash script, or by hand as its guide says, left behind.
    pub leftovers: Vec<Leftover>,
    /// What is there and could not be read or understood. A fact that depends on one of these is
    /// not known; it is not "no".
    pub unread: Vec<Unread>,
    /// Who the node is, if the operator asked for it to be written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// Something that could not be read or understood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Unread {
    /// What it was.
    pub path: HostPath,
    /// Why, for people.
    pub why: Label,
}
