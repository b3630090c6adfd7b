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
mod media;
mod name;
mod platform;
mod pull;
mod record;
mod source;
#[cfg(test)]
mod tests;
mod written;

pub(crate) use self::name::ImageName;
pub(crate) use self::platform::Platform;
pub(crate) use self::pull::{pull, pull_again};
pub(crate) use self::record::{lines, records};
pub(crate) use self::source::{ImageSource, Registry, Transport};
use crate::fetch::{FetchError, MirrorError};
use crate::net::NetError;

/// Returns the error for a download of `source` that failed.
fn fetch_failed(source: &ImageSource, error: FetchError) -> anyhow::Error {
    let is_denied = |failure: &MirrorError| {
        matches!(failure, MirrorError::Net(NetError::Status { code: 401 | 403, .. }))
    };
    let denied = match &error {
        FetchError::Failed { failures, .. } => failures.iter().any(is_denied),
        _ => false,
    };
    let error = anyhow::Error::new(error);
    match source.registries().next().filter(|_| denied) {
        Some(registry) => error.context(format!(
            "access to `{}` denied: it does not exist or is private; if private, run `podman login {registry}`",
            source.image
        )),
        None => error,
    }
}
