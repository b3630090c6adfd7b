//! The sources of items, and how their bytes reach the cache.

mod alist;
mod archive;
mod catalog;
mod file;
mod git;
mod mega;
mod tree;

use std::num::NonZeroUsize;
use std::time::SystemTime;

use camino::Utf8Path;
use vgpu_manifest::ItemName;
use vgpu_manifest::catalog::sqlite::DatabaseError;

pub(crate) use self::alist::AlistError;
pub(crate) use self::archive::AddressErrors;
pub(crate) use self::mega::MegaError;
use crate::cache::CacheError;
use crate::fetch::{Download, FetchError, Fetcher};
use crate::items::image;
use crate::types::{
    Expected, HttpUrl, ImageName, ImageSource, LocalPath, MegaLink, Origin, Pin, Retained,
};

/// Everything that is needed to read any source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'s> {
    /// The network and the cache.
    pub(crate) fetcher: Fetcher<'s>,
    /// The base of relative paths: the folder of the recipe.
    pub(crate) base: &'s Utf8Path,
    /// The number of parallel downloads for one item.
    pub(crate) width: NonZeroUsize,
}

/// The bytes of an item are unavailable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SourceError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file cannot be read.
    #[error("cannot read `{path}` for item `{item}`")]
    File { item: ItemName, path: LocalPath, source: std::io::Error },
    /// A local file or folder has a digest mismatch with the lock or the recipe.
    #[error("`{path}` does not match item `{item}`: {source}")]
    Changed {
        item: ItemName,
        path: LocalPath,
        /// The expected digest.
        source: CacheError,
    },
    /// A folder cannot be packed.
    #[error("cannot pack the folder `{path}` into item `{item}`")]
    Tree {
        item: ItemName,
        path: LocalPath,
        /// The reason.
        source: anyhow::Error,
    },
    /// A git repository does not have the requested commit or path.
    #[error("cannot get item `{item}` from its git repository")]
    Git { item: ItemName, source: anyhow::Error },
    /// The contents of a git repository cannot be packed.
    #[error("cannot pack item `{item}`")]
    GitTree {
        item: ItemName,
        /// The reason.
        source: anyhow::Error,
    },
    /// A commit has a digest mismatch with the lock or the recipe.
    #[error("the commit does not match item `{item}`: {source}")]
    OtherCommit {
        item: ItemName,
        /// The expected digest.
        source: CacheError,
    },
    /// No mirror has a file of an archive.
    #[error("cannot get item `{item}`: {errors}")]
    Archive {
        item: ItemName,
        /// The error of each address.
        errors: AddressErrors,
    },
    /// The bytes in the lock are damaged.
    #[error("the lock is damaged: cannot read its copy of item `{item}`")]
    Kept { item: ItemName, source: std::io::Error },
    /// The catalog cannot be written as a file.
    #[error("cannot make item `{item}`")]
    Catalog { item: ItemName, source: DatabaseError },
    /// The catalog differs from the locked one.
    #[error("item `{item}` was locked by a build of this program with another catalog")]
    OtherCatalog {
        item: ItemName,
        /// The expected digest.
        source: CacheError,
    },
    /// A driver cannot be extracted from its archive.
    #[error(transparent)]
    Driver(anyhow::Error),
    /// A container image is unavailable.
    #[error("cannot get the image `{image}` for item `{item}`")]
    Image { item: ItemName, image: ImageName, source: anyhow::Error },
    /// An AList server does not have the requested file.
    #[error("cannot get item `{item}` from the AList server {url}")]
    Alist { item: ItemName, url: HttpUrl, source: Box<AlistError> },
    /// A download from mega failed.
    #[error("cannot get item `{item}` from {link}")]
    Mega { item: ItemName, link: MegaLink, source: Box<MegaError> },
    #[error("cannot put item `{item}` into the cache")]
    Cache { item: ItemName, source: CacheError },
}

impl SourceError {
    /// Converts the error of the image of `source` for `item`.
    pub(crate) fn image(item: &ItemName, source: &ImageSource, error: anyhow::Error) -> Self {
        let (item, image) = (item.clone(), source.image.clone());
        Self::Image { item, image, source: error }
    }
}

impl Sources<'_> {
    /// Loads the bytes of an item into the cache, unless they are there.
    ///
    /// Only the digest identifies the bytes; without one, files and folders are read and addresses
    /// are requested.
    pub(crate) fn obtain(&self, origin: &Origin, want: Expected<'_>) -> Result<Pin, SourceError> {
        match origin {
            Origin::File { path } => self.file(path, want),
            Origin::Folder { path, exclude } => self.folder(path, exclude, want),
            Origin::Git(origin) => self.git(origin, want),
            Origin::Archive { addresses } => self.archived(addresses, want),
            Origin::Evidence { kept, .. } => self.kept(kept, want),
            Origin::Alist(source) => self.alist(source, want),
            Origin::Mega { link } => self.mega(link, want),
            // Without the data of drivers: callers with drivers add it.
            Origin::Catalog => self.catalog(&[], want),
            Origin::Image(source) => match self.cached(want)? {
                Some(pin) => Ok(pin),
                None => image::pull(self, source, want),
            },
            Origin::Url { urls } => {
                let Expected { name, sha256, size, cap } = want;
                let download = Download { name: name.as_str(), mirrors: urls, sha256, size, cap };
                let measured = self.fetcher.fetch(&download)?;
                Ok(Pin::plain(&measured))
            }
        }
    }

    /// Decodes the bytes in the lock.
    fn kept(&self, kept: &Retained, want: Expected<'_>) -> Result<Pin, SourceError> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let item = || want.name.clone();
        let bytes = kept.unpack().map_err(|source| SourceError::Kept { item: item(), source })?;
        let error = |source| SourceError::Cache { item: item(), source };
        let mut incoming = self.fetcher.cache.incoming().map_err(error)?;
        incoming.add(&bytes).map_err(error)?;
        incoming.finish(want.sha256).map(|measured| Pin::plain(&measured)).map_err(error)
    }

    /// Returns the cached bytes with the expected digest.
    fn cached(&self, want: Expected<'_>) -> Result<Option<Pin>, SourceError> {
        let cache = self.fetcher.cache;
        let Some(digest) = want.sha256.filter(|digest| cache.cache().has(*digest)) else {
            return Ok(None);
        };
        cache.touch(digest, SystemTime::now());
        let error = |source| SourceError::Cache { item: want.name.clone(), source };
        cache.measured(digest).map(|measured| Some(Pin::plain(&measured))).map_err(error)
    }
}
