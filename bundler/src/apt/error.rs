use vgpu_manifest::ParseTextError;
use vgpu_manifest::inventory::InventoryError;
use vgpu_manifest::package::ArchiveName;

use super::archive::ArchiveError;
use super::index::{IndexError, NoDeb, ReadError};
use super::solve::{Explanation, SolveError};
use crate::source::LocalPath;

/// The packages of a recipe cannot be worked out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AptError {
    /// The file that tells what a node has cannot be read.
    #[error("cannot read `{path}`, which should say what packages a node has")]
    Node {
        /// The file.
        path: LocalPath,
        /// What went wrong.
        source: std::io::Error,
    },
    /// It is not an inventory.
    #[error("cannot use the inventory `{path}`")]
    Inventory {
        /// The file.
        path: LocalPath,
        /// What is wrong with it.
        source: InventoryError,
    },
    /// It says nothing.
    #[error("`{0}` is no status of dpkg: it has no package that is installed")]
    EmptyNode(LocalPath),
    /// An archive cannot be used.
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    /// An index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An index cannot be read a second time.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no way to install what is wanted.
    #[error("the packages for `{release}` cannot be installed together: {source}")]
    Solve {
        /// The release of the nodes.
        release: ArchiveName,
        /// Why not.
        source: SolveError<ReadError>,
    },
    /// There is no release of Debian in the archives.
    #[error(
        "the archives for `{release}` do not have what every system has, so nobody can tell what is missing: {why}"
    )]
    NoBase {
        /// The release of the nodes.
        release: ArchiveName,
        /// What is missing.
        why: Explanation,
    },
    /// A package cannot be fetched by what its index says.
    #[error(transparent)]
    Deb(#[from] NoDeb),
    /// A package cannot be described.
    #[error("package `{package}` cannot be in a bundle")]
    Describe {
        /// The package.
        package: String,
        /// What is wrong.
        source: ParseTextError,
    },
    /// What an archive vouches with cannot be kept.
    #[error("cannot keep the release of the archive `{archive}` in the lock")]
    Keep {
        /// The archive.
        archive: ArchiveName,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl From<ArchiveError> for AptError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(Box::new(error))
    }
}

impl AptError {
    /// Whether something came, and was not to be trusted.
    #[must_use]
    pub(crate) fn is_distrust(&self) -> bool {
        matches!(self, Self::Archive(error) if error.is_distrust())
    }

    /// Whether what was asked for does not go together.
    #[must_use]
    pub(crate) fn is_unsatisfiable(&self) -> bool {
        matches!(self, Self::Solve { source: SolveError::Unsatisfiable(_), .. })
    }

    /// Why it is so, line by line, below what the error itself says.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = &str> {
        let lines: &[String] = match self {
            Self::Solve { source: SolveError::Unsatisfiable(explanation), .. }
            | Self::NoBase { why: explanation, .. } => &explanation.lines,
            _ => &[],
        };
        lines.iter().skip(1).map(String::as_str)
    }

    /// What to do about it, the nearest first.
    #[must_use]
    pub(crate) fn ways_out(&self) -> Vec<String> {
        match self {
            Self::Solve { source: SolveError::Unsatisfiable(explanation), .. } => {
                explanation.ways_out.clone()
            }
            _ => Vec::new(),
        }
    }
}
