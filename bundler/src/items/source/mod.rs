//! The sources of items, and how their bytes reach the cache.

mod alist;
mod archive;
mod catalog;
mod file;
mod git;
mod kept;
mod mega;
mod path;
mod tree;

use std::fmt;
use std::num::NonZeroUsize;
use std::time::SystemTime;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use vgpu_manifest::database::DatabaseError;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName, Kind, Measured};

pub(crate) use self::alist::{AlistError, AlistPath, AlistSource};
pub(crate) use self::archive::AddressErrors;
pub(crate) use self::kept::{Kept, MAX_KEPT};
pub(crate) use self::mega::{MegaError, MegaLink};
pub(crate) use self::path::LocalPath;
use crate::apt::Address;
use crate::cache::CacheError;
use crate::fetch::{Download, FetchError, Fetcher};
use crate::items::catalog::Extended;
use crate::items::git::GitOrigin;
use crate::items::image::{self, ImageName, ImageSource};
use crate::net::HttpUrl;

/// The source of an item.
///
/// Recipe and lock use the same form. The recipe adds expectations, the lock the actual digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Origin {
    /// Reads a local file.
    File { path: LocalPath },
    /// A local folder, packed as one archive.
    Folder {
        path: LocalPath,
        /// Excluded paths in the folder, with everything below them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<LocalPath>,
    },
    /// A download.
    Url {
        /// The addresses of the same content, in the order in which to try them.
        urls: Vec<HttpUrl>,
    },
    /// A file or folder of a git repository at a commit, or a product of it.
    Git(GitOrigin),
    /// A file of a package archive.
    Archive {
        /// The mirrors, in the order in which to try them.
        addresses: Vec<Address>,
    },
    /// A signed file of an archive. The archive replaces it within hours, so the lock contains it.
    Evidence {
        /// The addresses, in the order in which they were tried.
        addresses: Vec<Address>,
        /// The whole file.
        kept: Kept,
    },
    /// A driver in a folder of an AList server.
    Alist(AlistSource),
    /// A file on mega.
    Mega { link: MegaLink },
    /// The catalog of this program.
    Catalog,
    /// A container image of a registry, packed as one archive.
    Image(ImageSource),
}

/// The expectations for the bytes of an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'e> {
    pub(crate) name: &'e ItemName,
    /// The SHA-256, if known.
    pub(crate) sha256: Option<Digest>,
    /// The length, if known.
    pub(crate) size: Option<u64>,
    /// The size limit.
    pub(crate) cap: ByteSize,
}

/// The bytes of an item, with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The length in bytes.
    pub(crate) size: u64,
    /// The SHA-256.
    pub(crate) sha256: Digest,
    /// The record of its kind.
    pub(crate) kind: Kind,
}

impl Pin {
    /// Returns bytes without a record.
    pub(crate) fn plain(measured: &Measured) -> Self {
        Self { size: measured.size, sha256: measured.sha256, kind: Kind::Plain }
    }
}

impl<'e> Expected<'e> {
    /// Returns the expectation of exactly these bytes.
    pub(crate) fn again(name: &'e ItemName, pin: &Pin) -> Self {
        let Pin { size, sha256, .. } = *pin;
        Self { name, sha256: Some(sha256), size: Some(size), cap: ByteSize::new(size) }
    }
}

/// Everything that is needed to read any source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'s> {
    /// The network and the cache.
    pub(crate) fetcher: Fetcher<'s>,
    /// The base of relative paths: the folder of the recipe.
    pub(crate) base: &'s Utf8Path,
    /// The catalog for this recipe.
    pub(crate) catalog: &'s Extended,
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
    fn kept(&self, kept: &Kept, want: Expected<'_>) -> Result<Pin, SourceError> {
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

impl Origin {
    /// Returns the source for a manifest, without local paths and without the query of an address.
    #[must_use]
    pub(crate) fn for_manifest(&self) -> vgpu_manifest::Origin {
        match self {
            Self::File { .. } => vgpu_manifest::Origin::File,
            Self::Folder { .. } => vgpu_manifest::Origin::Folder,
            // Only locked items reach a manifest, and locked items have a commit.
            Self::Git(origin) => origin.for_manifest().unwrap_or(vgpu_manifest::Origin::Folder),
            Self::Alist(AlistSource { url, path, .. }) => {
                vgpu_manifest::Origin::Url { url: url.below(&path.parts()).public() }
            }
            Self::Mega { link } => vgpu_manifest::Origin::Url { url: link.public() },
            Self::Catalog => vgpu_manifest::Origin::Bundler,
            Self::Image(ImageSource { image, .. }) => {
                vgpu_manifest::Origin::Image { reference: image.reference().clone() }
            }
            // A local path means nothing elsewhere.
            Self::Archive { addresses } | Self::Evidence { addresses, .. } => {
                let web = addresses.iter().find_map(|address| match address {
                    Address::Web(url) => Some(url.public()),
                    Address::Folder(_) => None,
                });
                web.map_or(vgpu_manifest::Origin::File, |url| vgpu_manifest::Origin::Url { url })
            }
            // The mirror that served the file varies, and must not change the bundle.
            Self::Url { urls } => vgpu_manifest::Origin::Url {
                url: urls.first().map(HttpUrl::public).unwrap_or_default(),
            },
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "{path}"),
            Self::Folder { path, .. } => write!(f, "{path}/"),
            Self::Git(origin) => origin.fmt(f),
            Self::Archive { addresses } | Self::Evidence { addresses, .. } => {
                addresses.first().map_or(Ok(()), |address| address.fmt(f))
            }
            Self::Alist(AlistSource { url, path, .. }) => {
                f.write_str(&url.below(&path.parts()).public())
            }
            Self::Mega { link } => link.fmt(f),
            Self::Catalog => f.write_str("this program"),
            Self::Image(source) => source.image.fmt(f),
            Self::Url { urls } => urls.first().map_or(Ok(()), |url| url.fmt(f)),
        }
    }
}
