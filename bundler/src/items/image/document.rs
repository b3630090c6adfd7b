//! Parsing of the documents of a registry.
//!
//! The type of a document follows from its bytes alone, which the lock pins, and never from the
//! headers of a server. An ambiguous document is refused.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use vgpu_manifest::Digest;
use vgpu_manifest::ui::ByteSize;

use super::media::{self, Dialect, Kind, Layer, LayerType};
use super::written::{CONTAINERD_NAME, REF_NAME};
use crate::types::image::Platform;
use crate::types::image::{parse_digest, shortened};

/// The most bytes of a manifest, an index or a configuration: the limit of registries.
pub(super) const MAX_DOCUMENT: u64 = 4 << 20;

/// The most layers of an image: the limit of overlayfs with Docker.
pub(super) const MAX_LAYERS: usize = 127;

const AMBIGUOUS: &str = "the manifest can be read as a list of images and as an image, which is how programs are made to disagree about it";

pub(super) const NESTED: &str =
    "the list of images leads to another list, which engines do not follow";

fn not_a_manifest(why: &impl ToString) -> anyhow::Error {
    anyhow!("the document is not a manifest: {}", why.to_string().escape_debug())
}

fn not_an_image(media_type: &str) -> anyhow::Error {
    let media_type = shortened(media_type);
    anyhow!("the type is `{}`, which is not that of an image", media_type.escape_debug())
}

/// A document of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Document {
    Index(Index),
    Manifest(Manifest),
}

/// A content in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    /// The length in bytes, as stated by the manifest.
    pub(super) size: u64,
}

/// The parts of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) config: Blob,
    /// The layers, the lowest first.
    pub(super) layers: Vec<(Blob, Layer)>,
    /// Docker, if any part is of that dialect.
    pub(super) dialect: Dialect,
    pub(super) annotations: BTreeMap<String, String>,
}

/// Images for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index(Vec<Descriptor>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    fs_layers: Option<IgnoredAny>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<DescribedPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct DescribedPlatform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Document {
    pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|error| not_a_manifest(&error))?;
        if raw.fs_layers.is_some() || raw.schema_version == Some(1) {
            bail!(
                "the image is in the old Docker form, schema 1, which cannot be checked; push it again with a newer program"
            );
        }
        let declared = raw.media_type.as_deref();
        let kind = declared.map(|text| Kind::of(text).ok_or_else(|| not_an_image(text)));
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) => match kind.transpose()? {
                Some(Kind::Index) | None => Ok(Self::Index(Index(manifests))),
                Some(Kind::Manifest(_)) => bail!(AMBIGUOUS),
            },
            (None, Some(config), Some(layers)) => {
                let dialect = match kind.transpose()? {
                    Some(Kind::Manifest(dialect)) => dialect,
                    None => Dialect::Oci,
                    Some(Kind::Index) => bail!(AMBIGUOUS),
                };
                let annotations = raw.annotations.unwrap_or_default();
                Manifest::new(&config, &layers, dialect, annotations).map(Self::Manifest)
            }
            (Some(_), _, _) => bail!(AMBIGUOUS),
            (None, _, _) => {
                kind.transpose()?;
                Err(not_a_manifest(&"it names neither layers nor other manifests"))
            }
        }
    }
}

impl Descriptor {
    fn blob(&self) -> anyhow::Result<Blob> {
        let digest = parse_digest(&self.digest).map_err(|_| {
            let text = shortened(&self.digest);
            anyhow!(
                "`{}` is not a digest that can be checked: expected `sha256:` and 64 lower-case hex digits",
                text.escape_debug()
            )
        })?;
        Ok(Blob { digest, size: self.size })
    }
}

impl Manifest {
    fn new(
        config: &Descriptor,
        layers: &[Descriptor],
        mut dialect: Dialect,
        annotations: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        match media::config(&config.media_type) {
            Some(Dialect::Oci) => {}
            Some(Dialect::Docker) => dialect = Dialect::Docker,
            None => bail!(
                "the configuration has the type `{}`, so this is not a container image",
                shortened(&config.media_type).escape_debug()
            ),
        }
        let config = config.blob()?;
        if config.size > MAX_DOCUMENT {
            let size = ByteSize::new(config.size);
            bail!("the configuration has {size}, which is too much for one");
        }
        let count = layers.len();
        if count == 0 {
            bail!("the image has no layers, so there is nothing to run");
        }
        if count > MAX_LAYERS {
            bail!(
                "the image has {count} layers, more than the {MAX_LAYERS} that engines can mount"
            );
        }
        let mut taken = Vec::with_capacity(count);
        for (at, layer) in (1..).zip(layers) {
            match media::layer(&layer.media_type) {
                LayerType::Known(kind, spoken) => {
                    if spoken == Dialect::Docker {
                        dialect = Dialect::Docker;
                    }
                    taken.push((layer.blob()?, kind));
                }
                LayerType::Foreign => {
                    bail!("layer {at} must not be redistributed, so no bundle can have it")
                }
                LayerType::Unknown => {
                    let media_type = shortened(&layer.media_type);
                    let media_type = media_type.escape_debug();
                    bail!("layer {at} has the type `{media_type}`, which engines do not unpack");
                }
            }
        }
        let manifest = Self { config, layers: taken, dialect, annotations };
        manifest.distinct().map(drop)?;
        Ok(manifest)
    }

    /// Returns all parts, each content once, in the order of their digests.
    pub(super) fn distinct(&self) -> anyhow::Result<Vec<Blob>> {
        let mut sizes = BTreeMap::new();
        for blob in std::iter::once(&self.config).chain(self.layers.iter().map(|(blob, _)| blob)) {
            if sizes.insert(blob.digest, blob.size).is_some_and(|size| size != blob.size) {
                bail!("the manifest has two sizes for {}", blob.digest);
            }
        }
        Ok(sizes.into_iter().map(|(digest, size)| Blob { digest, size }).collect())
    }
}

/// The most platforms in an error message.
const SHOWN: usize = 8;

impl Index {
    /// Returns the images of a layout, each under its names. An image for several platforms can be
    /// one entry or several with the same names.
    pub(super) fn by_name(self) -> Vec<(Vec<String>, Self)> {
        let mut images: BTreeMap<Vec<String>, Self> = BTreeMap::new();
        for entry in self.0 {
            let annotations = entry.annotations.as_ref();
            let name = |key: &str| annotations?.get(key).filter(|name| !name.is_empty()).cloned();
            let mut names: Vec<String> =
                [CONTAINERD_NAME, REF_NAME].into_iter().filter_map(name).collect();
            names.dedup();
            images.entry(names).or_insert_with(|| Self(Vec::new())).0.push(entry);
        }
        images.into_iter().collect()
    }

    /// Returns the entry with this digest, as a list of its own.
    pub(super) fn entry(&self, digest: Digest) -> Option<Self> {
        let has_it = |entry: &&Descriptor| entry.blob().is_ok_and(|blob| blob.digest == digest);
        self.0.iter().find(has_it).map(|entry| Self(vec![entry.clone()]))
    }

    /// Returns the digests of the entries, as written.
    pub(super) fn digests(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.digest.as_str())
    }

    /// Returns the only document of the list, or that of the image for `wanted`.
    pub(super) fn only_or(&self, wanted: &Platform) -> anyhow::Result<Blob> {
        match &*self.0 {
            [only] if Kind::of(&only.media_type).is_none() => Err(not_an_image(&only.media_type)),
            [only] => only.blob(),
            _ => self.choose(wanted),
        }
    }

    /// Returns the manifest of the image for `wanted`.
    pub(super) fn choose(&self, wanted: &Platform) -> anyhow::Result<Blob> {
        let ranked = self.0.iter().filter_map(|entry| {
            let DescribedPlatform { os, architecture, variant } = entry.platform.as_ref()?;
            wanted.rank(os, architecture, variant.as_deref()).map(|rank| (rank, entry))
        });
        // Of equal entries, engines use the first.
        let Some((_, entry)) = ranked.min_by_key(|(rank, _)| *rank) else {
            let there = self.0.iter().filter_map(|entry| entry.platform.as_ref());
            let there: Vec<String> = there.take(SHOWN).map(DescribedPlatform::shown).collect();
            if self.0.is_empty() {
                bail!("the list of images is empty; push the image again");
            }
            if there.is_empty() {
                bail!(
                    "the list of images names no platform, so none is known to be for {wanted}; request one by its digest, `@sha256:…`"
                );
            }
            let there = there.join(", ");
            bail!("there is no image for {wanted}, but for {}", there.escape_debug());
        };
        match Kind::of(&entry.media_type) {
            Some(Kind::Manifest(_)) => entry.blob(),
            Some(Kind::Index) => bail!(NESTED),
            None => Err(not_an_image(&entry.media_type)),
        }
    }
}

impl DescribedPlatform {
    fn shown(&self) -> String {
        let variant = self.variant.as_ref().map(|variant| format!("/{variant}"));
        shortened(&format!("{}/{}{}", self.os, self.architecture, variant.unwrap_or_default()))
    }
}

/// The fields of a configuration that decide whether the image is usable.
#[derive(Debug, Deserialize)]
struct Config {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// Checks that a configuration is for `wanted`, and for an image of `layers` layers.
///
/// Engines check this too, but only on the node. Returns the digests of the layers when they are
/// not compressed.
pub(super) fn check_config(
    bytes: &[u8],
    wanted: &Platform,
    layers: usize,
) -> anyhow::Result<Vec<String>> {
    let config: Config = serde_json::from_slice(bytes).map_err(|error| {
        let error = error.to_string();
        anyhow!("the configuration cannot be read: {}", error.escape_debug())
    })?;
    let Config { os, architecture, variant, rootfs } = config;
    if wanted.rank(&os, &architecture, variant.as_deref()).is_none() {
        let actual = DescribedPlatform { os, architecture, variant }.shown();
        bail!("the image is for {}, not for {wanted}", actual.escape_debug());
    }
    match rootfs.diff_ids.len() {
        declared if declared == layers => Ok(rootfs.diff_ids),
        declared => bail!("the manifest has {layers} layers, but the configuration has {declared}"),
    }
}
