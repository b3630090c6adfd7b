use std::fs::{self, File};
use std::io;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use vgpu_manifest::{Digest, Measured};

use super::incoming::{Fate, put};
use super::{CacheError, CacheLock, Incoming};

/// A download that resumes where an earlier attempt was interrupted.
#[derive(Debug)]
pub(crate) struct Partial<'l> {
    incoming: Incoming<'l>,
    lock: &'l CacheLock<'l>,
    note: Utf8PathBuf,
    cut: Option<Cut>,
    /// The bytes of earlier attempts.
    earlier: u64,
}

/// The origin of the first part of a download, to request the rest of the same version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Cut {
    pub(crate) url: String,
    /// The validator from the server: an `ETag` or a date.
    pub(crate) validator: Option<String>,
    /// The full length according to the server, in bytes.
    pub(crate) total: Option<u64>,
    /// The boot id. After a power cut, bytes of an earlier boot may have been replaced by zeros.
    boot: Option<String>,
}

impl Cut {
    /// Returns the origin of a download from `url` in this boot.
    #[must_use]
    pub(crate) fn new(url: &str, validator: Option<String>, total: Option<u64>) -> Self {
        Self { url: url.to_owned(), validator, total, boot: boot() }
    }

    /// Checks whether the rest can come from `url` although no digest will verify the whole.
    #[must_use]
    pub(crate) fn can_go_on(&self, url: &str) -> bool {
        self.url == url && self.validator.is_some() && self.boot.is_some() && self.boot == boot()
    }
}

/// The random id of this boot.
fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

impl<'l> CacheLock<'l> {
    /// Returns the download with this `key`, and the bytes of an earlier run.
    ///
    /// A second thread that requests the same key waits until the first has dropped it.
    pub(crate) fn partial(&'l self, key: Digest) -> Result<Partial<'l>, CacheError> {
        let path = self.cache.dir.join("partial").join(key.to_string());
        let error = || CacheError::io("open", &path);
        let file = loop {
            let file = File::options().read(true).append(true).create(true).open(&path);
            let file = file.and_then(|file| file.lock().map(|()| file)).map_err(error())?;
            // The other thread may have moved the file into the cache meanwhile.
            if same_file(&file, &path) {
                break file;
            }
        };
        let note = path.with_extension("json");
        let cut = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut incoming = Incoming::new(self, path, file, Fate::Stays);
        incoming.catch_up(&mut |_| {})?;
        let earlier = incoming.len();
        Ok(Partial { incoming, lock: self, note, cut, earlier })
    }
}

fn same_file(file: &File, path: &Utf8PathBuf) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: io::Result<fs::Metadata>| meta.ok().map(|meta| (meta.dev(), meta.ino()));
    id(file.metadata()).is_some_and(|ours| id(fs::metadata(path)) == Some(ours))
}

impl Partial<'_> {
    /// Returns the origin of the present bytes, if known.
    #[must_use]
    pub(crate) fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        self.incoming.add(bytes)
    }

    /// Checks whether some bytes are from an earlier attempt.
    #[must_use]
    pub(crate) fn has_gone_on(&self) -> bool {
        self.earlier > 0
    }

    #[must_use]
    pub(crate) fn len(&self) -> u64 {
        self.incoming.len()
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Starts over, with bytes from the origin `cut`.
    ///
    /// The note is synced before the first byte is written.
    pub(crate) fn restart(&mut self, cut: Cut) -> Result<(), CacheError> {
        self.incoming.restart()?;
        self.earlier = 0;
        let bytes = serde_json::to_vec(&cut).unwrap_or_default();
        put(&self.note, &self.lock.cache.dir.join("incoming"), &bytes)
            .map_err(CacheError::io("write", &self.note))?;
        self.cut = Some(cut);
        Ok(())
    }

    /// Moves the download into the cache if it has the `expected` digest.
    pub(crate) fn finish(self, expected: Option<Digest>) -> Result<Measured, CacheError> {
        let Self { incoming, note, .. } = self;
        let result = incoming.finish(expected);
        // A note without a file is harmless; the next download with this key overwrites it.
        let _ = fs::remove_file(&note);
        result
    }

    /// Removes the download, because another thread has added the content.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.note);
        self.incoming.forget();
    }

    /// Discards all bytes.
    pub(crate) fn discard(&mut self) -> Result<(), CacheError> {
        (self.cut, self.earlier) = (None, 0);
        let _ = fs::remove_file(&self.note);
        self.incoming.restart()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scratch;
    use super::*;

    #[test]
    fn what_was_cut_off_goes_on_with_the_right_digest() {
        let (_dir, cache) = scratch();
        let key = Digest::of(b"key");
        {
            let lock = cache.lock(|_| {}).unwrap();
            let mut partial = lock.partial(key).unwrap();
            assert!(partial.is_empty() && partial.cut().is_none());
            partial.restart(Cut::new("http://a/", Some("\"tag\"".to_owned()), None)).unwrap();
            partial.add(b"hello ").unwrap();
        }
        let lock = cache.lock(|_| {}).unwrap();
        let mut partial = lock.partial(key).unwrap();
        assert_eq!(partial.len(), 6);
        assert!(partial.cut().unwrap().can_go_on("http://a/"));
        assert!(!partial.cut().unwrap().can_go_on("http://b/"));
        partial.add(b"world").unwrap();
        let digest = Digest::of(b"hello world");
        assert_eq!(partial.finish(Some(digest)).unwrap().sha256, digest);
        assert!(cache.has(digest));
        assert_eq!(fs::read_dir(cache.dir.join("partial")).unwrap().count(), 0);
    }

    #[test]
    fn without_a_validator_or_after_a_reboot_no_download_resumes() {
        let cut = Cut::new("http://a/", None, None);
        assert!(!cut.can_go_on("http://a/"));
        let boot = Some("another".to_owned());
        let cut = Cut { boot, ..Cut::new("http://a/", Some("\"tag\"".to_owned()), None) };
        assert!(!cut.can_go_on("http://a/"));
    }

    #[test]
    fn a_second_thread_waits_and_gets_a_fresh_one() {
        let (_dir, cache) = scratch();
        let lock = cache.lock(|_| {}).unwrap();
        let key = Digest::of(b"key");
        let mut first = lock.partial(key).unwrap();
        first.add(b"bytes").unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| lock.partial(key).map(|partial| partial.len()));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!second.is_finished());
            first.finish(None).unwrap();
            assert_eq!(second.join().unwrap().unwrap(), 0);
        });
    }

    #[test]
    fn a_restart_leaves_nothing_of_what_was() {
        let (_dir, cache) = scratch();
        let lock = cache.lock(|_| {}).unwrap();
        let mut partial = lock.partial(Digest::of(b"key")).unwrap();
        partial.add(b"old bytes").unwrap();
        partial.restart(Cut::new("http://a/", None, None)).unwrap();
        partial.add(b"new").unwrap();
        assert_eq!(partial.finish(None).unwrap().sha256, Digest::of(b"new"));
    }
}
