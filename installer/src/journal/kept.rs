use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

/// An object that a revert did not restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Kept {
    /// The object.
    #[serde(flatten)]
    pub(crate) what: KeptThing,
    /// The reason.
    pub(crate) why: Why,
}

/// The kind of object that a revert can retain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeptThing {
    /// A path.
    Path(HostPath),
    /// An object that an act changed, such as a package.
    Named {
        /// Its kind.
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

/// The reason why a revert did not restore an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Why {
    /// It was changed outside vgpu-installer.
    Changed,
    /// It was removed outside vgpu-installer.
    Removed,
    /// The directory has new entries from outside vgpu-installer.
    NotEmpty,
    /// Its parent directory was removed or replaced outside vgpu-installer.
    NoParent,
    /// It was changed outside vgpu-installer; only the added kernel parameters were removed.
    WordsTakenOut,
    /// A command changed it, and no copy of such files was kept.
    NoCopy,
    /// The package was upgraded, and the bundle does not include its previous version.
    Newer,
    /// It is third-party, and the installer cannot restore it.
    Foreign,
    /// Its copy was lost, and the operator has given it up.
    GivenUp,
    /// The journal was lost, and with it the previous state.
    JournalLost,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed outside vgpu-installer",
            Self::Removed => "removed outside vgpu-installer",
            Self::NotEmpty => "contains files from outside vgpu-installer",
            Self::NoParent => "its parent directory was removed outside vgpu-installer",
            Self::WordsTakenOut => "changed outside vgpu-installer; only the added kernel parameters were removed",
            Self::NoCopy => "changed by a command, and no copy was saved",
            Self::Newer => "left at the newer version, because the bundle does not include the previous one",
            Self::Foreign => "not reinstalled, because it was installed outside vgpu-installer; reinstall it from its own package",
            Self::GivenUp => "given up with `vgpu-installer repair`, because the saved copy of its previous state was lost",
            Self::JournalLost => "not restored, because the journal was lost and with it the record of the previous state",
        })
    }
}
