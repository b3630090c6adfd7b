//! The last step of every image, whatever it comes from: from a known manifest to the archive in
//! the cache.

use anyhow::bail;
use vgpu_manifest::Digest;
use vgpu_manifest::image::ImageReference;
use vgpu_manifest::ui::ByteSize;

use super::archive::{Archive, Blobs};
use super::document::Manifest;
use super::media::{Dialect, Layer};
use super::written::oci_manifest;
use crate::cache::Incoming;
use crate::fetch::Fetcher;
use crate::items::source::Sources;
use crate::types::Expected;

/// An image whose manifest is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) manifest: Manifest,
    /// The digest of the manifest where it comes from.
    pub(super) digest: Digest,
    /// The bytes of the manifest.
    pub(super) bytes: Vec<u8>,
}

/// Returns the archive of an image, which gets the name `reference`.
///
/// Docker's manifest is rewritten in OCI's form.
pub(super) fn prepare(
    sources: &Sources<'_>,
    want: Expected<'_>,
    reference: &ImageReference,
    Known { manifest, digest, bytes }: &Known,
) -> anyhow::Result<Archive> {
    let (bytes, original) = match manifest.dialect {
        Dialect::Oci => (bytes.clone(), None),
        Dialect::Docker => (oci_manifest(manifest)?, Some(*digest)),
    };
    let archive = Archive::new(manifest, bytes, &manifest.distinct()?, reference, original)?;
    let (size, max) = (archive.len(), want.cap);
    if size > max.bytes() {
        let size = ByteSize::new(size);
        bail!("the image has at least {size}, more than the {max} allowed");
    }
    if manifest.layers.iter().any(|(_, kind)| *kind == Layer::Zstd) {
        sources.fetcher.ui.note(format_args!(
            "image {reference} has layers packed with zstd, which Docker 20.10 does not load"
        ));
    }
    Ok(archive)
}

/// Writes the archive, with its contents from `parts`, which are verified on the way.
pub(super) fn pack<'s>(
    sources: &Sources<'s>,
    want: Expected<'_>,
    archive: &Archive,
    parts: &dyn Blobs,
) -> anyhow::Result<Incoming<'s>> {
    let Fetcher { cache, ui, .. } = sources.fetcher;
    let transfer = ui.transfer("pack", want.name.as_str()).of_counted_bytes();
    transfer.expect(Some(archive.len()), 0);
    let mut incoming = cache.incoming()?;
    archive.write(parts, &mut incoming, &|n| transfer.advance(n))?;
    transfer.done(incoming.len());
    Ok(incoming)
}
