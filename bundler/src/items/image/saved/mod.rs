//! Images on disk: a folder in the OCI image layout, an `oci-archive` or a `docker-archive`.
//!
//! Nothing is unpacked. An archive is scanned once for the places of its members ([`members`]), and
//! the parts of the image are read from there. The names of members are only compared, never used
//! as paths. Every part is verified against a digest: in OCI's form against that of the manifest
//! ([`layout`]), in Docker's against those in the configuration ([`docker`]).

mod docker;
mod layout;
pub(super) mod members;
mod names;
mod place;

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::Digest;

use self::place::Place;
use super::archive::Blobs;
use super::document::{Blob, MAX_DOCUMENT, check_config};
use super::pack::{Known, pack, prepare};
use super::written::member;
use crate::cache::CacheError;
use crate::items::source::{Sources, finish};
use crate::types::{Expected, ImageName, Pin, SavedImage};

/// An image that was found at a place.
struct Found {
    known: Known,
    /// The names that it has there.
    names: Vec<String>,
    /// The digest of the list that it was found through, if there is one.
    list: Option<Digest>,
    /// The names of its parts at the place.
    parts: BTreeMap<Digest, String>,
}

/// Packs an image on disk into the cache.
pub(crate) fn read(
    sources: &Sources<'_>,
    source: &SavedImage,
    want: Expected<'_>,
) -> anyhow::Result<Pin> {
    let SavedImage { path, image, platform } = source;
    let item = want.name;
    let unusable = || format!("cannot use the image `{path}` for item `{item}`");
    let pack = || {
        let place = Place::open(sources, &path.below(sources.base), want)?;
        let found = find(sources, &place, source, want)?;
        let reference = names::reference(&found.names, image.as_ref())?;
        check_digest(&found, source)?;
        let Known { manifest, .. } = &found.known;
        let parts = Parts { place: &place, names: &found.parts };
        let config = parts.document(manifest.config)?;
        check_config(&config, platform, manifest.layers.len())?;
        for blob in manifest.distinct()? {
            parts.check_size(blob)?;
        }
        let archive = prepare(sources, want, &reference, &found.known)?;
        if let [name] = &*found.names
            && !names::is_called(&reference, name)
        {
            sources.fetcher.ui.note(format_args!(
                "image {reference} is called `{}` in `{path}`",
                name.escape_debug()
            ));
        }
        pack(sources, want, &archive, &parts)
    };
    let incoming = pack().with_context(unusable)?;
    let changed = |why: &CacheError| format!("`{path}` does not match item `{item}`: {why}");
    Ok(Pin::plain(&finish(incoming, want, changed)?))
}

fn find(
    sources: &Sources<'_>,
    place: &Place,
    source: &SavedImage,
    want: Expected<'_>,
) -> anyhow::Result<Found> {
    // An archive in both forms, such as one from a newer Docker, has its manifest in OCI's.
    if let Some(index) = place.document("index.json")? {
        return layout::find(place, &index, source);
    }
    // The names in it can be any, so they are looked up in an archive only, not in a folder.
    let Place::Archive(members) = place else {
        bail!("the folder has no `index.json`, so it is not an OCI image layout");
    };
    match place.document(docker::LIST)? {
        Some(list) => docker::find(sources, members, &list, source, want),
        None => bail!("it has neither an `index.json` (OCI) nor a `manifest.json` (Docker)"),
    }
}

/// Compares the digest in the recipe, if there is one.
fn check_digest(found: &Found, source: &SavedImage) -> anyhow::Result<()> {
    let Some(wanted) = source.image.as_ref().and_then(ImageName::digest) else {
        return Ok(());
    };
    let actual = found.known.digest;
    if wanted != actual && Some(wanted) != found.list {
        bail!("the image has the digest sha256:{actual}, not sha256:{wanted} as in the recipe");
    }
    Ok(())
}

/// The parts of an image at a place.
struct Parts<'p> {
    place: &'p Place,
    names: &'p BTreeMap<Digest, String>,
}

impl Parts<'_> {
    /// Checks that a part is there with the stated size.
    fn check_size(&self, Blob { digest, size }: Blob) -> anyhow::Result<()> {
        let name = self.name(digest)?;
        let actual = self.place.part(name)?.ok_or_else(|| missing(name))?.size;
        if actual != size {
            bail!("`{name}` is stated to have {size} bytes, but has {actual}");
        }
        Ok(())
    }

    /// Returns the bytes of a document.
    fn document(&self, blob: Blob) -> anyhow::Result<Vec<u8>> {
        let name = self.name(blob.digest)?;
        self.check_size(blob)?;
        let bytes = self.place.document(name)?.ok_or_else(|| missing(name))?;
        if Digest::of(&bytes) != blob.digest {
            return Err(self.damaged(blob.digest));
        }
        Ok(bytes)
    }

    fn name(&self, digest: Digest) -> anyhow::Result<&str> {
        self.names.get(&digest).map(String::as_str).ok_or_else(|| missing(&member(digest)))
    }
}

impl Blobs for Parts<'_> {
    fn open(&self, digest: Digest) -> anyhow::Result<Box<dyn Read + '_>> {
        let name = self.name(digest)?;
        Ok(self.place.part(name)?.ok_or_else(|| missing(name))?.content)
    }

    fn damaged(&self, digest: Digest) -> anyhow::Error {
        let name = self.names.get(&digest).map_or_else(|| member(digest), String::clone);
        anyhow!("`{}` does not have the digest sha256:{digest}", name.escape_debug())
    }
}

fn missing(name: &str) -> anyhow::Error {
    anyhow!("`{}` is missing", name.escape_debug())
}
