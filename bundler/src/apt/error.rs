use vgpu_manifest::ParseTextError;
use vgpu_manifest::inventory::InventoryError;
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::ui::{Exit, Explain};

use super::archive::ArchiveError;
use super::index::{IndexError, NoDeb, ReadError};
use super::release::INSTALL_GPGV;
use super::solve::{Explanation, SolveError};
use crate::types::LocalPath;

/// The packages of a recipe cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AptError {
    /// The file that describes a node cannot be read.
    #[error("cannot read the package list `{path}` of the node")]
    Node { path: LocalPath, source: std::io::Error },
    /// The file is not an inventory.
    #[error("cannot use the inventory `{path}`")]
    Inventory { path: LocalPath, source: InventoryError },
    /// The file lists no packages.
    #[error("`{0}` is not a dpkg status file: it lists no installed package")]
    EmptyNode(LocalPath),
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An index cannot be read again.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The requested packages cannot be installed.
    #[error("the packages for `{release}` cannot be installed together: {source}")]
    Solve {
        /// The Debian release of the nodes.
        release: ArchiveName,
        source: SolveError<ReadError>,
    },
    /// All archives are of another Debian release.
    #[error(
        "the packages are for `{release}`, but the signed release of the archive `{archive}` is of `{found}`, and no archive is of `{release}`; correct `release` or `suite`"
    )]
    OtherRelease {
        /// The Debian release of the nodes.
        release: ArchiveName,
        archive: ArchiveName,
        /// The release of the archive.
        found: String,
    },
    /// No archive offers a base system for the release.
    #[error(
        "the archives for `{release}` lack the base system, so missing packages cannot be determined: {why}"
    )]
    NoBase {
        /// The Debian release of the nodes.
        release: ArchiveName,
        /// The missing part.
        why: Explanation,
    },
    /// The index entry of a package gives no usable file.
    #[error(transparent)]
    Deb(#[from] NoDeb),
    /// The manifest cannot describe a package.
    #[error("package `{package}` cannot be in a bundle")]
    Describe { package: String, source: ParseTextError },
    /// The signed files of an archive cannot be items.
    #[error("cannot store the release of the archive `{archive}` in the lock")]
    Keep { archive: ArchiveName, source: std::io::Error },
}

impl From<ArchiveError> for AptError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(Box::new(error))
    }
}

impl AptError {
    /// Returns hints, the most useful first.
    #[must_use]
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Solve { source: SolveError::Unsatisfiable(explanation), .. } => {
                explanation.hints.clone()
            }
            _ => Vec::new(),
        }
    }
}

/// The hint for a missing keyring.
const NAME_KEYRING: &str = "install the archive's keyring package (for Debian, `debian-archive-keyring`), or copy its keyring from a machine that has it and name the file with `keyring`";

impl Explain for AptError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Archive(error) if error.is_distrust() => Some(Exit::Untrusted),
            Self::Solve { source: SolveError::Unsatisfiable(_), .. } => Some(Exit::Unsuitable),
            _ => None,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Archive(error) if error.lacks_verifier() => Some(INSTALL_GPGV),
            Self::Archive(error) if error.lacks_keyring() => Some(NAME_KEYRING),
            _ => None,
        }
    }

    /// Returns the chain of dependencies that failed. Its first line is part of the message.
    fn details(&self) -> &[String] {
        match self {
            Self::Solve { source: SolveError::Unsatisfiable(why), .. }
            | Self::NoBase { why, .. } => why.lines.get(1..).unwrap_or_default(),
            _ => &[],
        }
    }
}
