//! The cache: the content of all bundles, by SHA-256.
//!
//! ```text
//! lock                 locked by the process that changes the cache, which it names
//! sha256/ab/abcd…      content: complete, verified and synced before it gets this name
//! notes/ab/abcd…       chunk digests of the content, computed in the same pass
//! incoming/            incomplete content under random names
//! partial/             interrupted downloads that can be resumed
//! builds/              digests of libraries, by the inputs that they were built from
//! git/                 bare repositories with the fetched commits of other repositories
//! ```
//!
//! All bundles of a user share one cache. A [`Cache`] can only read; changes need the [`CacheLock`]
//! from [`Cache::lock`], which one process holds at a time.

mod builds;
mod chunk_index;
mod entries;
mod incoming;
mod partial;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Digest, Measure, Measured};

pub(crate) use self::builds::BuiltBefore;
pub(crate) use self::entries::{Entry, Verdict};
pub(crate) use self::incoming::Incoming;
pub(crate) use self::partial::{Cut, Partial};

/// Read access to content by digest.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: Utf8PathBuf,
}

/// Exclusive write access to the cache.
#[derive(Debug)]
pub(crate) struct CacheLock<'c> {
    cache: &'c Cache,
    /// Closing the file releases the lock.
    _file: File,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CacheError {
    #[error("cannot {verb} `{path}` in the cache")]
    Io { verb: &'static str, path: Utf8PathBuf, source: io::Error },
    /// The content differs from the expected content. Nothing of it is kept.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    #[error("the cached content of {0} is damaged; run `vgpu-bundler cache verify`")]
    Damaged(Digest),
    #[error("{0} is not in the cache")]
    Missing(Digest),
}

impl Explain for CacheError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Damaged(_)).then_some(Exit::Untrusted)
    }
}

/// A content that differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {size} bytes have SHA-256 {actual} instead of {expected}")]
pub(crate) struct Mismatch {
    pub(crate) expected: Digest,
    pub(crate) actual: Digest,
    pub(crate) size: u64,
}

impl CacheError {
    fn io(verb: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { verb, path: path.to_owned(), source }
    }
}

impl Cache {
    /// Opens the cache in `dir`, which is created if it does not exist.
    pub(crate) fn open(dir: &Utf8Path) -> Result<Self, CacheError> {
        for folder in ["sha256", "notes", "incoming", "partial", "builds"] {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder).map_err(CacheError::io("create", &folder))?;
        }
        // Backup programs skip a folder with this file.
        let tag = dir.join("CACHEDIR.TAG");
        if !tag.exists() {
            let text = "Signature: 8a477f597d28d172789f06886806bc55\n";
            fs::write(&tag, text).map_err(CacheError::io("write", &tag))?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Locks the cache for changes, and waits for other processes that have it locked.
    ///
    /// `waiting` is called once if another process has it locked, with what that process says of
    /// itself.
    pub(crate) fn lock(&self, waiting: impl FnOnce(&str)) -> Result<CacheLock<'_>, CacheError> {
        let path = self.dir.join("lock");
        let error = CacheError::io("lock", &path);
        let mut options = File::options();
        let file = options.create(true).truncate(false).read(true).write(true).open(&path);
        let locked = file.and_then(|file| match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting(&holder(&file));
                file.lock().map(|()| file)
            }
            Err(TryLockError::Error(error)) => Err(error),
        });
        let file = locked.map_err(error)?;
        sign(&file);
        let lock = CacheLock { cache: self, _file: file };
        lock.sweep()?;
        Ok(lock)
    }

    /// Checks whether the cache has content with this digest.
    #[must_use]
    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens the content with this digest.
    pub(crate) fn open_content(&self, digest: Digest) -> Result<File, CacheError> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CacheError::Missing(digest),
            _ => CacheError::io("open", &path)(error),
        })
    }

    /// Returns the folder of bare git repositories.
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

/// The longest command that a lock names, in bytes.
const MAX_HOLDER: u64 = 200;

/// Writes into the lock which process has it. That is only for people, so a failure is ignored.
fn sign(mut lock: &File) {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let holder = format!("process {}, `vgpu-bundler {arguments}`", std::process::id());
    let _ = lock.set_len(0).and_then(|()| lock.write_all(holder.as_bytes()));
}

/// Returns which process has the lock.
fn holder(lock: &File) -> String {
    let mut text = Vec::new();
    let _ = lock.take(MAX_HOLDER).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    if text.is_empty() { "another process".to_owned() } else { text }
}

impl CacheLock<'_> {
    #[must_use]
    pub(crate) fn cache(&self) -> &Cache {
        self.cache
    }

    /// Returns the size and chunks of the content with this digest.
    ///
    /// They come from the note, or are measured again if there is none or the file was touched.
    pub(crate) fn measured(&self, digest: Digest) -> Result<Measured, CacheError> {
        let mut file = self.cache.open_content(digest)?;
        let path = self.cache.path(digest);
        let meta = file.metadata().map_err(CacheError::io("read", &path))?;
        if let Some(measured) = chunk_index::read(&self.cache.note_path(digest), digest, &meta) {
            return Ok(measured);
        }
        let measured = Measure::of(&mut file).map_err(CacheError::io("read", &path))?;
        if measured.sha256 != digest {
            return Err(CacheError::Damaged(digest));
        }
        self.note(&meta, &measured)?;
        Ok(measured)
    }

    /// Writes the note of a content.
    fn note(&self, file: &fs::Metadata, measured: &Measured) -> Result<(), CacheError> {
        let path = self.cache.note_path(measured.sha256);
        let incoming = self.cache.dir.join("incoming");
        chunk_index::write(&path, &incoming, file, measured).map_err(CacheError::io("write", &path))
    }

    /// Removes the files of a killed run from `incoming`.
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
    use super::*;

    pub(crate) fn scratch() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        (dir, cache)
    }

    pub(crate) fn add(cache: &Cache, bytes: &[u8]) -> Digest {
        let lock = cache.lock(|_| {}).unwrap();
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
        let lock = cache.lock(|_| {}).unwrap();
        let measured = lock.measured(digest).unwrap();
        assert_eq!((measured.size, measured.chunks.len()), ((4 << 20) + 1, 2));
        // Without the note, the content is measured again and the note is rewritten.
        for _ in 0..2 {
            fs::remove_file(cache.note_path(digest)).unwrap();
            assert_eq!(lock.measured(digest).unwrap(), measured);
        }
    }

    #[test]
    fn the_note_of_a_file_that_was_touched_is_not_believed() {
        let (_dir, cache) = scratch();
        let digest = add(&cache, b"content");
        let lock = cache.lock(|_| {}).unwrap();
        fs::write(cache.path(digest), b"Content").unwrap();
        assert!(matches!(lock.measured(digest), Err(CacheError::Damaged(_))));
    }

    #[test]
    fn what_does_not_match_leaves_nothing() {
        let (_dir, cache) = scratch();
        let lock = cache.lock(|_| {}).unwrap();
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
        let lock = cache.lock(|_| panic!("the lock is free")).unwrap();
        std::thread::scope(|scope| {
            let (sender, waiting) = std::sync::mpsc::channel();
            let waiter = scope.spawn(move || {
                other.lock(|holder| sender.send(holder.to_owned()).unwrap()).is_ok()
            });
            let holder = waiting.recv().unwrap();
            assert!(holder.starts_with(&format!("process {}, `", std::process::id())), "{holder}");
            assert!(!waiter.is_finished());
            drop(lock);
            assert!(waiter.join().unwrap());
        });
    }
}
