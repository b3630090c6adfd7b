use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EvidenceId, IdentityId, Modules, is_name};
use crate::ParseTextError;
use crate::catalog::{DeviceId, IdRange, ReleaseRange};
use crate::platform::PciId;
use crate::text;
use crate::{serde_as_text, words};

text! {
    /// The id of an architecture: `turing`.
    ArchitectureId,
    "the name of an architecture",
    "lower-case letters, digits and `-`: `turing`",
    is_name
}

/// A GPU architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Its name.
    pub id: ArchitectureId,
    /// Prefixes of its chips' names. The longest match among all architectures applies.
    pub chips: Vec<String>,
    /// Its ranges of device ids, for GPUs without a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdRange>,
    /// Whether its vGPUs use SR-IOV virtual functions.
    pub sriov: SrIov,
    /// The kernel modules that NVIDIA's installer selects for it since R560.
    pub modules: Modules,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// Whether vGPUs use SR-IOV virtual functions.
    SrIov, "a use of SR-IOV", {
        /// They use virtual functions.
        Yes = "yes",
        /// They use the physical function.
        No = "no",
        /// The architecture has no vGPUs.
        None = "none",
    }
}

/// An NVIDIA display or 3D device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gpu {
    /// The PCI device id.
    pub id: DeviceId,
    /// The board's name in pci.ids, or the chip's name where pci.ids has no board.
    pub name: String,
    /// The chip, without the letters for its use.
    pub chip: String,
    /// The architecture.
    pub arch: ArchitectureId,
    /// Releases that support it without unlocking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<ReleaseRange>,
    /// Releases on which sources disagree, or which only a doubtful source names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_unproven: Option<ReleaseRange>,
    /// Whether its vGPUs use virtual functions, for natively supported GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sriov: Option<SrIov>,
    /// The required state of its display ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Display>,
    /// Different boards with this device id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsystems: Vec<Subsystem>,
    /// The GPU as which an unlock library presents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlock: Option<IdentityId>,
    /// Whether unlocking works.
    #[serde(default = "works", skip_serializing_if = "is_works")]
    pub unlock_state: CardUnlock,
    /// The platform that it is part of; `None` for a separate board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

impl Gpu {
    /// Returns the PCI id without a subsystem.
    #[must_use]
    pub const fn pci_id(&self) -> PciId {
        PciId::new(PciId::NVIDIA, self.id.0)
    }
}

words! {
    /// Whether a GPU can be unlocked if its architecture can.
    CardUnlock, "a state of unlocking", {
        /// It can be unlocked.
        Works = "works",
        /// The sources contradict each other.
        Unproven = "unproven",
        /// It cannot be unlocked.
        No = "no",
    }
}

fn works() -> CardUnlock {
    CardUnlock::Works
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_works(state: &CardUnlock) -> bool {
    *state == CardUnlock::Works
}

words! {
    /// The state of display ports that vGPUs require.
    Display, "a state of display ports", {
        /// Disabled with NVIDIA's Display Mode Selector.
        SwitchOff = "switch-off",
    }
}

words! {
    /// A platform that a GPU can be part of.
    Platform, "a platform", {
        /// An Arm processor, which Proxmox VE does not support.
        Arm = "arm",
    }
}

/// A board among several with the same device id: `10de:12ba Quadro RTX 6000`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct Subsystem {
    vendor: u16,
    device: u16,
    name: String,
}

impl Subsystem {
    /// Returns the vendor and device id of the board.
    #[must_use]
    pub const fn id(&self) -> (u16, u16) {
        (self.vendor, self.device)
    }

    /// Returns the board's name in pci.ids.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Subsystem {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (id, name) = text.split_once(' ')?;
            let id: PciId = id.parse().ok().filter(|id: &PciId| id.subsystem().is_none())?;
            let name = Some(name).filter(|name| !name.is_empty())?.to_owned();
            Some(Self { vendor: id.vendor(), device: id.device(), name })
        };
        parse().ok_or_else(|| {
            ParseTextError::new(text, "a subsystem", "`10de:12ba` and the board's name")
        })
    }
}

impl fmt::Display for Subsystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x} {}", self.vendor, self.device, self.name)
    }
}

serde_as_text!(Subsystem);
