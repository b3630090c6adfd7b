//! Packages of kernel headers, read without installing them.

mod deb;
mod examine;
#[cfg(test)]
mod tests;

use vgpu_manifest::ItemName;
use vgpu_manifest::headers::HeadersRecord;

pub(crate) use self::deb::DebError;
use self::examine::examine;
use crate::cache::{CacheError, CacheLock};
use crate::lock::{Lock, Pin};
use crate::recipe::Entry;

/// A package of headers cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HeadersError {
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
/// A package that the `previous` lock has looked into is not read again.
pub(crate) fn records(
    entries: &[Entry],
    pins: &[Pin],
    previous: Option<&Lock>,
    cache: &CacheLock<'_>,
) -> Result<Vec<HeadersRecord>, HeadersError> {
    let mut records = Vec::new();
    for (entry, pin) in entries.iter().zip(pins).filter(|(entry, _)| is_headers(&entry.name)) {
        let item = entry.name.clone();
        let known = previous.and_then(|lock| lock.headers_of(&item, pin.sha256));
        let record = match known {
            Some(record) => Some(record.clone()),
            None => {
                let cache_error = |source| HeadersError::Cache { item: item.clone(), source };
                let file = cache.cache().open_content(pin.sha256).map_err(cache_error)?;
                let found = examine(file);
                let found =
                    found.map_err(|source| HeadersError::Deb { item: item.clone(), source });
                found?.map(|(kernel, apicv, vfio)| HeadersRecord { item, kernel, apicv, vfio })
            }
        };
        records.extend(record);
    }
    Ok(records)
}

/// Whether an item is a package of headers, by the name that Debian and Proxmox give them.
fn is_headers(item: &ItemName) -> bool {
    let name = item.as_str().rsplit('/').next().unwrap_or_default();
    name.ends_with(".deb") && name.contains("-headers-")
}
