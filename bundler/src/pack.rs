//! Converts a lock and the cache to a manifest, and writes the archive.

use std::fs::File;
use std::io;

use camino::Utf8PathBuf;
use vgpu_manifest::{
    Digest, Item, ItemError, ItemFields, ItemName, Manifest, Measure, Measured, ProgramVersion,
    Source, WriteError,
};

use crate::cache::{Cache, CacheError, CacheLock};
use crate::lock::Lock;

/// A lock and the cache do not make a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PackError {
    /// The cache lacks the content of an item.
    #[error("cannot pack item `{item}`")]
    Cache { item: ItemName, source: CacheError },
    /// The size in the lock is wrong for the digest, so the lock was edited.
    #[error("the lock says that item `{item}` has {locked} bytes, but it has {actual}")]
    Size {
        item: ItemName,
        /// The size in the lock.
        locked: u64,
        /// The size in the cache.
        actual: u64,
    },
    /// An item cannot be in a bundle.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// The items and the changes to the host are inconsistent.
    #[error(transparent)]
    Bundle(#[from] WriteError),
}

/// Returns the manifest of the bundle of `lock`. All contents must be in `cache`.
pub(crate) fn manifest(lock: &Lock, cache: &CacheLock<'_>) -> Result<Manifest, PackError> {
    assemble(lock, |digest| cache.measured(digest))
}

/// Returns the manifest without trusting recorded digests: every content is read and hashed again.
pub(crate) fn manifest_afresh(lock: &Lock, cache: &Cache) -> Result<Manifest, PackError> {
    assemble(lock, |digest| {
        let measured = Measure::of(&mut cache.open_content(digest)?);
        let measured = measured.map_err(|source| CacheError::Io {
            verb: "read",
            path: Utf8PathBuf::from(digest.to_string()),
            source,
        })?;
        if measured.sha256 == digest { Ok(measured) } else { Err(CacheError::Damaged(digest)) }
    })
}

/// Checks everything about the bundle of `lock` that does not need its contents.
pub(crate) fn check(lock: &Lock) -> Result<(), PackError> {
    // Placeholder chunks in the right number; their digests are not checked.
    let empty = Digest::of(b"");
    let sizes = lock.items.iter().map(|item| (item.sha256, item.size));
    let sizes: std::collections::BTreeMap<Digest, u64> = sizes.collect();
    let manifest = assemble(lock, |sha256| {
        let size = sizes.get(&sha256).copied().unwrap_or_default();
        let count =
            if size > vgpu_manifest::CHUNK { size.div_ceil(vgpu_manifest::CHUNK) } else { 0 };
        let chunks = (0..count).map(|_| empty).collect();
        Ok(Measured { size, sha256, chunks })
    })?;
    Ok(manifest.check_limits()?)
}

fn assemble(
    lock: &Lock,
    measure: impl Fn(Digest) -> Result<Measured, CacheError>,
) -> Result<Manifest, PackError> {
    let item = |locked: &crate::lock::LockedItem| {
        let item = || locked.name.clone();
        let error = |source| PackError::Cache { item: item(), source };
        let Measured { size, sha256, chunks } = measure(locked.sha256).map_err(error)?;
        if size != locked.size {
            return Err(PackError::Size { item: item(), locked: locked.size, actual: size });
        }
        Ok(Item::new(ItemFields { sha256, ..locked.described(chunks) })?)
    };
    Ok(Manifest {
        format: vgpu_manifest::FORMAT,
        needs: oldest_reader(),
        made_by: lock.bundler,
        name: lock.name.clone(),
        channel: lock.channel.clone(),
        sequence: lock.sequence,
        created: lock.created,
        wants: lock.host.clone(),
        archives: lock.archives.clone(),
        purpose: lock.purpose.clone(),
        proofs: lock.proofs.clone(),
        items: lock.items.iter().map(item).collect::<Result<_, PackError>>()?,
    })
}

/// The first version of the installer that understands these bundles.
fn oldest_reader() -> ProgramVersion {
    "0.1.0".parse().unwrap_or_else(|_| ProgramVersion::current())
}

/// Reads items from the cache by SHA-256; the digest is verified during packing.
impl Source for Cache {
    fn open(&self, item: &Item) -> io::Result<File> {
        self.open_content(item.sha256()).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_reader_is_a_version_and_not_a_later_one_than_ours() {
        assert_eq!(oldest_reader().to_string(), "0.1.0");
        assert!(oldest_reader() <= ProgramVersion::current());
    }
}
