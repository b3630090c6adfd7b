//! The documents that we write: an index, and manifests that were Docker's.
//!
//! The order of the fields is that of the types here, and maps are sorted, so equal images give
//! equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vgpu_manifest::Digest;
use vgpu_manifest::image::ImageReference;

use super::document::{Blob, Manifest};
use super::media;
use crate::types::image::parse_digest;

/// Where OCI keeps the name of an image in a layout: podman and skopeo read it there.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Where containerd, and with it a newer Docker, looks for the name.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Where we note the digest of a manifest before it was rewritten.
const ORIGINAL: &str = "vgpu-offline.image.original-digest";

/// The content of `oci-layout`.
pub(super) const LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Descriptor {
    fn new(media_type: &str, Blob { digest, size }: Blob) -> Self {
        let (media_type, digest) = (media_type.to_owned(), format!("sha256:{digest}"));
        Self { media_type, digest, size, annotations: BTreeMap::new() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OciManifest<'m> {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'m BTreeMap<String, String>,
}

/// A manifest in OCI's form: the same configuration and layers under OCI's names for their types.
pub(super) fn oci_manifest(manifest: &Manifest) -> serde_json::Result<Vec<u8>> {
    let layer = |(blob, kind): &(Blob, media::Layer)| Descriptor::new(kind.media_type(), *blob);
    serde_json::to_vec(&OciManifest {
        schema_version: 2,
        media_type: media::MANIFEST,
        config: Descriptor::new(media::CONFIG, manifest.config),
        layers: manifest.layers.iter().map(layer).collect(),
        annotations: &manifest.annotations,
    })
}

/// The index of an archive with one image.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    media_type: String,
    manifests: [Descriptor; 1],
}

impl Index {
    /// Of an image that is to be called `reference`.
    pub(super) fn new(
        manifest: Blob,
        reference: &ImageReference,
        original: Option<Digest>,
    ) -> Self {
        let mut entry = Descriptor::new(media::MANIFEST, manifest);
        let name = reference.as_str().to_owned();
        entry.annotations.insert(CONTAINERD_NAME.to_owned(), name.clone());
        entry.annotations.insert(REF_NAME.to_owned(), name);
        if let Some(original) = original {
            entry.annotations.insert(ORIGINAL.to_owned(), format!("sha256:{original}"));
        }
        Self { schema_version: 2, media_type: media::INDEX.to_owned(), manifests: [entry] }
    }

    /// The bytes of `index.json`.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// The name, the digest of the manifest, and that of the one it was made from, if it was
    /// rewritten.
    pub(super) fn image(&self) -> Option<(ImageReference, Digest, Option<Digest>)> {
        let [entry] = &self.manifests;
        let digest = |text: &String| parse_digest(text).ok();
        let name = entry.annotations.get(REF_NAME)?.parse().ok()?;
        Some((name, digest(&entry.digest)?, entry.annotations.get(ORIGINAL).and_then(digest)))
    }
}

/// An entry for engines that predate the OCI image layout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: [String; 1],
    layers: Vec<String>,
}

/// The digest of the configuration, as a `manifest.json` of ours has it.
pub(super) fn configuration(manifest_json: &[u8]) -> serde_json::Result<Option<Digest>> {
    let [entry]: [DockerEntry; 1] = serde_json::from_slice(manifest_json)?;
    Ok(entry.config.strip_prefix(BLOBS).and_then(|hex| hex.parse().ok()))
}

/// The bytes of `manifest.json`, by which every Docker finds the image in the same archive.
pub(super) fn docker_manifest(
    manifest: &Manifest,
    reference: &ImageReference,
) -> serde_json::Result<Vec<u8>> {
    let layers = manifest.layers.iter().map(|(blob, _)| member(blob.digest));
    serde_json::to_vec(&[DockerEntry {
        config: member(manifest.config.digest),
        repo_tags: [reference.as_str().to_owned()],
        layers: layers.collect(),
    }])
}

/// Where the contents are in the archive.
const BLOBS: &str = "blobs/sha256/";

/// The member of the archive that is the content with this digest.
pub(super) fn member(digest: Digest) -> String {
    format!("{BLOBS}{digest}")
}
