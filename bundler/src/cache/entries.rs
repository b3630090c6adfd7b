//! The entries of the cache, their verification and their removal.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use serde::Serialize;
use vgpu_manifest::{Digest, Measure};

use super::{Cache, CacheError, CacheLock};

/// A content in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Entry {
    /// The digest of the content.
    pub(crate) sha256: Digest,
    /// The length in bytes.
    pub(crate) size: u64,
    /// The time of the last use for a bundle.
    #[serde(skip)]
    pub(crate) used: SystemTime,
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The content matches its digest.
    Intact,
    /// The content was damaged and is removed.
    Removed,
}

impl Cache {
    /// Returns all entries, in the order of their digests.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, CacheError> {
        let mut entries = Vec::new();
        let top = self.dir.join("sha256");
        for shard in list(&top)? {
            for path in list(&shard)? {
                let digest = path.file_name().and_then(|name| name.parse().ok());
                let Some(sha256) = digest else { continue };
                let error = || CacheError::io("read", &path);
                let meta = fs::metadata(&path).map_err(error())?;
                // The time of the last use is that of the note.
                let note = fs::metadata(self.note_path(sha256)).ok();
                let used = note.as_ref().unwrap_or(&meta).modified().map_err(error())?;
                entries.push(Entry { sha256, size: meta.len(), used });
            }
        }
        entries.sort_by_key(|entry| entry.sha256);
        Ok(entries)
    }
}

impl CacheLock<'_> {
    /// Verifies a content, and removes it if it is damaged.
    pub(crate) fn verify(&self, entry: &Entry) -> Result<Verdict, CacheError> {
        let path = self.cache.path(entry.sha256);
        let mut file = self.cache.open_content(entry.sha256)?;
        let measured = Measure::of(&mut file).map_err(CacheError::io("read", &path))?;
        if measured.sha256 == entry.sha256 {
            // The note was computed from the damaged content.
            let meta = file.metadata().map_err(CacheError::io("read", &path))?;
            self.note(&meta, &measured)?;
            self.touch(entry.sha256, entry.used);
            return Ok(Verdict::Intact);
        }
        self.remove(entry.sha256)?;
        Ok(Verdict::Removed)
    }

    /// Records a use of a content, which keeps it from [`gc`](Self::gc).
    ///
    /// A failure is harmless and ignored.
    pub(crate) fn touch(&self, digest: Digest, used: SystemTime) {
        let file = fs::File::options().write(true).open(self.cache.note_path(digest));
        let _ = file.and_then(|file| file.set_modified(used));
    }

    /// Removes entries that have not been used for `unused` and are not in `keep`, and interrupted
    /// downloads of that age. Returns the removed entries.
    pub(crate) fn gc(
        &self,
        unused: Duration,
        keep: &BTreeSet<Digest>,
    ) -> Result<Vec<Entry>, CacheError> {
        let now = SystemTime::now();
        let is_old = |used| now.duration_since(used).is_ok_and(|age| age >= unused);
        let mut entries = self.cache.entries()?;
        entries.retain(|entry| is_old(entry.used) && !keep.contains(&entry.sha256));
        for entry in &entries {
            self.remove(entry.sha256)?;
        }
        for path in list(&self.cache.dir.join("partial"))? {
            let error = || CacheError::io("remove", &path);
            let used = fs::metadata(&path).and_then(|meta| meta.modified()).map_err(error())?;
            if is_old(used) {
                fs::remove_file(&path).map_err(error())?;
            }
        }
        self.gc_repositories(&is_old)?;
        Ok(entries)
    }

    /// Removes unused git repositories. Packed commits remain as content.
    fn gc_repositories(&self, is_old: &dyn Fn(SystemTime) -> bool) -> Result<(), CacheError> {
        let folder = self.cache.git();
        if !folder.exists() {
            return Ok(());
        }
        for path in list(&folder)? {
            let used = fs::metadata(path.join("HEAD")).and_then(|meta| meta.modified());
            if used.map_or(true, is_old) {
                fs::remove_dir_all(&path).map_err(CacheError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn remove(&self, digest: Digest) -> Result<(), CacheError> {
        let note = self.cache.note_path(digest);
        for path in [note, self.cache.path(digest)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CacheError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn list(dir: &Utf8Path) -> Result<Vec<camino::Utf8PathBuf>, CacheError> {
    let entries = dir.read_dir_utf8();
    entries
        .and_then(|entries| entries.map(|entry| Ok(entry?.into_path())).collect())
        .map_err(CacheError::io("read", dir))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{add, scratch};
    use super::*;

    #[test]
    fn damage_is_found_and_does_not_stay() {
        let (_dir, cache) = scratch();
        let [good, bad] = [add(&cache, b"good"), add(&cache, b"bad")];
        fs::write(cache.path(bad), b"bat").unwrap();
        let lock = cache.lock(|_| {}).unwrap();
        for entry in cache.entries().unwrap() {
            let expected = if entry.sha256 == bad { Verdict::Removed } else { Verdict::Intact };
            assert_eq!(lock.verify(&entry).unwrap(), expected);
        }
        assert!(cache.has(good) && !cache.has(bad));
    }

    #[test]
    fn only_what_is_old_and_not_asked_for_is_removed() {
        let (_dir, cache) = scratch();
        let [a, b] = [add(&cache, b"a"), add(&cache, b"b")];
        let lock = cache.lock(|_| {}).unwrap();
        lock.touch(a, SystemTime::now());
        let hour = Duration::from_hours(1);
        assert_eq!(lock.gc(hour, &BTreeSet::new()).unwrap(), []);
        let removed = lock.gc(Duration::ZERO, &BTreeSet::from([a])).unwrap();
        assert_eq!(removed.iter().map(|entry| entry.sha256).collect::<Vec<_>>(), [b]);
        assert!(cache.has(a) && !cache.has(b));
    }
}
