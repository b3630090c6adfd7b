//! Packages of kernel headers, read without installing them.

mod deb;
mod examine;
#[cfg(test)]
mod tests;

use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName};

pub(crate) use self::deb::DebError;
use self::examine::examine;
use crate::cache::{CacheError, CacheLock};
use crate::lock::{Lock, Pin};
use crate::recipe::Entry;
use crate::source::{Expected, SourceError, Sources};

/// A package of headers cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HeadersError {
    /// It cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cache does not give it.
    #[error("cannot read item `{item}`")]
    Cache {
        /// The item.
        item: ItemName,
        /// What went wrong.
        source: CacheError,
    },
    /// It is not what its name says.
    #[error("cannot look into the package `{item}`")]
    Deb {
        /// The item.
        item: ItemName,
        /// What is wrong with it.
        source: DebError,
    },
}

/// What the packages of kernel headers among `entries` say, which turned out to be `pins`.
///
/// A package that the `previous` lock has looked into is not read again. Packages of an archive are
/// pinned without being here; these are fetched.
pub(crate) fn records(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &[Pin],
    previous: Option<&Lock>,
) -> Result<Vec<HeadersRecord>, HeadersError> {
    let mut records = Vec::new();
    for (entry, pin) in entries.iter().zip(pins).filter(|(entry, _)| is_headers(&entry.name)) {
        let known = previous.and_then(|lock| lock.headers_of(&entry.name, pin.sha256)).cloned();
        if known.is_some() {
            records.extend(known);
            continue;
        }
        let Pin { size, sha256, .. } = *pin;
        let (name, cap) = (&entry.name, ByteSize::new(size));
        let want = Expected { name, sha256: Some(sha256), size: Some(size), cap };
        sources.obtain(&entry.origin, want)?;
        records.extend(record(name, sha256, sources.fetcher.cache)?);
    }
    Ok(records)
}

/// What one package says; `None` if it has no headers itself.
fn record(
    item: &ItemName,
    sha256: Digest,
    cache: &CacheLock<'_>,
) -> Result<Option<HeadersRecord>, HeadersError> {
    let cache_error = |source| HeadersError::Cache { item: item.clone(), source };
    let file = cache.cache().open_content(sha256).map_err(cache_error)?;
    let deb_error = |source| HeadersError::Deb { item: item.clone(), source };
    let found = examine(file).map_err(deb_error)?;
    Ok(found.map(|(kernel, apicv, vfio)| HeadersRecord { item: item.clone(), kernel, apicv, vfio }))
}

/// Whether an item is a package of headers, by the name that Debian and Proxmox give them.
fn is_headers(item: &ItemName) -> bool {
    let name = item.as_str().rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".deb").is_some_and(|stem| stem.contains("-headers-"))
}
