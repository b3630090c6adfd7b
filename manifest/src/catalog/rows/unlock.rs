use serde::{Deserialize, Serialize};

use super::{EvidenceId, State, is_name, is_settled, settled};
use crate::catalog::{IdRange, ReleaseRange};
use crate::platform::PciId;
use crate::text::text;

text! {
    /// The name of an [`Identity`]: `rtx-6000`.
    IdentityId,
    "the name of an identity",
    "lower-case letters, digits and `-`: `rtx-6000`",
    is_name
}

text! {
    /// The name of a [`Library`]: `mbilker`.
    LibraryId,
    "the name of a library",
    "lower-case letters, digits and `-`: `mbilker`",
    is_name
}

/// A qualified card that others are shown to the driver as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its name in this catalogue.
    pub id: IdentityId,
    /// The card that is pretended.
    pub card: PciId,
    /// The card's name.
    pub name: String,
    /// The device ids that are shown as it.
    pub shown: Vec<IdRange>,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

/// An unlock library: a version of `vgpu_unlock-rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Its name in this catalogue.
    pub id: LibraryId,
    /// Where its sources are.
    pub repository: String,
    /// The commit that was read.
    pub commit: String,
    /// The version that the commit calls itself.
    pub version: String,
    /// The [`Layout`] sizes whose profile overrides it applies.
    pub sizes: Vec<u32>,
    /// The releases that it is made for.
    pub releases: ReleaseRange,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

/// The size of the structure that describes a vGPU type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The releases that have it.
    pub releases: ReleaseRange,
    /// Whether the sources agree on it.
    #[serde(default = "settled", skip_serializing_if = "is_settled")]
    pub state: State,
    /// The size in bytes; several where the sources disagree, none where no source has it.
    pub sizes: Vec<u32>,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}
