//! Verification of the chain from the key of an archive to each of its packages in a bundle, using
//! only the contents of the bundle and a keyring.

use std::io::{self, Seek as _, Write};

use camino::Utf8Path;
use vgpu_manifest::debian::IndexSearch;
use vgpu_manifest::package::{ArchiveName, ArchiveRecord};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Item, ItemName, Manifest, ReadError};

use super::index::unpacking;
use super::release::{
    Evidence, INSTALL_GPGV, Keyring, KeyringError, Release, ReleaseError, SignatureError, verify,
};
use crate::types::MAX_RETAINED;

/// An archive whose signature covers all of its packages.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) release: Release,
    pub(crate) notes: Vec<String>,
    /// The number of its packages in the bundle.
    pub(crate) packages: usize,
}

/// The chain is broken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The keyring cannot be read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Item(#[from] ReadError),
    /// An index cannot be unpacked, or is none.
    #[error("cannot read the index `{item}`")]
    Unpack { item: ItemName, source: io::Error },
    /// No trusted key has signed the release.
    #[error("the release of the archive `{archive}` is not signed by {by}")]
    Signature {
        archive: ArchiveName,
        /// The expected keys.
        by: String,
        source: SignatureError,
    },
    /// The signed text is not a valid release.
    #[error("the release of the archive `{archive}` cannot be used")]
    Release { archive: ArchiveName, source: ReleaseError },
    /// The bundle does not include the indexes.
    #[error("the bundle was made without `carry-index`, so it has no index of the archive `{0}`")]
    NoIndexes(ArchiveName),
    /// The release does not list an index.
    #[error("the release of the archive `{archive}` does not list the index `{item}`")]
    Index { archive: ArchiveName, item: ItemName },
    /// No index lists a package.
    #[error("no index of the archive `{archive}` lists the package `{item}`")]
    Package { archive: ArchiveName, item: ItemName },
}

/// Writes an item of the bundle after verifying its digest.
pub(crate) type Copy<'c> = &'c dyn Fn(&Item, &mut dyn Write) -> Result<(), ReadError>;

/// Verifies the chain of one archive.
pub(crate) fn follow(
    manifest: &Manifest,
    archive: &ArchiveRecord,
    keyring: &Utf8Path,
    copy: Copy<'_>,
) -> Result<Followed, UpstreamError> {
    let name = || archive.name.clone();
    if archive.indexes.is_empty() {
        return Err(UpstreamError::NoIndexes(name()));
    }
    // The manifest names the signing key, but only the keyring decides whether it is trusted.
    let keyring = Keyring::read(keyring, std::slice::from_ref(&archive.signed_by))?;
    let text = small(manifest, &archive.release, copy)?;
    let signature = archive.signature.as_ref();
    let signature = signature.map(|item| small(manifest, item, copy)).transpose()?;
    let evidence = match &signature {
        None => Evidence::Inline(&text),
        Some(signature) => Evidence::Detached { text: &text, signature },
    };
    let signed = verify(evidence, &keyring).map_err(|source| UpstreamError::Signature {
        archive: name(),
        by: archive.signed_by.to_string(),
        source,
    })?;
    let release = Release::of_any_suite(&signed)
        .map_err(|source| UpstreamError::Release { archive: name(), source })?;

    let mut search = IndexSearch::new(manifest, &archive.name);
    for item in archive.indexes.iter().filter_map(|item| manifest.item(item)) {
        let listed = release.index_of(item.sha256());
        let path = listed
            .ok_or_else(|| UpstreamError::Index { archive: name(), item: item.name().clone() })?;
        unpack(item, path, copy, &mut search)?;
        search.end();
    }
    if let Some(item) = search.missing() {
        return Err(UpstreamError::Package { archive: name(), item: item.clone() });
    }
    Ok(Followed { release, notes: signed.notes, packages: search.found() })
}

/// Returns the bytes of a small item; `None` if it is missing or too large.
fn small(manifest: &Manifest, item: &ItemName, copy: Copy<'_>) -> Result<Vec<u8>, UpstreamError> {
    let mut bytes = Vec::new();
    if let Some(item) = manifest.item(item).filter(|item| item.size() <= MAX_RETAINED) {
        copy(item, &mut bytes)?;
    }
    Ok(bytes)
}

/// Searches an index, which is unpacked by the name under which the release lists it.
fn unpack(
    item: &Item,
    path: &str,
    copy: Copy<'_>,
    search: &mut IndexSearch<'_>,
) -> Result<(), UpstreamError> {
    let error = |source| UpstreamError::Unpack { item: item.name().clone(), source };
    let mut packed = tempfile::tempfile().map_err(error)?;
    copy(item, &mut packed)?;
    packed.rewind().map_err(error)?;
    let suffix = path.rsplit_once("Packages").map_or("", |(_, suffix)| suffix);
    io::copy(&mut unpacking(packed, suffix), search).map_err(error)?;
    Ok(())
}

impl Explain for UpstreamError {
    fn exit(&self) -> Option<Exit> {
        let is_distrust = match self {
            Self::Signature { source, .. } => source.is_distrust(),
            _ => matches!(self, Self::Release { .. } | Self::Index { .. } | Self::Package { .. }),
        };
        is_distrust.then_some(Exit::Untrusted)
    }

    fn hint(&self) -> Option<&str> {
        matches!(self, Self::Keyring(KeyringError::NoVerifier)).then_some(INSTALL_GPGV)
    }
}
