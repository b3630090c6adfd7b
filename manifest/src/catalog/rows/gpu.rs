use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EvidenceId, IdentityId, Modules, is_name};
use crate::ParseTextError;
use crate::catalog::{DeviceId, IdRange, ReleaseRange};
use crate::platform::PciId;
use crate::platform::words::{serde_as_text, words};
use crate::text::text;

text! {
    /// The name of an architecture: `turing`.
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
    /// How its chips' names begin; the longest match among all architectures holds.
    pub chips: Vec<String>,
    /// The device ids that it takes up, for cards that no row names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdRange>,
    /// Whether its vGPUs live on SR-IOV virtual functions.
    pub sriov: SrIov,
    /// The kernel modules that NVIDIA's installer takes for it from R560 on.
    pub modules: Modules,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// Whether vGPUs live on SR-IOV virtual functions.
    SrIov, "a use of SR-IOV", {
        /// They do.
        Yes = "yes",
        /// They live on the physical function.
        No = "no",
        /// There are no vGPUs.
        None = "none",
    }
}

/// A display or 3D device of NVIDIA's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The PCI device id.
    pub id: DeviceId,
    /// What pci.ids calls the board, or the chip where it names no board.
    pub name: String,
    /// The chip, without the letters for its use.
    pub chip: String,
    /// The architecture.
    pub arch: ArchitectureId,
    /// Releases that serve it without unlocking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<ReleaseRange>,
    /// Releases of which the sources disagree, or of which only a doubtful one says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_unproven: Option<ReleaseRange>,
    /// Whether its vGPUs live on virtual functions, for cards that serve vGPUs natively.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sriov: Option<SrIov>,
    /// What must be done about its display ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Display>,
    /// Boards with this device id that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsystems: Vec<Subsystem>,
    /// The card that an unlock library shows it as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlock: Option<IdentityId>,
    /// Whether that works.
    #[serde(default = "works", skip_serializing_if = "is_works")]
    pub unlock_state: CardUnlock,
    /// What it is built into, if not a card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

impl Gpu {
    /// The PCI id, for any board.
    #[must_use]
    pub const fn pci_id(&self) -> PciId {
        PciId::new(PciId::NVIDIA, self.id.0)
    }
}

words! {
    /// Whether a card can be unlocked where its architecture can.
    CardUnlock, "a state of unlocking", {
        /// It can.
        Works = "works",
        /// The sources contradict each other.
        Unproven = "unproven",
        /// It is known that it cannot.
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
    /// What must be done about a card's display ports before it serves vGPUs.
    Display, "a state of display ports", {
        /// They must be switched off with NVIDIA's Display Mode Selector.
        SwitchOff = "switch-off",
    }
}

words! {
    /// What a GPU is built into.
    Platform, "a platform", {
        /// An Arm processor, which no host of Proxmox VE has.
        Arm = "arm",
    }
}

/// A board among several with the same device id: `10de:12ba Quadro RTX 6000`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Subsystem {
    vendor: u16,
    device: u16,
    name: String,
}

impl Subsystem {
    /// Vendor and device id of the board.
    #[must_use]
    pub const fn id(&self) -> (u16, u16) {
        (self.vendor, self.device)
    }

    /// What pci.ids calls the board.
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
