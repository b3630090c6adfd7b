use std::env;
use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, Measured, parallel};

use super::auth::{Places, Session};
use super::document::{self, Blob, Document, MAX_DOCUMENT, Manifest, check_config};
use super::pack::{Known, pack, prepare};
use super::{fetch_failed, media, unavailable};
use crate::fetch::{Download, Fetcher};
use crate::items::source::Sources;
use crate::net::Client;
use crate::types::image::Asked;
use crate::types::{Expected, ImageSource, Pin};

/// Pulls the image that `source` currently names into the cache.
pub(crate) fn pull(
    sources: &Sources<'_>,
    source: &ImageSource,
    want: Expected<'_>,
) -> anyhow::Result<Pin> {
    run(sources, source, want, source.image.digest())
}

/// Pulls the image with this `record` in the lock.
pub(crate) fn pull_again(
    sources: &Sources<'_>,
    source: &ImageSource,
    want: Expected<'_>,
    record: &ImageRecord,
) -> anyhow::Result<Pin> {
    run(sources, source, want, Some(record.in_registry()))
}

fn run(
    sources: &Sources<'_>,
    source: &ImageSource,
    want: Expected<'_>,
    pinned: Option<Digest>,
) -> anyhow::Result<Pin> {
    let pull = || {
        let clients = sources.fetcher.client.map(|client| Clients::new(client, source));
        let clients = clients.transpose()?;
        Pull { sources, source, want, clients }.run(pinned)
    };
    let measured = pull().with_context(|| unavailable(want.name, source))?;
    Ok(Pin::plain(&measured))
}

/// The HTTP clients for one image.
struct Clients {
    /// For manifests, which need an `Accept` header.
    manifests: Client,
    blobs: Client,
}

impl Clients {
    fn new(client: &Client, source: &ImageSource) -> anyhow::Result<Self> {
        let places = Places::of(|name| env::var(name).ok());
        let mut found = Vec::new();
        for registry in source.registries() {
            found.push(places.find(&registry)?);
        }
        let mut found = found.into_iter();
        let session = Arc::new(Session::new(source, |_| found.next().flatten()));
        Ok(Self {
            manifests: client.authenticated(session.clone(), Some(media::ACCEPT)),
            blobs: client.authenticated(session, None),
        })
    }
}

struct Pull<'p> {
    sources: &'p Sources<'p>,
    source: &'p ImageSource,
    want: Expected<'p>,
    clients: Option<Clients>,
}

impl Pull<'_> {
    fn run(&self, pinned: Option<Digest>) -> anyhow::Result<Measured> {
        let known = self.manifest(pinned)?;
        let prepared = prepare(self.sources, self.want, self.source.image.reference(), &known);
        let archive = prepared.with_context(|| self.unusable())?;
        self.fetch_config(&known.manifest)?;
        self.fetch_layers(&known.manifest)?;
        let cache = self.sources.fetcher.cache.cache();
        Ok(pack(self.sources, self.want, &archive, cache)?.finish(self.want.sha256)?)
    }

    fn unusable(&self) -> String {
        format!("cannot use `{}`", self.source.image)
    }

    /// Fetches the manifest of the image for the wanted platform.
    fn manifest(&self, pinned: Option<Digest>) -> anyhow::Result<Known> {
        let asked = match pinned {
            Some(digest) => Asked::Manifest(digest),
            None => Asked::Tag(self.source.image.reference().tag()),
        };
        let (digest, bytes) = self.fetch_document(asked, pinned, None)?;
        match Document::parse(&bytes).with_context(|| self.unusable())? {
            Document::Manifest(manifest) => Ok(Known { manifest, digest, bytes }),
            Document::Index(index) => {
                let chosen = index.choose(&self.source.platform);
                let Blob { digest, size } = chosen.with_context(|| self.unusable())?;
                let asked = Asked::Manifest(digest);
                let (digest, bytes) = self.fetch_document(asked, Some(digest), Some(size))?;
                match Document::parse(&bytes).with_context(|| self.unusable())? {
                    Document::Manifest(manifest) => Ok(Known { manifest, digest, bytes }),
                    Document::Index(_) => bail!("{}: {}", self.unusable(), document::NESTED),
                }
            }
        }
    }

    fn fetch_document(
        &self,
        asked: Asked<'_>,
        sha256: Option<Digest>,
        size: Option<u64>,
    ) -> anyhow::Result<(Digest, Vec<u8>)> {
        self.announce(sha256);
        let fetcher = self.fetcher(|clients| &clients.manifests);
        let measured = self.fetch(&fetcher, "manifest", asked, sha256, size, MAX_DOCUMENT)?;
        Ok((measured.sha256, self.read(measured.sha256)?))
    }

    fn fetch_config(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let Blob { digest, size } = manifest.config;
        self.announce(Some(digest));
        let fetcher = self.fetcher(|clients| &clients.blobs);
        let asked = Asked::Blob(digest);
        self.fetch(&fetcher, "configuration", asked, Some(digest), Some(size), MAX_DOCUMENT)?;
        let bytes = self.read(digest)?;
        check_config(&bytes, &self.source.platform, manifest.layers.len())
            .map(drop)
            .with_context(|| self.unusable())
    }

    fn fetch_layers(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let count = manifest.layers.len();
        let mut layers: Vec<(usize, Blob)> = Vec::new();
        for (at, (blob, _)) in (1..).zip(&manifest.layers) {
            if !layers.iter().any(|(_, other)| other == blob) {
                layers.push((at, *blob));
            }
        }
        let Fetcher { cache, ui, .. } = self.sources.fetcher;
        let missing = layers.iter().map(|(_, blob)| blob);
        let missing: Vec<&Blob> = missing.filter(|blob| !cache.cache().has(blob.digest)).collect();
        let size = missing.iter().map(|blob| blob.size).sum();
        let batch = ui.inner_batch(missing.len(), size);
        if batch.is_none() {
            ui.more_transfers(missing.len());
        }
        let fetcher = self.fetcher(|clients| &clients.blobs);
        let results = parallel(self.sources.width, &layers, |&(at, Blob { digest, size })| {
            let what = format!("layer {at} of {count}");
            self.fetch(&fetcher, &what, Asked::Blob(digest), Some(digest), Some(size), size)
        });
        drop(batch);
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    /// Adds a transfer to the progress display, unless the part is in the cache.
    fn announce(&self, part: Option<Digest>) {
        let Fetcher { cache, ui, .. } = self.sources.fetcher;
        if !part.is_some_and(|digest| cache.cache().has(digest)) {
            ui.more_transfers(1);
        }
    }

    fn fetcher<'f>(&'f self, which: impl Fn(&'f Clients) -> &'f Client) -> Fetcher<'f> {
        Fetcher { client: self.clients.as_ref().map(which), ..self.sources.fetcher }
    }

    fn fetch(
        &self,
        fetcher: &Fetcher<'_>,
        what: &str,
        asked: Asked<'_>,
        sha256: Option<Digest>,
        size: Option<u64>,
        cap: u64,
    ) -> anyhow::Result<Measured> {
        let name = format!("{} ({what})", self.want.name);
        let mirrors = self.source.urls(asked)?;
        let cap = ByteSize::new(cap);
        let download = Download { name: &name, mirrors: &mirrors, sha256, size, cap };
        fetcher.fetch(&download).map_err(|error| fetch_failed(self.source, asked, error))
    }

    /// Reads a document from the cache.
    fn read(&self, digest: Digest) -> anyhow::Result<Vec<u8>> {
        let file = self.sources.fetcher.cache.cache().open_content(digest)?;
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT)
            .read_to_end(&mut bytes)
            .context("cannot read the archive of the image")?;
        Ok(bytes)
    }
}
