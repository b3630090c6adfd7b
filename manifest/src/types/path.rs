//! Paths and permission bits on the host.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{ParseTextError, serde_as_text};

/// An absolute path on the host, with no `.`, `..` or empty component.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
#[serde(into = "Utf8PathBuf", try_from = "Utf8PathBuf")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(try_from = "String", into = "String", extend("pattern" = "^/"))
)]
pub struct HostPath(Utf8PathBuf);

// A path in its simplest form has one spelling, so its bytes are compared instead of its components.
impl PartialEq for HostPath {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Hash for HostPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl PartialOrd for HostPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Paths are ordered by their components: what is below a directory follows it at once.
impl Ord for HostPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.0.as_str().as_bytes(), other.0.as_str().as_bytes());
        let shared = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let rest = |path: &[u8]| path.get(shared).map(|byte| (*byte != b'/', *byte));
        rest(ours).cmp(&rest(theirs))
    }
}

/// A path cannot be a [`HostPath`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{}` is not an absolute path in its simplest form", .0.as_str().escape_debug())]
pub struct PathError(Utf8PathBuf);

impl HostPath {
    /// Checks that `path` is absolute and in its simplest form.
    pub fn new(path: impl Into<Utf8PathBuf>) -> Result<Self, PathError> {
        let path = path.into();
        let simple: Utf8PathBuf = path
            .components()
            .filter(|part| matches!(part, Utf8Component::RootDir | Utf8Component::Normal(_)))
            .collect();
        // `components` drops `.` and `//`, so compare spellings, not components.
        if path.is_absolute() && simple.as_str() == path.as_str() {
            Ok(Self(path))
        } else {
            Err(PathError(path))
        }
    }

    /// Returns the parent directory; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(|parent| Self(parent.to_owned()))
    }

    /// Returns the path.
    #[must_use]
    pub fn as_path(&self) -> &Utf8Path {
        &self.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<Utf8PathBuf> for HostPath {
    type Error = PathError;

    fn try_from(path: Utf8PathBuf) -> Result<Self, Self::Error> {
        Self::new(path)
    }
}

impl From<HostPath> for Utf8PathBuf {
    fn from(path: HostPath) -> Self {
        path.0
    }
}

/// Permission bits in octal: `0644`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[0-7]{4}$"))
)]
pub struct Mode(u16);

impl Mode {
    /// A file that everyone may read and root may write.
    pub const FILE: Self = Self(0o644);
    /// A program that everyone may run and root may write.
    pub const PROGRAM: Self = Self(0o755);
    /// A directory that everyone may enter and root may write.
    pub const DIR: Self = Self(0o755);

    /// Checks whether every user may read.
    #[must_use]
    pub fn is_for_everyone(self) -> bool {
        self.0 & 0o004 != 0
    }

    /// Checks whether a user other than the owner may write.
    #[must_use]
    pub fn others_may_write(self) -> bool {
        self.0 & 0o022 != 0
    }
}

impl FromStr for Mode {
    type Err = ParseTextError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let is_octal = s.len() == 4 && s.bytes().all(|b| matches!(b, b'0'..=b'7'));
        let bits = u16::from_str_radix(s, 8).ok().filter(|_| is_octal);
        bits.map(Self).ok_or_else(|| ParseTextError::new(s, "a mode", "four octal digits"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

serde_as_text!(Mode);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_only_simple_absolute_paths() {
        for good in ["/", "/etc", "/etc/default/grub"] {
            assert!(HostPath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "etc", "./etc", "/etc/", "/etc//grub", "/etc/./grub", "/etc/../root", "/.."]
        {
            assert!(HostPath::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_components(a in "(/[!-/a]{1,3}){1,4}", b in "(/[!-/a]{1,3}){1,4}") {
            let (Ok(a), Ok(b)) = (HostPath::new(a), HostPath::new(b)) else { return Ok(()) };
            prop_assert_eq!(a.cmp(&b), a.as_path().cmp(b.as_path()));
            prop_assert_eq!(a == b, a.as_path() == b.as_path());
        }
    }

    #[test]
    fn a_mode_has_one_spelling() {
        assert_eq!("0644".parse(), Ok(Mode::FILE));
        assert_eq!("4755".parse::<Mode>().unwrap().to_string(), "4755");
        for bad in ["", "644", "0o644", "0648", "+644", "00644", "-644"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
    }
}
