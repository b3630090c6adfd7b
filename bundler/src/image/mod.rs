//! Container images, from a registry into one file that podman, Docker and Proxmox VE 9.1 take.
//!
//! A registry is asked for a manifest by its tag, once; for ever after by its digest, which the
//! lock has ([`pull`]). What the manifest says is read strictly ([`document`]), and everything that
//! it names is an ordinary download with a known digest, so going on after a cut, other mirrors
//! and trying again are the business of [`fetch`](crate::fetch). The parts stay in the cache by
//! their digests. What becomes an item is an archive of them ([`archive`]), which is the same
//! wherever it is made. Who asks is told by [`auth`].

mod archive;
mod auth;
mod document;
mod fault;
mod media;
mod name;
mod platform;
mod pull;
mod record;
mod source;
#[cfg(test)]
mod tests;
mod written;

use self::archive::ArchiveError;
use self::auth::CredentialsError;
pub(crate) use self::fault::Fault;
pub(crate) use self::name::ImageName;
pub(crate) use self::platform::Platform;
pub(crate) use self::pull::{pull, pull_again};
pub(crate) use self::record::{lines, records};
pub(crate) use self::source::{ImageSource, Registry, Transport};
use crate::cache::CacheError;
use crate::fetch::{FetchError, MirrorError};
use crate::net::{NetError, ParseUrlError};

/// An image cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ImageError {
    /// A download failed.
    #[error(transparent)]
    Fetch(FetchError),
    /// A registry does not let us have it.
    #[error(
        "`{registry}` does not give it to us: either there is no such image, or it is not for everybody; for a registry that knows you, run `podman login {registry}` first"
    )]
    Denied {
        /// The registry.
        registry: Registry,
        /// What it says.
        source: FetchError,
    },
    /// What the registry has is not an image that can be carried.
    #[error("cannot use `{what}`: {fault}")]
    Fault {
        /// What was looked at.
        what: String,
        /// What is wrong with it.
        fault: Box<Fault>,
    },
    /// The credentials of this user cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The registry has no address.
    #[error(transparent)]
    Url(#[from] ParseUrlError),
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The cache failed, or it turned out to be another image than was locked.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// An archive of ours in the cache has not what we have put into it.
    #[error("cannot read the archive of the image")]
    Read(#[source] std::io::Error),
    /// Something cannot be written as JSON.
    #[error("cannot describe the image")]
    Form(#[from] serde_json::Error),
}

impl ImageError {
    /// What it means that a download of `source` failed.
    fn fetch(source: &ImageSource, error: FetchError) -> Self {
        let is_denied = |failure: &MirrorError| {
            matches!(failure, MirrorError::Net(NetError::Status { code: 401 | 403, .. }))
        };
        let denied = match &error {
            FetchError::Failed { failures, .. } => failures.iter().any(is_denied),
            _ => false,
        };
        match source.registries().next().filter(|_| denied) {
            Some(registry) => Self::Denied { registry, source: error },
            None => Self::Fetch(error),
        }
    }
}
