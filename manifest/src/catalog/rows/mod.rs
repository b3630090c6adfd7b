//! The rows of the catalogue, as they stand in `catalog/*.toml`.

mod driver;
mod gpu;
mod kernel;
mod rule;
mod unlock;

use serde::{Deserialize, Serialize};

pub use self::driver::{
    Apicv, Branch, BranchUnlock, Build, BuildRow, Driver, DriverFile, DriverVersion, GuestRoot,
    Md5, Mediation, Modules, Patch, UnlockState,
};
pub use self::gpu::{
    Architecture, ArchitectureId, CardUnlock, Display, Gpu, Platform, SrIov, Subsystem,
};
pub use self::kernel::{BuildReason, Kernel, ReasonId, Role};
pub use self::rule::{Rule, RuleRow};
pub use self::unlock::{Identity, IdentityId, Layout, Library, LibraryId};

use crate::platform::words::words;
use crate::text::{is_lower, is_word, text};

text! {
    /// The name of an entry of `evidence.toml`.
    EvidenceId,
    "the name of a piece of evidence",
    "lower-case letters, digits, `-` and `.`, at most 60 bytes",
    is_name
}

/// The grammar of the names that rows give each other.
fn is_name(text: &str) -> bool {
    is_word(text, 60, is_lower, |b| is_lower(b) || b"-.".contains(&b))
}

words! {
    /// How good a piece of evidence is, the best first.
    EvidenceKind, "a kind of evidence", {
        /// A command was run on the thing itself.
        Measured = "measured",
        /// It stands in the thing's source code or data.
        Read = "read",
        /// Somebody says so.
        Stated = "stated",
        /// It follows from other evidence; a hypothesis.
        Inferred = "inferred",
    }
}

/// Where something that the catalogue says comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Its name.
    pub id: EvidenceId,
    /// How good it is.
    pub kind: EvidenceKind,
    /// Where it was found.
    pub source: String,
    /// What it says there, in our words.
    pub says: String,
}

words! {
    /// Whether the sources of a row agree.
    State, "a state of a row", {
        /// They do.
        Settled = "settled",
        /// They contradict each other, or what is needed to decide was not seen.
        Unproven = "unproven",
    }
}

/// What a row without a `state` has.
fn settled() -> State {
    State::Settled
}

/// Whether to leave `state` out when a row is written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_settled(state: &State) -> bool {
    *state == State::Settled
}

/// All rows of a catalogue.
///
/// This is what the bundler writes into a bundle and what the installer reads back. Only a
/// [`Catalog`](super::Catalog) answers questions, and it takes only rows that fit each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rows {
    /// What the other rows rest on.
    pub evidence: Vec<Evidence>,
    /// GPU architectures.
    pub architectures: Vec<Architecture>,
    /// GPUs, by device id.
    pub gpus: Vec<Gpu>,
    /// Branches of NVIDIA vGPU.
    pub branches: Vec<Branch>,
    /// Host drivers, by release.
    pub drivers: Vec<Driver>,
    /// Unlock patches, by host driver.
    pub patches: Vec<Patch>,
    /// Cards that others are shown as.
    pub identities: Vec<Identity>,
    /// Unlock libraries.
    pub libraries: Vec<Library>,
    /// Structure sizes, by release.
    pub layouts: Vec<Layout>,
    /// Kernels, by release of Proxmox VE.
    pub kernels: Vec<Kernel>,
    /// Why a driver does or does not build on a kernel.
    pub reasons: Vec<BuildReason>,
    /// What the verdict rests on beside the rows.
    pub rules: Vec<RuleRow>,
}
