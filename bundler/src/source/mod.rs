//! Where the bytes of items come from, and how they get into the cache.

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
use vgpu_manifest::catalog::sqlite::DatabaseError;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName, Kind, Measured};

pub(crate) use self::alist::{AlistError, AlistPath, AlistSource};
pub(crate) use self::archive::AddressErrors;
pub(crate) use self::kept::{Kept, MAX_KEPT};
pub(crate) use self::mega::{MegaError, MegaLink};
pub(crate) use self::path::LocalPath;
use crate::apt::Address;
use crate::cache::CacheError;
use crate::driver::RefusalError;
use crate::fetch::{Download, FetchError, Fetcher};
use crate::git::{GitError, GitOrigin};
use crate::image::{self, ImageError, ImageName, ImageSource};
use crate::net::HttpUrl;
use crate::tree::TreeError;

/// Where the bytes of an item come from.
///
/// Recipe and lock say it in the same words. The recipe adds what is expected, the lock what it
/// turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Origin {
    /// A file of the builder.
    File {
        /// Its path.
        path: LocalPath,
    },
    /// A folder of the builder, which becomes one archive.
    Folder {
        /// Its path.
        path: LocalPath,
        /// Paths in it that are left out, with all below them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<LocalPath>,
    },
    /// A download.
    Url {
        /// The addresses of the same content, in the order in which they are tried.
        urls: Vec<HttpUrl>,
    },
    /// A file or folder of a git repository at some commit, or something that is made of it.
    Git(GitOrigin),
    /// A file of a package archive.
    Archive {
        /// Where it is, in the order in which to try.
        addresses: Vec<Address>,
    },
    /// What vouches for an archive. The archive replaces it within hours, so the lock keeps it.
    Evidence {
        /// Where it was, in the order in which it was tried.
        addresses: Vec<Address>,
        /// All of it.
        kept: Kept,
    },
    /// A driver in a folder of an AList server.
    Alist(AlistSource),
    /// A file on mega.
    Mega {
        /// The link to it.
        link: MegaLink,
    },
    /// The catalogue that this program was built with.
    Catalog,
    /// A container image of a registry, which becomes one archive.
    Image(ImageSource),
}

/// What is expected of the bytes of an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'e> {
    pub(crate) name: &'e ItemName,
    /// Their SHA-256, if that is known.
    pub(crate) sha256: Option<Digest>,
    /// How many there are, if that is known.
    pub(crate) size: Option<u64>,
    /// The most that there may be.
    pub(crate) cap: ByteSize,
}

/// The bytes that an item turned out to be, and what is known of them.
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
    /// Bytes of which nothing else is known.
    pub(crate) fn plain(measured: &Measured) -> Self {
        Self { size: measured.size, sha256: measured.sha256, kind: Kind::Plain }
    }
}

impl<'e> Expected<'e> {
    /// These very bytes.
    pub(crate) fn again(name: &'e ItemName, pin: &Pin) -> Self {
        let Pin { size, sha256, .. } = *pin;
        Self { name, sha256: Some(sha256), size: Some(size), cap: ByteSize::new(size) }
    }
}

/// What it takes to get at any origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'s> {
    /// The network and the cache.
    pub(crate) fetcher: Fetcher<'s>,
    /// The folder at which relative paths start: that of the recipe.
    pub(crate) base: &'s Utf8Path,
    /// How many downloads of one item run at the same time.
    pub(crate) width: NonZeroUsize,
}

/// The bytes of an item could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SourceError {
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file cannot be read.
    #[error("cannot read `{path}` for item `{item}`")]
    File { item: ItemName, path: LocalPath, source: std::io::Error },
    /// A file or folder has another content than the lock or the recipe says.
    #[error("`{path}` is not what was expected for item `{item}`: {source}")]
    Changed {
        item: ItemName,
        /// The file or folder.
        path: LocalPath,
        /// What was expected.
        source: CacheError,
    },
    /// A folder cannot be packed.
    #[error("cannot pack the folder `{path}` into item `{item}`")]
    Tree {
        item: ItemName,
        /// The folder.
        path: LocalPath,
        /// The reason.
        source: TreeError,
    },
    /// A git repository does not have what is wanted.
    #[error("cannot get item `{item}` from its git repository")]
    Git { item: ItemName, source: Box<GitError> },
    /// What a git repository has cannot be packed.
    #[error("cannot pack item `{item}`")]
    GitTree {
        item: ItemName,
        /// The reason.
        source: TreeError,
    },
    /// A commit has another content than the lock or the recipe says.
    #[error("the commit does not have what was expected for item `{item}`: {source}")]
    OtherCommit {
        item: ItemName,
        /// What was expected.
        source: CacheError,
    },
    /// A file of an archive cannot be had anywhere.
    #[error("cannot get item `{item}`: {errors}")]
    Archive {
        item: ItemName,
        /// Why not, for each address.
        errors: AddressErrors,
    },
    /// What the lock keeps itself is damaged.
    #[error("the lock is damaged: what it keeps of item `{item}` cannot be read")]
    Kept { item: ItemName, source: std::io::Error },
    /// The catalogue cannot be written as a file.
    #[error("cannot make item `{item}`")]
    Catalog { item: ItemName, source: DatabaseError },
    /// The catalogue is not the one that was locked.
    #[error("another build of this program, with another catalogue, has locked item `{item}`")]
    OtherCatalog {
        item: ItemName,
        /// What was expected.
        source: CacheError,
    },
    /// A driver cannot be taken out of its archive.
    #[error(transparent)]
    Driver(Box<RefusalError>),
    /// A container image cannot be had.
    #[error("cannot get the image `{image}` for item `{item}`")]
    Image {
        item: ItemName,
        /// The image.
        image: ImageName,
        source: Box<ImageError>,
    },
    /// An AList server does not have what is wanted.
    #[error("cannot get item `{item}` from the AList server {url}")]
    Alist {
        item: ItemName,
        /// The server.
        url: HttpUrl,
        source: Box<AlistError>,
    },
    /// A file cannot be had from mega.
    #[error("cannot get item `{item}` from {link}")]
    Mega {
        item: ItemName,
        /// The link.
        link: MegaLink,
        source: Box<MegaError>,
    },
    #[error("cannot put item `{item}` into the cache")]
    Cache { item: ItemName, source: CacheError },
}

impl SourceError {
    /// The image of `source` cannot be had for `item`.
    pub(crate) fn image(item: &ItemName, source: &ImageSource, error: ImageError) -> Self {
        let (item, image) = (item.clone(), source.image.clone());
        Self::Image { item, image, source: Box::new(error) }
    }
}

impl Sources<'_> {
    /// Get the bytes of an item into the cache, unless they are there.
    ///
    /// What is looked for is recognised by its digest only; without one, files and folders are
    /// read and addresses are asked.
    pub(crate) fn obtain(&self, origin: &Origin, want: Expected<'_>) -> Result<Pin, SourceError> {
        match origin {
            Origin::File { path } => self.file(path, want),
            Origin::Folder { path, exclude } => self.folder(path, exclude, want),
            Origin::Git(origin) => self.git(origin, want),
            Origin::Archive { addresses } => self.archived(addresses, want),
            Origin::Evidence { kept, .. } => self.kept(kept, want),
            Origin::Alist(source) => self.alist(source, want),
            Origin::Mega { link } => self.mega(link, want),
            // Without what the drivers say, which whoever has drivers asks for by itself.
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

    /// What the lock keeps itself.
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

    /// What the cache has under the expected digest.
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
    /// As the manifest says it: nothing of the builder's file system, no query of an address.
    #[must_use]
    pub(crate) fn for_manifest(&self) -> vgpu_manifest::Origin {
        match self {
            Self::File { .. } => vgpu_manifest::Origin::File,
            Self::Folder { .. } => vgpu_manifest::Origin::Folder,
            // Only what is locked gets into a manifest, and then the commit is known.
            Self::Git(origin) => origin.for_manifest().unwrap_or(vgpu_manifest::Origin::Folder),
            Self::Alist(AlistSource { url, path, .. }) => {
                vgpu_manifest::Origin::Url { url: url.below(&path.parts()).public() }
            }
            Self::Mega { link } => vgpu_manifest::Origin::Url { url: link.public() },
            Self::Catalog => vgpu_manifest::Origin::Bundler,
            Self::Image(ImageSource { image, .. }) => {
                vgpu_manifest::Origin::Image { reference: image.reference().clone() }
            }
            // A folder of this machine tells nobody anything.
            Self::Archive { addresses } | Self::Evidence { addresses, .. } => {
                let web = addresses.iter().find_map(|address| match address {
                    Address::Web(url) => Some(url.public()),
                    Address::Folder(_) => None,
                });
                web.map_or(vgpu_manifest::Origin::File, |url| vgpu_manifest::Origin::Url { url })
            }
            // Which mirror served it is chance, and must not change the bundle.
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
