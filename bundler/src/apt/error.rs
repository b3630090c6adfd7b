use vgpu_manifest::ParseTextError;
use vgpu_manifest::inventory::InventoryError;
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::ui::{Exit, Explain};

use super::archive::ArchiveError;
use super::index::{IndexError, NoDeb, ReadError};
use super::release::INSTALL_GPGV;
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

impl Explain for AptError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Archive(error) if error.is_distrust() => Some(Exit::Untrusted),
            Self::Solve { source: SolveError::Unsatisfiable(_), .. } => Some(Exit::Unsuitable),
            _ => None,
        }
    }

    fn hint(&self) -> Option<&str> {
        matches!(self, Self::Archive(error) if error.lacks_verifier()).then_some(INSTALL_GPGV)
    }

    /// The chain of dependencies that led here. Its first line is part of the message.
    fn details(&self) -> &[String] {
        match self {
            Self::Solve { source: SolveError::Unsatisfiable(why), .. }
            | Self::NoBase { why, .. } => why.lines.get(1..).unwrap_or_default(),
            _ => &[],
        }
    }
}
