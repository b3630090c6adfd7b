use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Advice;
use vgpu_manifest::{Digest, Measure, Measured, PIECE};

use super::{CacheError, CacheLock, Mismatch};

/// The number of bytes after which writeback is started.
///
/// Otherwise the disk stays idle until the sync at the end.
pub(crate) const CHUNK_STEP: u64 = 8 << 20;

/// Content that is being added to the cache.
///
/// An unfinished content is removed, unless it is a download that can be resumed.
#[derive(Debug)]
pub(crate) struct Incoming<'l> {
    lock: &'l CacheLock<'l>,
    path: Utf8PathBuf,
    file: File,
    measure: Measure,
    len: u64,
    fate: Fate,
}

/// The action when an [`Incoming`] is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Remove the file.
    Removed,
    /// Keep the file, so that the download can be resumed.
    Stays,
    /// None: the content is in the cache.
    Finished,
}

impl<'l> CacheLock<'l> {
    /// Starts a new content.
    pub(crate) fn incoming(&'l self) -> Result<Incoming<'l>, CacheError> {
        let dir = self.cache.dir.join("incoming");
        let error = CacheError::io("create a file in", &dir);
        let named = tempfile::Builder::new().prefix("new-").tempfile_in(&dir);
        let kept = named.and_then(|file| file.keep().map_err(|error| error.error));
        let (file, path) = kept.map_err(error)?;
        let path = Utf8PathBuf::from_path_buf(path).unwrap_or_else(|_| dir.join("new"));
        Ok(Incoming::new(self, path, file, Fate::Removed))
    }
}

impl<'l> Incoming<'l> {
    pub(super) fn new(lock: &'l CacheLock<'l>, path: Utf8PathBuf, file: File, fate: Fate) -> Self {
        Self { lock, path, file, measure: Measure::default(), len: 0, fate }
    }

    #[must_use]
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads the bytes of an interrupted run.
    pub(super) fn catch_up(&mut self, seen: &mut dyn FnMut(u64)) -> Result<(), CacheError> {
        let mut buf = vec![0; PIECE];
        loop {
            let n = self.file.read(&mut buf).map_err(CacheError::io("read", &self.path))?;
            if n == 0 {
                return Ok(());
            }
            self.measure.update(&buf[..n]);
            self.len += n as u64;
            seen(n as u64);
        }
    }

    /// Takes the bytes of a whole file without copying them, where the file system can share them.
    /// Returns whether it can; `seen` is called with the number of bytes that were read.
    ///
    /// Shared blocks are copied on write, so a later change of the file does not reach the cache.
    /// A hard link would, so there is none. The digest is computed from the cache's own file.
    pub(crate) fn clone_of(
        &mut self,
        file: &File,
        seen: &mut dyn FnMut(u64),
    ) -> Result<bool, CacheError> {
        if rustix::fs::ioctl_ficlone(&self.file, file).is_err() {
            return Ok(false);
        }
        self.catch_up(seen).map(|()| true)
    }

    /// Discards all bytes.
    pub(crate) fn restart(&mut self) -> Result<(), CacheError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(CacheError::io("empty", &self.path))?;
        self.measure = Measure::default();
        self.len = 0;
        Ok(())
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        let Err(error) = self.write_all(bytes) else { return Ok(()) };
        Err(CacheError::io("write", &self.path)(error))
    }

    pub(super) fn forget(mut self) {
        self.fate = Fate::Removed;
    }

    /// Moves the content into the cache durably, if it has the `expected` digest.
    ///
    /// Otherwise all bytes are removed, because any of them may be wrong.
    pub(crate) fn finish(mut self, expected: Option<Digest>) -> Result<Measured, CacheError> {
        let measured = std::mem::take(&mut self.measure).finish();
        let Measured { size, sha256: actual, .. } = measured;
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            self.fate = Fate::Removed;
            let mismatch = Mismatch { expected, actual, size };
            return Err(CacheError::Mismatch(Box::new(mismatch)));
        }
        self.file.sync_all().map_err(CacheError::io("sync", &self.path))?;

        let path = self.lock.cache.path(actual);
        move_to(&self.path, &path).map_err(CacheError::io("write", &path))?;
        self.fate = Fate::Finished;
        // After the move, which changes the time of the file.
        let meta = self.file.metadata().map_err(CacheError::io("read", &path))?;
        self.lock.note(&meta, &measured)?;
        Ok(measured)
    }
}

impl Write for Incoming<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buf)?;
        self.measure.update(&buf[..n]);
        let before = self.len;
        self.len += n as u64;
        if before / CHUNK_STEP != self.len / CHUNK_STEP {
            let step = before - before % CHUNK_STEP;
            let len = std::num::NonZeroU64::new(CHUNK_STEP);
            // A hint that starts writeback; pages are dropped only once they are on disk.
            let _ = rustix::fs::fadvise(&self.file, step, len, Advice::DontNeed);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        if self.fate == Fate::Removed {
            // The next process that locks the cache removes what remains.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes `bytes` to `path` atomically and durably, through a file in `dir`.
pub(super) fn put(path: &Utf8Path, dir: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    create_parent(path)?;
    file.persist(path).map_err(|error| error.error)?;
    sync_parent(path)
}

fn move_to(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    create_parent(to)?;
    fs::rename(from, to)?;
    sync_parent(to)
}

fn create_parent(path: &Utf8Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Syncs the folder: a rename is durable only after that.
fn sync_parent(path: &Utf8Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::scratch;

    /// Where the file system cannot share blocks, as in most temporary folders, the caller copies.
    #[test]
    fn a_clone_is_measured_and_does_not_follow_its_original() {
        let (dir, cache) = scratch();
        let lock = cache.lock(|_| {}).unwrap();
        let path = dir.path().join("original");
        let bytes = vec![7; 3 << 20];
        fs::write(&path, &bytes).unwrap();
        let mut incoming = lock.incoming().unwrap();
        let mut seen = 0;
        let file = File::open(&path).unwrap();
        if !incoming.clone_of(&file, &mut |bytes| seen += bytes).unwrap() {
            assert_eq!((incoming.len(), seen), (0, 0));
            incoming.add(&bytes).unwrap();
        }
        let measured = incoming.finish(None).unwrap();
        assert_eq!((measured.size, measured.sha256), (3 << 20, Digest::of(&bytes)));
        File::options().write(true).open(&path).unwrap().write_all(b"changed").unwrap();
        let mut cached = Vec::new();
        cache.open_content(measured.sha256).unwrap().read_to_end(&mut cached).unwrap();
        assert_eq!(Digest::of(&cached), measured.sha256);
    }
}
