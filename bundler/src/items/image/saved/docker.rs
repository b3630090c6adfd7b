//! Docker's archive, which `docker save`, `podman save` and `skopeo copy` write.
//!
//! It has no manifest with a digest. The one that is written here is in OCI's form, lists the
//! configuration and the layers as they are in the archive, uncompressed, and has no annotations,
//! so it depends only on the image. What vouches for the layers are their digests in the
//! configuration.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, Hasher, PIECE};

use super::members::Members;
use super::place::{Part, document};
use super::{Found, missing, names};
use crate::items::image::document::{Blob, MAX_LAYERS, Manifest, check_config};
use crate::items::image::media::{Dialect, Layer};
use crate::items::image::pack::Known;
use crate::items::image::written::oci_manifest;
use crate::items::source::Sources;
use crate::types::{Expected, SavedImage};

/// An image of a `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The list of the images in an archive.
pub(super) const LIST: &str = "manifest.json";

/// Finds the image in an archive with this `manifest.json`.
pub(super) fn find(
    sources: &Sources<'_>,
    members: &Members,
    list: &[u8],
    source: &SavedImage,
    want: Expected<'_>,
) -> anyhow::Result<Found> {
    let entries: Vec<Entry> = serde_json::from_slice(list)
        .map_err(|error| anyhow!("cannot read `manifest.json`: {error}"))?;
    let tagged = |entry: Entry| (entry.repo_tags.clone().unwrap_or_default(), entry);
    let images = entries.into_iter().map(tagged).collect();
    let config_of = |entry: &Entry| entry.config.clone();
    let (names, entry) = names::choose(images, source.image.as_ref(), config_of)?;
    let Entry { config, layers, .. } = entry;
    let count = layers.len();
    if count == 0 || count > MAX_LAYERS {
        bail!("the image has {count} layers, but expected are 1 to {MAX_LAYERS}");
    }
    let part = members.part(&config).ok_or_else(|| missing(&config))?;
    let bytes = document(&config, part)?;
    let id = Digest::of(&bytes);
    if claimed(&config).is_some_and(|claimed| claimed != id) {
        bail!("`{}` has the digest sha256:{id}, not that in its name", config.escape_debug());
    }
    let config_blob = Blob { digest: id, size: bytes.len() as u64 };
    let diff_ids = check_config(&bytes, &source.platform, count)?;
    let mut parts = BTreeMap::from([(id, config)]);
    let mut blobs = Vec::with_capacity(count);
    let transfer = sources.fetcher.ui.transfer("read", want.name.as_str()).of_counted_bytes();
    for (at, (name, diff_id)) in (1..).zip(layers.into_iter().zip(diff_ids)) {
        let part = members.part(&name).ok_or_else(|| missing(&name))?;
        // Otherwise one layer under many names could be read many times.
        let size = blobs.iter().map(|(blob, _): &(Blob, Layer)| blob.size).sum::<u64>() + part.size;
        if size > want.cap.bytes() {
            let size = ByteSize::new(size);
            bail!("the image has at least {size}, more than the {} allowed", want.cap);
        }
        let blob = measured(part, &|n| transfer.advance(n))
            .with_context(|| format!("cannot read `{}`", name.escape_debug()))?;
        if diff_id != format!("sha256:{}", blob.digest) {
            bail!(
                "layer {at}, `{}`, has the digest sha256:{}, but the configuration says `{}`; if the layer is compressed, convert the archive with `skopeo copy docker-archive:… oci-archive:…`",
                name.escape_debug(),
                blob.digest,
                diff_id.escape_debug()
            );
        }
        parts.insert(blob.digest, name);
        blobs.push((blob, Layer::Tar));
    }
    transfer.done(blobs.iter().map(|(blob, _)| blob.size).sum());
    let (dialect, annotations) = (Dialect::Oci, BTreeMap::new());
    let manifest = Manifest { config: config_blob, layers: blobs, dialect, annotations };
    let bytes = oci_manifest(&manifest)?;
    let digest = Digest::of(&bytes);
    Ok(Found { known: Known { manifest, digest, bytes }, names, list: None, parts })
}

/// Returns the digest in the name of a configuration, if it has one: `<hex>.json`, or
/// `blobs/sha256/<hex>`.
fn claimed(name: &str) -> Option<Digest> {
    let file = name.rsplit('/').next()?;
    file.strip_suffix(".json").unwrap_or(file).parse().ok()
}

/// Returns the digest and the size of a part.
fn measured(part: Part<'_>, progress: &dyn Fn(u64)) -> anyhow::Result<Blob> {
    let Part { size, mut content } = part;
    let (mut hasher, mut piece) = (Hasher::default(), vec![0; PIECE]);
    let mut left = size;
    while left > 0 {
        let n = content.read(&mut piece)?;
        if n == 0 {
            bail!("it was truncated while it was being read");
        }
        hasher.update(&piece[..n]);
        left = left.saturating_sub(n as u64);
        progress(n as u64);
    }
    Ok(Blob { digest: hasher.finish(), size })
}
