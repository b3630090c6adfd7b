//! Unlock libraries and their sources.

use serde::{Deserialize, Serialize};

use super::Tree;
use crate::ItemName;
use crate::catalog::LibraryId;
use crate::platform::PveRelease;
use crate::text;
use crate::types::object::object;

/// The record of the sources of an unlock library, with all crates: enough to build it offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnlockRecord {
    /// The commit of the sources.
    pub commit: CommitId,
    /// The id of the library in the catalog, if the catalog has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<LibraryId>,
    /// The unpacking of the source archive.
    #[serde(deserialize_with = "object")]
    pub tree: Tree,
}

/// The record of an unlock library that was built with the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LibraryRecord {
    /// The item with its sources.
    pub source: ItemName,
    /// The oldest glibc that can load it, by its symbol versions.
    pub glibc: GlibcVersion,
}

text! {
    /// The full id of a commit of a git repository.
    CommitId,
    "the id of a commit",
    "40 or 64 lower-case hex digits",
    |text| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        [40, 64].contains(&text.len()) && text.bytes().all(hex)
    }
}

/// A version of glibc: `2.31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct GlibcVersion {
    major: u16,
    minor: u16,
}

impl GlibcVersion {
    /// Returns this version.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The version in the oldest supported Proxmox VE, 7.
    pub const OLDEST_HOST: Self = Self::new(2, 31);

    /// Returns the version in a Proxmox VE release, which has it from Debian.
    #[must_use]
    pub const fn of(pve: PveRelease) -> Option<Self> {
        match pve.major() {
            7 => Some(Self::new(2, 31)),
            8 => Some(Self::new(2, 36)),
            9 => Some(Self::new(2, 41)),
            _ => None,
        }
    }
}

impl std::str::FromStr for GlibcVersion {
    type Err = crate::ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| part.parse::<u16>().ok();
        let version = text
            .split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)));
        version
            .filter(|version| version.to_string() == text)
            .ok_or_else(|| crate::ParseTextError::new(text, "a version of glibc", "`2.31`"))
    }
}

impl std::fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl TryFrom<String> for GlibcVersion {
    type Error = crate::ParseTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GlibcVersion> for String {
    fn from(version: GlibcVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::one_spelling;

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        let sources = UnlockRecord {
            commit: "71ec870".repeat(6)[..40].parse().unwrap(),
            library: Some("mbilker".parse().unwrap()),
            tree: Tree { unpacked: 1 << 20, window_log: 22 },
        };
        one_spelling(&sources, &[("71ec870", "71EC870"), ("unpacked", "packed")]);
        let library = LibraryRecord {
            source: "unlock/vgpu_unlock-rs.tar.zst".parse().unwrap(),
            glibc: GlibcVersion::new(2, 31),
        };
        one_spelling(&library, &[("2.31", "2.031"), ("unlock/", "/")]);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let [old, new]: [GlibcVersion; 2] = ["2.4", "2.31"].map(|text| text.parse().unwrap());
        assert!(old < new);
        for bad in ["", "2", "2.", "2.3.1", "+2.31", "2.x"] {
            assert!(bad.parse::<GlibcVersion>().is_err(), "{bad}");
        }
    }
}
