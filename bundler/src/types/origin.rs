//! The source of an item, and its bytes: as expected, and as pinned.

use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName, Kind, Measured};

use super::{
    Address, AlistSource, GitOrigin, HttpUrl, ImageSource, LocalPath, MegaLink, Retained,
    SavedImage,
};

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
        kept: Retained,
    },
    /// A driver in a folder of an AList server.
    Alist(AlistSource),
    /// A file on mega.
    Mega { link: MegaLink },
    /// The catalog of this program.
    Catalog,
    /// A container image of a registry, packed as one archive.
    Image(ImageSource),
    /// A container image on disk, packed in the same way.
    SavedImage(SavedImage),
}

impl Origin {
    /// Returns the git repository of an origin, if it has one.
    #[must_use]
    pub(crate) fn git(&self) -> Option<&GitOrigin> {
        match self {
            Self::Git(origin) => Some(origin),
            _ => None,
        }
    }

    /// Returns the local file or folder that is read, if it is one.
    #[must_use]
    pub(crate) fn local(&self) -> Option<&LocalPath> {
        match self {
            Self::File { path }
            | Self::Folder { path, .. }
            | Self::SavedImage(SavedImage { path, .. }) => Some(path),
            _ => None,
        }
    }

    /// Returns whether the locked origin `self` resolves the origin `wanted`.
    #[must_use]
    pub(crate) fn serves(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Git(have), Self::Git(wanted)) => have.serves(wanted),
            (have, wanted) => have == wanted,
        }
    }

    /// Returns the source for a manifest, without local paths and without the query of an address.
    #[must_use]
    pub(crate) fn for_manifest(&self) -> vgpu_manifest::Origin {
        match self {
            Self::File { .. } | Self::SavedImage(_) => vgpu_manifest::Origin::File,
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
            Self::File { path } | Self::SavedImage(SavedImage { path, .. }) => write!(f, "{path}"),
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
