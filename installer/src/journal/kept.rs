use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

/// A path that a revert did not bring back to what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kept {
    /// Which path.
    pub path: HostPath,
    /// Why it was left.
    pub why: Why,
}

/// Why a revert did not bring a path back to what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Somebody else has changed it since.
    Changed,
    /// Somebody else has removed it since.
    Removed,
    /// Somebody else has put something into the directory.
    NotEmpty,
    /// Somebody else has removed or replaced the directory that it was in.
    NoParent,
    /// Somebody else has changed it since; only our words were taken out.
    WordsTakenOut,
    /// A command changed it, and no copy was kept of such files.
    NoCopy,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "somebody else has changed it since",
            Self::Removed => "somebody else has removed it since",
            Self::NotEmpty => "somebody else has put something into it",
            Self::NoParent => "somebody else has removed the directory that it was in",
            Self::WordsTakenOut => "somebody else has changed it since; our words were taken out",
            Self::NoCopy => "a command changed it, and no copy was kept",
        })
    }
}
