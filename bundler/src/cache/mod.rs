//! The cache: everything that bundles are made of, by its SHA-256.
//!
//! ```text
//! lock                 held by whoever changes something
//! sha256/ab/abcd…      content; complete, proven and synced before it gets this name
//! notes/ab/abcd…       the digests of its chunks, taken in the same pass
//! incoming/            what is on its way, whose names say nothing
//! partial/             downloads that were cut off, and may go on
//! git/                 bare repositories, each with the commits that were fetched of another
//! ```
//!
//! All bundles of a user share one cache. A [`Cache`] can look; only the [`CacheLock`] that
//! [`Cache::lock`] returns can change anything, so whoever changes the cache is alone.

mod entries;
mod incoming;
mod note;
mod partial;

use std::fs::{self, File, TryLockError};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Digest, Measure, Measured};

pub(crate) use self::entries::{Entry, Verdict};
pub(crate) use self::incoming::Incoming;
pub(crate) use self::partial::{Cut, Partial};

/// Content by its digest, to look at.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: Utf8PathBuf,
}

/// The right to change the cache. While it exists, nobody else has it.
#[derive(Debug)]
pub(crate) struct CacheLock<'c> {
    cache: &'c Cache,
    /// Closing it gives the lock back.
    _file: File,
}

/// Something about the cache went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CacheError {
    /// A file of the cache could not be used.
    #[error("cannot {verb} `{path}` in the cache")]
    Io {
        /// What was to be done.
        verb: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// What came is not what was expected. Nothing of it is kept.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// The content under a digest is not what it was when it got there.
    #[error("the cached content of {0} is damaged; run `vgpu-bundler cache verify`")]
    Damaged(Digest),
    /// The content is not in the cache.
    #[error("{0} is not in the cache")]
    Missing(Digest),
}

impl Explain for CacheError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Damaged(_)).then_some(Exit::Untrusted)
    }
}

/// Some bytes are others than were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {size} bytes have SHA-256 {actual} instead of {expected}")]
pub(crate) struct Mismatch {
    /// What was expected.
    pub(crate) expected: Digest,
    /// What came.
    pub(crate) actual: Digest,
    /// How much came.
    pub(crate) size: u64,
}

impl CacheError {
    fn io(verb: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { verb, path: path.to_owned(), source }
    }
}

impl Cache {
    /// Open the cache in `dir`, which is created if it is not there.
    pub(crate) fn open(dir: &Utf8Path) -> Result<Self, CacheError> {
        for folder in ["sha256", "notes", "incoming", "partial"] {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder).map_err(CacheError::io("create", &folder))?;
        }
        // Backup programs skip a folder that has this file.
        let tag = dir.join("CACHEDIR.TAG");
        if !tag.exists() {
            let text = "Signature: 8a477f597d28d172789f06886806bc55\n";
            fs::write(&tag, text).map_err(CacheError::io("write", &tag))?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Wait until nobody else changes the cache, and get the right to do so.
    ///
    /// `waiting` is called once if somebody else has it now.
    pub(crate) fn lock(&self, waiting: impl FnOnce()) -> Result<CacheLock<'_>, CacheError> {
        let path = self.dir.join("lock");
        let error = CacheError::io("lock", &path);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let locked = file.and_then(|file| match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map(|()| file)
            }
            Err(TryLockError::Error(error)) => Err(error),
        });
        let lock = CacheLock { cache: self, _file: locked.map_err(error)? };
        lock.sweep()?;
        Ok(lock)
    }

    /// Is there content with this digest?
    #[must_use]
    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Open the content with this digest.
    pub(crate) fn open_content(&self, digest: Digest) -> Result<File, CacheError> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CacheError::Missing(digest),
            _ => CacheError::io("open", &path)(error),
        })
    }

    /// The folder of bare git repositories.
    #[must_use]
    pub(crate) fn git(&self) -> Utf8PathBuf {
        self.dir.join("git")
    }

    fn path(&self, digest: Digest) -> Utf8PathBuf {
        self.sharded("sha256", digest)
    }

    fn note_path(&self, digest: Digest) -> Utf8PathBuf {
        self.sharded("notes", digest)
    }

    fn sharded(&self, kind: &str, digest: Digest) -> Utf8PathBuf {
        let hex = digest.to_string();
        self.dir.join(kind).join(&hex[..2]).join(&hex)
    }
}

impl CacheLock<'_> {
    /// The cache itself.
    #[must_use]
    pub(crate) fn cache(&self) -> &Cache {
        self.cache
    }

    /// The size and chunks of the content with this digest: as noted down when it came, or taken
    /// again if there is no such note, or the file was touched since.
    pub(crate) fn measured(&self, digest: Digest) -> Result<Measured, CacheError> {
        let mut file = self.cache.open_content(digest)?;
        let path = self.cache.path(digest);
        let meta = file.metadata().map_err(CacheError::io("read", &path))?;
        if let Some(measured) = note::read(&self.cache.note_path(digest), digest, &meta) {
            return Ok(measured);
        }
        let measured = Measure::of(&mut file).map_err(CacheError::io("read", &path))?;
        if measured.sha256 != digest {
            return Err(CacheError::Damaged(digest));
        }
        self.note(&meta, &measured)?;
        Ok(measured)
    }

    /// Note what the file of a content turned out to be.
    fn note(&self, file: &fs::Metadata, measured: &Measured) -> Result<(), CacheError> {
        let path = self.cache.note_path(measured.sha256);
        let incoming = self.cache.dir.join("incoming");
        note::write(&path, &incoming, file, measured).map_err(CacheError::io("write", &path))
    }

    /// Remove what a run that was killed has left in `incoming`.
    fn sweep(&self) -> Result<(), CacheError> {
        let dir = self.cache.dir.join("incoming");
        let error = || CacheError::io("clean", &dir);
        for entry in fs::read_dir(&dir).map_err(error())? {
            entry.and_then(|entry| fs::remove_file(entry.path())).map_err(error())?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;

    /// A cache in a folder that vanishes with the test.
    pub(crate) fn scratch() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        (dir, cache)
    }

    pub(crate) fn add(cache: &Cache, bytes: &[u8]) -> Digest {
        let lock = cache.lock(|| {}).unwrap();
        let mut incoming = lock.incoming().unwrap();
        incoming.write_all(bytes).unwrap();
        incoming.finish(None).unwrap().sha256
    }

    #[test]
    fn content_comes_back_by_its_digest_with_its_chunks() {
        let (_dir, cache) = scratch();
        let bytes = vec![7; (4 << 20) + 1];
        let digest = add(&cache, &bytes);
        assert_eq!(digest, Digest::of(&bytes));
        let lock = cache.lock(|| {}).unwrap();
        let measured = lock.measured(digest).unwrap();
        assert_eq!((measured.size, measured.chunks.len()), ((4 << 20) + 1, 2));
        // Without the note, the same is found out again, and noted.
        for _ in 0..2 {
            fs::remove_file(cache.note_path(digest)).unwrap();
            assert_eq!(lock.measured(digest).unwrap(), measured);
        }
    }

    #[test]
    fn the_note_of_a_file_that_was_touched_is_not_believed() {
        let (_dir, cache) = scratch();
        let digest = add(&cache, b"content");
        let lock = cache.lock(|| {}).unwrap();
        fs::write(cache.path(digest), b"Content").unwrap();
        assert!(matches!(lock.measured(digest), Err(CacheError::Damaged(_))));
    }

    #[test]
    fn what_does_not_match_leaves_nothing() {
        let (_dir, cache) = scratch();
        let lock = cache.lock(|| {}).unwrap();
        let mut incoming = lock.incoming().unwrap();
        incoming.write_all(b"something else").unwrap();
        let error = incoming.finish(Some(Digest::of(b"what was wanted"))).unwrap_err();
        assert!(matches!(&error, CacheError::Mismatch(mismatch) if mismatch.size == 14), "{error}");
        assert_eq!(fs::read_dir(cache.dir.join("incoming")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(cache.dir.join("sha256")).unwrap().count(), 0);
    }

    #[test]
    fn a_second_one_waits_for_the_lock() {
        let (_dir, cache) = scratch();
        let other = Cache::open(&cache.dir).unwrap();
        let lock = cache.lock(|| panic!("nobody else is here")).unwrap();
        std::thread::scope(|scope| {
            let (sender, told) = std::sync::mpsc::channel();
            let waiter = scope.spawn(move || other.lock(|| sender.send(()).unwrap()).is_ok());
            told.recv().unwrap();
            assert!(!waiter.is_finished());
            drop(lock);
            assert!(waiter.join().unwrap());
        });
    }
}
