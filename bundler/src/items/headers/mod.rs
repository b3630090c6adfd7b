//! Packages of kernel headers, read without installing them.

mod deb;
mod examine;
#[cfg(test)]
mod tests;

use anyhow::Context as _;
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::{Digest, ItemName, Kind};

use self::examine::examine;
use crate::cache::CacheLock;
use crate::items::source::Sources;
use crate::lock::Lock;
use crate::recipe::Entry;
use crate::types::{Expected, Pin};

/// Adds the records of the packages of kernel headers among `entries` to their `pins`.
///
/// A package with a record in the `previous` lock is not read again. Packages of an archive are
/// pinned before they are downloaded, so they are fetched here.
pub(crate) fn records(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &mut [Pin],
    previous: Option<&Lock>,
) -> anyhow::Result<()> {
    for (entry, pin) in entries.iter().zip(pins).filter(|(entry, _)| is_headers(&entry.name)) {
        let known = previous.and_then(|lock| lock.known(&entry.name));
        let known = known.filter(|item| item.sha256 == pin.sha256);
        let headers = if let Some(headers) = known.and_then(|item| item.kind.headers()) {
            Some(headers.clone())
        } else {
            sources.obtain(&entry.origin, Expected::again(&entry.name, pin))?;
            record(&entry.name, pin.sha256, sources.fetcher.cache)?
        };
        match (&mut pin.kind, headers) {
            (Kind::Package(package), headers) => package.headers = headers,
            (kind, Some(headers)) => *kind = Kind::Headers(headers),
            (_, None) => {}
        }
    }
    Ok(())
}

/// Returns the record of one package; `None` if it has no headers itself.
fn record(
    item: &ItemName,
    sha256: Digest,
    cache: &CacheLock<'_>,
) -> anyhow::Result<Option<HeadersRecord>> {
    let file = cache.cache().open_content(sha256);
    let file = file.with_context(|| format!("cannot read item `{item}`"))?;
    examine(file).with_context(|| format!("cannot inspect the package `{item}`"))
}

/// Checks whether an item is a package of headers, by the naming of Debian and Proxmox.
fn is_headers(item: &ItemName) -> bool {
    let name = item.as_str().rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".deb").is_some_and(|stem| stem.contains("-headers-"))
}
