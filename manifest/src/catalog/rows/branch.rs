use serde::{Deserialize, Serialize};

use super::{ArchitectureId, EvidenceId, State, is_name, is_settled, settled};
use crate::catalog::{IdRange, ReleaseRange};
use crate::platform::PciId;
use crate::text;
use crate::words;

/// The common properties of all releases with one major number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The major number.
    pub major: u8,
    /// NVIDIA's name of the driver branch: `R535`.
    pub line: String,
    /// The month in which NVIDIA's support ends.
    pub end_of_life: Month,
    /// Architectures that it supports without unlocking.
    pub native: Vec<ArchitectureId>,
    /// Architectures whose other GPUs can be unlocked with it.
    pub unlock: Vec<BranchUnlock>,
    /// The modules that NVIDIA's installer selects for Ada and newer.
    pub flavour: Modules,
    /// Arguments that select the proprietary modules, for unlocked GPUs.
    pub unlock_args: Vec<String>,
    /// Whether guests need the root certificate of a third-party license server.
    pub guest_root: GuestRoot,
    /// How vGPUs reach a guest.
    pub mediation: Mediation,
    /// Whether its modules need KVM to export `enable_apicv`.
    pub apicv: Apicv,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

text! {
    /// A month: `2026-07`. Later months are greater.
    Month,
    "a month",
    "a year and a month: `2026-07`",
    |text| {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        text.len() == 7
            && text.split_once('-').is_some_and(|(year, month)| {
                digits(year) && digits(month) && ("01"..="12").contains(&month)
            })
    }
}

impl Branch {
    /// Returns whether NVIDIA supports the branch in this month.
    #[must_use]
    pub fn is_supported(&self, month: &Month) -> bool {
        *month <= self.end_of_life
    }
}

/// Whether GPUs of an architecture can be unlocked with a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchUnlock {
    /// The architecture.
    pub arch: ArchitectureId,
    /// Whether unlocking works.
    pub state: UnlockState,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// Whether unlocking works.
    UnlockState, "a state of unlocking", {
        /// It works.
        Works = "works",
        /// It works with the `vgpuConfig.xml` of a 16.x package.
        OldConfig = "old-config",
        /// The sources contradict each other.
        Unproven = "unproven",
    }
}

words! {
    /// A set of NVIDIA kernel modules.
    Modules, "a set of kernel modules", {
        /// The proprietary modules.
        Proprietary = "proprietary",
        /// The open modules.
        Open = "open",
    }
}

words! {
    /// Whether guests need the root certificate of a license server other than NVIDIA's.
    GuestRoot, "a need for a root certificate", {
        /// They do not need it.
        NotNeeded = "not-needed",
        /// They need it.
        Needed = "needed",
        /// They probably need it; no test is recorded.
        Presumed = "presumed",
    }
}

words! {
    /// How vGPUs reach a guest.
    Mediation, "a way of mediation", {
        /// As mediated devices, listed by `mdevctl types`.
        Mdev = "mdev",
        /// As mediated devices or through the vendor's VFIO driver, depending on GPU and kernel.
        Either = "either",
        /// Through the vendor's VFIO driver, listed in sysfs at each virtual function.
        Vendor = "vendor",
    }
}

words! {
    /// Whether the host modules need KVM to export `enable_apicv`.
    Apicv, "a need for enable_apicv", {
        /// They do.
        Used = "used",
        /// Some releases of the branch do.
        Partly = "partly",
        /// They do not.
        Unused = "unused",
    }
}

text! {
    /// The id of an [`Identity`]: `rtx-6000`.
    IdentityId,
    "the name of an identity",
    "lower-case letters, digits and `-`: `rtx-6000`",
    is_name
}

text! {
    /// The id of a [`Library`]: `mbilker`.
    LibraryId,
    "the name of a library",
    "lower-case letters, digits and `-`: `mbilker`",
    is_name
}

/// A qualified GPU as which an unlock library presents other GPUs to the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its name in this catalog.
    pub id: IdentityId,
    /// The PCI id of the GPU.
    pub card: PciId,
    /// The GPU's name.
    pub name: String,
    /// The device ids that are presented as it.
    pub shown: Vec<IdRange>,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

/// An unlock library: a version of `vgpu_unlock-rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Its name in this catalog.
    pub id: LibraryId,
    /// The address of its git repository.
    pub repository: String,
    /// The reviewed commit.
    pub commit: String,
    /// The version that the commit declares.
    pub version: String,
    /// The [`Layout`] sizes whose profile overrides it applies.
    pub sizes: Vec<u32>,
    /// The releases that it supports.
    pub releases: ReleaseRange,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

/// The size of the structure that describes a vGPU type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The releases that use it.
    pub releases: ReleaseRange,
    /// Whether the sources agree on it.
    #[serde(default = "settled", skip_serializing_if = "is_settled")]
    pub state: State,
    /// The size in bytes; several where sources disagree, none where it is not recorded.
    pub sizes: Vec<u32>,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}
