use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

/// Something that a revert did not bring back to what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What.
    #[serde(flatten)]
    pub what: KeptThing,
    /// Why it was left.
    pub why: Why,
}

/// What a revert can leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptThing {
    /// A path.
    Path(HostPath),
    /// A thing that an act changed, such as a package.
    Named {
        /// What kind of thing it is.
        kind: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for KeptThing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Named { kind, name } => write!(f, "{kind} {name}"),
        }
    }
}

/// Why a revert did not bring something back to what it was.
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
    /// A package came in a later version, and the bundle does not carry the one that was there.
    Newer,
    /// Somebody else had brought it, and nothing here can bring it again.
    Foreign,
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
            Self::Newer => "it stays in a later version than it had, because the bundle does not carry that one",
            Self::Foreign => "it stays away: somebody else had installed it, and only its own package can do that again",
        })
    }
}
