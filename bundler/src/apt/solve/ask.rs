//! The request to the solver and its answer.

use std::fmt;

use vgpu_manifest::DebVersion;
use vgpu_manifest::inventory::PackageName;

use crate::apt::model::Candidate;

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
    pub(crate) hints: Vec<String>,
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
