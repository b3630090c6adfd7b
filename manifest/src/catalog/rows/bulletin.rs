use serde::{Deserialize, Serialize};

use super::EvidenceId;
use crate::catalog::Release;

/// An NVIDIA security bulletin about the host driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulletin {
    /// NVIDIA's number.
    pub id: u32,
    /// Its date: `2026-09-30`.
    pub published: String,
    /// The releases with the fixes, at most one of each branch. Earlier releases of the branch lack
    /// them.
    pub fixed: Vec<Release>,
    /// Branches that get no fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfixed: Vec<u8>,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

/// The consequence of a bulletin for a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The release lacks the fixes, which this later one of its branch has.
    FixedIn(Release),
    /// No release of the branch has the fixes.
    Unfixed,
}

impl Bulletin {
    /// Returns the consequence for `release`; `None` if it is not concerned.
    #[must_use]
    pub fn exposes(&self, release: Release) -> Option<Exposure> {
        if self.unfixed.contains(&release.branch()) {
            return Some(Exposure::Unfixed);
        }
        let fix = self.fixed.iter().find(|fix| fix.branch() == release.branch())?;
        (release < *fix).then_some(Exposure::FixedIn(*fix))
    }
}
