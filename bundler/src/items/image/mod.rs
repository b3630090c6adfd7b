//! Container images, from a registry into one file for podman, Docker and Proxmox VE 9.1.
//!
//! A manifest is requested by tag once, and from then on by the digest in the lock ([`pull`]). It is
//! parsed strictly ([`document`]), and everything that it names is a download with a known digest,
//! so resuming, mirrors and repetitions are up to [`fetch`](crate::fetch). The parts stay in the
//! cache by digest. The item is a reproducible archive of them ([`archive`]). Authentication is in
//! [`auth`].

mod archive;
mod auth;
mod document;
mod media;
mod pull;
mod record;
#[cfg(test)]
mod tests;
mod written;

pub(crate) use self::pull::{pull, pull_again};
pub(crate) use self::record::{lines, records};
use vgpu_manifest::ItemName;

use crate::fetch::{FetchError, MirrorError};
use crate::net::NetError;
use crate::types::ImageSource;

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

fn unavailable(item: &ItemName, source: &ImageSource) -> String {
    format!("cannot get the image `{}` for item `{item}`", source.image)
}
