//! OCI's image layout: an index, and everything else by digest.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::place::Place;
use super::{Found, Parts, names};
use crate::items::image::document::{Blob, Document, Index, NESTED};
use crate::items::image::pack::Known;
use crate::items::image::written::member;
use crate::types::SavedImage;

/// The content of `oci-layout`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}

const VERSION: &str = "1.0.0";

/// Finds the image in a layout with this `index`.
pub(super) fn find(place: &Place, index: &[u8], source: &SavedImage) -> anyhow::Result<Found> {
    check_version(place)?;
    let index = match Document::parse(index).context("`index.json` cannot be used")? {
        Document::Index(index) => index,
        Document::Manifest(_) => bail!("`index.json` is not a list of images"),
    };
    let image = source.image.as_ref();
    let pinned = image.and_then(|image| index.entry(image.digest()?));
    let images = pinned.unwrap_or(index).by_name();
    let digest_of = |index: &Index| index.digests().next().unwrap_or_default().to_owned();
    let (names, entries) = names::choose(images, image, digest_of)?;
    let top = entries.only_or(&source.platform)?;
    let (document, bytes) = read(place, top)?;
    let (list, (manifest, digest, bytes)) = match document {
        Document::Manifest(manifest) => (None, (manifest, top.digest, bytes)),
        Document::Index(index) => {
            let chosen = index.choose(&source.platform)?;
            match read(place, chosen)? {
                (Document::Manifest(manifest), bytes) => {
                    (Some(top.digest), (manifest, chosen.digest, bytes))
                }
                (Document::Index(_), _) => bail!(NESTED),
            }
        }
    };
    let parts =
        manifest.distinct()?.iter().map(|blob| (blob.digest, member(blob.digest))).collect();
    Ok(Found { known: Known { manifest, digest, bytes }, names, list, parts })
}

fn check_version(place: &Place) -> anyhow::Result<()> {
    let Some(bytes) = place.document("oci-layout")? else {
        bail!("it has an `index.json`, but no `oci-layout`, so it is not an OCI image layout");
    };
    let version: Version = serde_json::from_slice(&bytes).context("cannot read `oci-layout`")?;
    let version = version.image_layout_version;
    if version != VERSION {
        bail!("its layout has version `{}`, not {VERSION}", version.escape_debug());
    }
    Ok(())
}

/// Reads a manifest or an index.
fn read(place: &Place, blob: Blob) -> anyhow::Result<(Document, Vec<u8>)> {
    let names = BTreeMap::from([(blob.digest, member(blob.digest))]);
    let bytes = Parts { place, names: &names }.document(blob)?;
    Ok((Document::parse(&bytes)?, bytes))
}
