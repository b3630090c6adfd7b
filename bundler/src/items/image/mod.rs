//! Container images, from a registry or from disk into one file for podman, Docker and Proxmox
//! VE 9.1.
//!
//! A manifest is requested by tag once, and from then on by the digest in the lock ([`pull`]). It is
//! parsed strictly ([`document`]), and everything that it names is a download with a known digest,
//! so resuming, mirrors and repetitions are up to [`fetch`](crate::fetch). The parts stay in the
//! cache by digest. The item is a reproducible archive of them ([`archive`]). Authentication is in
//! [`auth`]. An image on disk goes the same way, but its parts are read where they are ([`saved`]).

mod archive;
mod auth;
mod document;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod media;
mod pack;
mod pull;
mod record;
mod saved;
#[cfg(test)]
mod tests;
mod written;

pub(crate) use self::pull::{pull, pull_again};
pub(crate) use self::record::{lines, records};
pub(crate) use self::saved::read;
use anyhow::anyhow;
use vgpu_manifest::ItemName;

use crate::fetch::{FetchError, MirrorError};
use crate::net::NetError;
use crate::types::ImageSource;
use crate::types::image::{Asked, Transport};

/// Returns the error for a download of `asked` that failed.
fn fetch_failed(source: &ImageSource, asked: Asked<'_>, error: FetchError) -> anyhow::Error {
    let FetchError::Failed { failures, .. } = &error else { return error.into() };
    let Some(registry) = source.registries().next() else { return error.into() };
    let registry = registry.as_str();
    let image = &source.image;
    let code = |failure: &MirrorError| match failure {
        MirrorError::Net(NetError::Status { url, code, .. }) => Some((url.public(), *code)),
        _ => None,
    };
    // The general messages for these statuses are about files, with other logins than registries.
    if let Some((url, code)) = failures.iter().filter_map(code).find(|it| matches!(it.1, 401 | 403))
    {
        return anyhow!(
            "access to `{image}` denied ({url} answers {code}): it does not exist or is private; if private, run `podman login {registry}`"
        );
    }
    if source.transport == Transport::Https && failures.iter().any(is_without_tls) {
        return anyhow!(
            "`{registry}` answers without TLS; if the network to it is trusted, set `transport = \"plain-http\"`"
        );
    }
    if !failures.iter().filter_map(code).any(|(_, code)| code == 404) {
        return error.into();
    }
    let (path, mirrors) =
        (source.path(), if source.mirror.is_empty() { "" } else { ", nor have its mirrors" });
    match asked {
        Asked::Tag(tag) => anyhow!(
            "`{registry}` has no tag `{tag}` of `{path}`{mirrors}; list the tags with `skopeo list-tags docker://{registry}/{path}`"
        ),
        Asked::Manifest(digest) => anyhow!(
            "`{registry}` has no image with the digest sha256:{digest} of `{path}`{mirrors}; correct the digest in the recipe, or run `vgpu-bundler update` to use the image that the tag names now"
        ),
        Asked::Blob(_) => error.into(),
    }
}

/// Checks whether a server answered an encrypted request in the clear.
fn is_without_tls(failure: &MirrorError) -> bool {
    match failure {
        MirrorError::Net(NetError::Interrupted(why)) => why.contains("InvalidContentType"),
        _ => false,
    }
}

fn unavailable(item: &ItemName, source: &ImageSource) -> String {
    format!("cannot get the image `{}` for item `{item}`", source.image)
}
