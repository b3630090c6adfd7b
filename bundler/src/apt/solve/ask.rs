//! What the solver is asked, and what it answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::ParseTextError;
use vgpu_manifest::inventory::PackageName;

use crate::apt::model::Candidate;
use crate::apt::version::Version;

/// A package that is wanted: `dkms`, or `dkms=3.0.10-8` for that very version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Request {
    pub(crate) name: PackageName,
    pub(crate) version: Option<Version>,
}

/// What may become of the packages that a node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Upgrades {
    /// They stay as they are.
    #[default]
    Never,
    /// Those become newer without which a requested package cannot be installed.
    Coupled,
    /// Everything becomes as new as the archives have it.
    All,
}

/// What a node needs beyond what it has, in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Solution {
    pub(crate) changes: Vec<Change>,
    /// With [`Upgrades::All`]: what cannot become newer together with everything else.
    pub(crate) kept_back: Vec<PackageName>,
}

/// A package that is to be brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) candidate: Candidate,
    pub(crate) cause: Cause,
    /// What the node has of it.
    pub(crate) installed: Option<Installed>,
}

/// The version of a package that a node has and that gives way to a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) version: Version,
    /// The same version, if an archive still offers it: what an undo needs.
    pub(crate) offered: Option<Candidate>,
}

/// Why a package is to be brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was asked for.
    Requested,
    /// All that the node has was to become newer.
    Newer,
    /// Another package does not go with what is there.
    Because(Reason),
}

/// What a package says of others, in the words of its stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) name: PackageName,
    pub(crate) version: Version,
    pub(crate) verb: Verb,
    /// `libc6 (= 2.36-9+deb12u10)`.
    pub(crate) what: String,
}

/// How a package stands to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `Depends` or `Pre-Depends`.
    Needs,
    /// `Conflicts`.
    Conflicts,
    /// `Breaks`.
    Breaks,
}

/// Why there is no solution.
#[derive(Debug)]
pub(crate) enum SolveError<E> {
    /// The archives cannot be read.
    Universe(E),
    /// What was asked cannot be had.
    Unsatisfiable(Explanation),
}

/// Why a request cannot be satisfied, as lines for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// What fails, and below it, indented, why each way of doing it fails.
    pub(crate) lines: Vec<String>,
    /// What to do next, the nearest first. Each is a sentence without a period.
    pub(crate) ways_out: Vec<String>,
}

/// What fails. Why it does are further lines, which are for [`Explanation::lines`] to say.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lines.first().map_or("nobody knows why", String::as_str))
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
