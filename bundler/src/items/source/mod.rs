//! The sources of items, and how their bytes reach the cache.

mod alist;
mod archive;
mod catalog;
mod file;
mod git;
mod mega;
mod tree;

use std::num::NonZeroUsize;
use std::time::SystemTime;

use anyhow::Context as _;
use camino::Utf8Path;
use vgpu_manifest::{ItemName, Measured};

pub(crate) use self::archive::NoAddress;
use crate::cache::{CacheError, Incoming};
use crate::catalog::Extended;
use crate::fetch::{Download, Fetcher};
use crate::items::image;
use crate::types::{Expected, Origin, Pin, Retained};

/// Everything that is needed to read any source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'s> {
    /// The network and the cache.
    pub(crate) fetcher: Fetcher<'s>,
    /// The base of relative paths: the folder of the recipe.
    pub(crate) base: &'s Utf8Path,
    /// The catalog for this recipe.
    pub(crate) catalog: &'s Extended,
    /// The number of parallel downloads for one item.
    pub(crate) width: NonZeroUsize,
}

/// A local file, a commit or the catalog has other bytes than the lock or the recipe expects.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Changed(String);

impl Sources<'_> {
    /// Loads the bytes of an item into the cache, unless they are there.
    ///
    /// Only the digest identifies the bytes; without one, files and folders are read and addresses
    /// are requested.
    pub(crate) fn obtain(&self, origin: &Origin, want: Expected<'_>) -> anyhow::Result<Pin> {
        match origin {
            Origin::File { path } => self.file(path, want),
            Origin::Folder { path, exclude } => self.folder(path, exclude, want),
            Origin::Git(origin) => self.git(origin, want),
            Origin::Archive { addresses } => self.archived(addresses, want),
            Origin::Evidence { kept, .. } => self.kept(kept, want),
            Origin::Alist(source) => self.alist(source, want),
            Origin::Mega { link } => self.mega(link, want),
            // Without the data of drivers: callers with drivers add it.
            Origin::Catalog => self.catalog(&[], want),
            Origin::Image(source) => match self.cached(want)? {
                Some(pin) => Ok(pin),
                None => image::pull(self, source, want),
            },
            Origin::SavedImage(source) => match self.cached(want)? {
                Some(pin) => Ok(pin),
                None => image::read(self, source, want),
            },
            Origin::Url { urls } => {
                let Expected { name, sha256, size, cap } = want;
                let download = Download { name: name.as_str(), mirrors: urls, sha256, size, cap };
                let measured = self.fetcher.fetch(&download)?;
                Ok(Pin::plain(&measured))
            }
        }
    }

    /// Decodes the bytes in the lock.
    fn kept(&self, kept: &Retained, want: Expected<'_>) -> anyhow::Result<Pin> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let Expected { name, sha256, .. } = want;
        let bytes = kept.unpack().with_context(|| {
            format!("the lock is damaged: cannot read its copy of item `{name}`")
        })?;
        let mut incoming = self.incoming(want)?;
        incoming.add(&bytes).with_context(|| uncached(name))?;
        let measured = incoming.finish(sha256).with_context(|| uncached(name))?;
        Ok(Pin::plain(&measured))
    }

    /// Returns the cached bytes with the expected digest.
    fn cached(&self, want: Expected<'_>) -> anyhow::Result<Option<Pin>> {
        let cache = self.fetcher.cache;
        let Some(digest) = want.sha256.filter(|digest| cache.cache().has(*digest)) else {
            return Ok(None);
        };
        cache.touch(digest, SystemTime::now());
        let measured = cache.measured(digest).with_context(|| uncached(want.name))?;
        Ok(Some(Pin::plain(&measured)))
    }

    /// Starts to add the bytes of an item to the cache.
    fn incoming(&self, want: Expected<'_>) -> anyhow::Result<Incoming<'_>> {
        self.fetcher.cache.incoming().with_context(|| uncached(want.name))
    }
}

/// Adds all received bytes to the cache. `changed` describes a digest mismatch.
pub(in crate::items) fn finish(
    incoming: Incoming<'_>,
    want: Expected<'_>,
    changed: impl FnOnce(&CacheError) -> String,
) -> anyhow::Result<Measured> {
    incoming.finish(want.sha256).map_err(|error| {
        let changed = matches!(error, CacheError::Mismatch(_)).then(|| Changed(changed(&error)));
        let error = anyhow::Error::new(error);
        match changed {
            Some(changed) => error.context(changed),
            None => error.context(uncached(want.name)),
        }
    })
}

fn uncached(item: &ItemName) -> String {
    format!("cannot put item `{item}` into the cache")
}
