use std::io;

use camino::Utf8PathBuf;
use vgpu_manifest::ItemName;
use vgpu_manifest::unlock::GlibcVersion;

use super::library::LibraryFault;
use super::toolchain::Lacking;
use crate::cache::CacheError;
use crate::git::GitError;
use crate::source::SourceError;
use crate::tree::TreeError;

/// An unlock library, or its sources, cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot make item `{item}`: {why}")]
pub(crate) struct UnlockError {
    /// The item.
    item: ItemName,
    /// Why not.
    #[source]
    why: Why,
}

/// Why it cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Why {
    /// The repository does not have it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A program is missing.
    #[error(transparent)]
    Lacking(#[from] Lacking),
    /// A program could not be run.
    #[error("cannot run `{program}`: {source}")]
    Run {
        /// The program.
        program: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// Cargo says no.
    #[error("cargo cannot {doing}: {said}")]
    Cargo {
        /// What it was to do.
        doing: &'static str,
        /// What it said, safe to show.
        said: String,
    },
    /// It is not a package of cargo.
    #[error("the commit has no `Cargo.toml` at its top, so it is not a Rust library")]
    NoPackage,
    /// The commit has something that we would have to replace.
    #[error("the commit has its own `{0}`, which stands where the crates for building it go")]
    InTheWay(&'static str),
    /// A crate that nothing holds to its content.
    #[error(
        "it depends on the crate `{0}`, which comes from elsewhere than a registry, so that `Cargo.lock` has no checksum of it"
    )]
    NoChecksum(String),
    /// Crates from several places.
    #[error("its crates come from more than one registry")]
    Registries,
    /// The lock file of cargo makes no sense.
    #[error("its `Cargo.lock` is malformed: {0}")]
    CargoLock(String),
    /// What cargo has put down is not what it should be.
    #[error("cargo has vendored the crate in `{0}` in a form that is not known")]
    Vendored(Utf8PathBuf),
    /// A file could not be read or written.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Something above the folder of the build would change it.
    #[error("`{0}` would change the build; set TMPDIR to a folder without such a file above it")]
    Above(Utf8PathBuf),
    /// It makes no library, or several.
    #[error("it makes {0} shared libraries instead of one")]
    Libraries(usize),
    /// The library is of no use on a host.
    #[error("the library is of no use on a host: {0}")]
    Library(#[from] LibraryFault),
    /// The library needs a newer glibc than the host has.
    #[error("the library needs glibc {needs}, but is for hosts with {wanted}: {hint}")]
    TooNew {
        /// The oldest that loads it.
        needs: GlibcVersion,
        /// That of the host.
        wanted: GlibcVersion,
        /// What to do.
        hint: String,
    },
    /// Another compiler makes other bytes.
    #[error(
        "the library came out otherwise than it was locked ({source}): that was made with {locked}, and here is {here}; use the same tools, or run `vgpu-bundler lock`"
    )]
    OtherLibrary {
        /// What made the one in the lock.
        locked: String,
        /// What is here.
        here: String,
        /// How they differ.
        source: CacheError,
    },
    /// The sources came out otherwise.
    #[error(
        "the sources came out otherwise than they were locked ({0}); use the version of cargo that made the lock, or run `vgpu-bundler lock`"
    )]
    OtherSources(#[source] Box<SourceError>),
    /// The folder cannot be packed.
    #[error(transparent)]
    Source(#[from] Box<SourceError>),
    /// The archive of the sources cannot be unpacked.
    #[error("cannot unpack its sources: {0}")]
    Unpack(#[from] TreeError),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The lock does not say how it was made.
    #[error("the lock does not say how it was made; run `vgpu-bundler lock`")]
    NoRecord,
}

impl UnlockError {
    /// For an item.
    pub(super) fn new(item: &ItemName, why: impl Into<Why>) -> Self {
        Self { item: item.clone(), why: why.into() }
    }
}

impl Why {
    /// For a file.
    pub(super) fn io(path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl From<SourceError> for Why {
    fn from(error: SourceError) -> Self {
        Self::Source(Box::new(error))
    }
}
