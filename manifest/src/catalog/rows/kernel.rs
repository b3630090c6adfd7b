use serde::{Deserialize, Serialize};

use super::{EvidenceId, is_name};
use crate::platform::words::words;
use crate::platform::{KernelRelease, KernelSeries, PveSeries};
use crate::text::text;

/// A line of kernels of one release of Proxmox VE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The release of Proxmox VE.
    pub pve: PveSeries,
    /// The line.
    pub series: KernelSeries,
    /// The newest kernel of the line that was seen.
    pub newest: KernelRelease,
    /// What the line is there for.
    pub role: Role,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// What a line of kernels is there for.
    Role, "a role of a kernel", {
        /// The newest point release boots it.
        Default = "default",
        /// It is maintained, and installed by choice.
        OptIn = "opt-in",
        /// It is no longer maintained.
        Stale = "stale",
    }
}

text! {
    /// The name of a [`BuildReason`].
    ReasonId,
    "the name of a reason",
    "lower-case letters, digits, `-` and `.`, at most 60 bytes",
    is_name
}

/// Why a driver does or does not build on a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildReason {
    /// Its name.
    pub id: ReasonId,
    /// The reason, as the end of a sentence.
    pub says: String,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}
