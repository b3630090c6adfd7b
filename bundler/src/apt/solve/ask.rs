//! The request to the solver and its answer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::PackageName;
use vgpu_manifest::{DebVersion, ParseTextError};

use crate::apt::model::Candidate;

/// A requested package: `dkms`, or `dkms=3.0.10-8` for exactly that version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Request {
    pub(crate) name: PackageName,
    pub(crate) version: Option<DebVersion>,
}

/// Which packages of a node may be upgraded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Upgrades {
    /// None.
    #[default]
    Never,
    /// Those without which a requested package cannot be installed.
    Coupled,
    /// All, to the newest versions of the archives.
    All,
}

/// The packages to add to a node, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Solution {
    pub(crate) changes: Vec<Change>,
    /// With [`Upgrades::All`]: packages that cannot be upgraded together with all others.
    pub(crate) kept_back: Vec<PackageName>,
}

/// A package to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) candidate: Candidate,
    pub(crate) cause: Cause,
    /// The installed version that it replaces.
    pub(crate) installed: Option<Installed>,
}

/// An installed version that a newer one replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) version: DebVersion,
    /// The same version, if an archive still offers it; a rollback needs it.
    pub(crate) offered: Option<Candidate>,
}

/// Why a package is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was requested.
    Requested,
    /// All packages of the node were to be upgraded.
    Newer,
    /// Another package conflicts with the installed version.
    Because(Reason),
}

/// A relation of a package, as its stanza spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) name: PackageName,
    pub(crate) version: DebVersion,
    pub(crate) verb: Verb,
    /// `libc6 (= 2.36-9+deb12u10)`.
    pub(crate) what: String,
}

/// The field of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `Depends` or `Pre-Depends`.
    Needs,
    Conflicts,
    Breaks,
}

/// Why there is no solution.
#[derive(Debug)]
pub(crate) enum SolveError<E> {
    /// The archives cannot be read.
    Universe(E),
    /// The request cannot be satisfied.
    Unsatisfiable(Explanation),
}

/// Why a request cannot be satisfied, as lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The failure, followed by indented lines on why each alternative fails.
    pub(crate) lines: Vec<String>,
    /// Hints, the most useful first. Each is a sentence without a period.
    pub(crate) ways_out: Vec<String>,
}

/// Writes the failure only. [`Explanation::lines`] has the reasons.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lines.first().map_or("unknown reason", String::as_str))
    }
}

impl<E: fmt::Display> fmt::Display for SolveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Universe(error) => error.fmt(f),
            Self::Unsatisfiable(explanation) => explanation.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for SolveError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Universe(error) => error.source(),
            Self::Unsatisfiable(_) => None,
        }
    }
}

impl<E> From<E> for SolveError<E> {
    fn from(error: E) -> Self {
        Self::Universe(error)
    }
}

impl FromStr for Request {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, version) = match text.split_once('=') {
            Some((name, version)) => (name, Some(version.parse()?)),
            None => (text, None),
        };
        Ok(Self { name: name.parse()?, version })
    }
}

impl TryFrom<String> for Request {
    type Error = ParseTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Request> for String {
    fn from(request: Request) -> Self {
        request.to_string()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "={version}"))
    }
}

impl fmt::Display for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Coupled => "coupled",
            Self::All => "all",
        })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Needs => "needs",
            Self::Conflicts => "conflicts with",
            Self::Breaks => "breaks",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.name, self.version, self.verb, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_name_or_a_name_and_a_version() {
        for good in ["dkms", "g++-12=12.2.0-14+deb12u1", "a=1:2~rc1"] {
            assert_eq!(good.parse::<Request>().unwrap().to_string(), good);
        }
        for bad in ["", "=1", "a=", "a=b", "a:amd64", "a (= 1)", "a/bookworm"] {
            assert!(bad.parse::<Request>().is_err(), "{bad}");
        }
    }
}
