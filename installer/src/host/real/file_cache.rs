//! A cache of the contents of large files, from the last time each was read to its end.
//!
//! `status` checks whether images of several gigabytes are in sync, and does not read them each
//! time. The kernel updates a file's change time whenever its content, owner, permissions or
//! attributes change, and no program can set it back. So a file with an unchanged [`Stat`] is
//! unchanged. Commands that must not rely on this leave the cache off.
//!
//! A file enters the cache only if it was unchanged for [`SETTLED`] before it was read: a second
//! change within the same clock tick would go undetected. A wrong clock only costs time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{RealHost, lock};
use crate::host::own;
use crate::host::{HostError, HostPath, Kind, Look, Node, OwnPath, OwnState, Stat};

/// The size in bytes from which a file is cached. Reading a smaller file takes no noticeable time.
const LARGE: u64 = 16 << 20;

/// The time for which a file must have been unchanged: longer than any clock tick of a kernel or
/// file server.
const SETTLED: Duration = Duration::from_secs(1);

/// The cached files, and those that this run used.
#[derive(Debug)]
pub(super) struct FileCache {
    files: Files,
    asked: BTreeSet<HostPath>,
    read: BTreeSet<HostPath>,
    unread: BTreeSet<HostPath>,
    settled: Duration,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Files(BTreeMap<HostPath, Was>);

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Was {
    stat: Stat,
    node: Node,
}

fn memory() -> OwnPath {
    own::dir().join("seen.json")
}

impl Files {
    /// Returns the cache of this host. An unreadable cache counts as empty.
    fn load(look: &dyn Look) -> Self {
        own::recall(look, &memory()).unwrap_or_default()
    }

    fn save(&self, host: &mut RealHost) -> Result<(), HostError> {
        if *self == Self::load(host) {
            return Ok(());
        }
        let text = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("it is plain data"));
        OwnState::of(host).replace(&memory(), &text, own::private())
    }
}

impl FileCache {
    fn new(files: Files, settled: Duration) -> Self {
        let [asked, read, unread] = [(); 3].map(|()| BTreeSet::new());
        Self { files, asked, read, unread, settled }
    }

    fn is_settled(&self, stat: Stat, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let [now, settled] =
            [now, self.settled].map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        stat.changed < now.saturating_sub(settled)
    }
}

/// The use of cached contents of large files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileMemory {
    /// Uses them for files that have not changed since.
    Use,
    /// Reads each file again, and updates the cache.
    Renew,
}

impl RealHost {
    /// Turns the file cache on: a large file is then read only if it has changed since the last
    /// read, or once if the cache is to be refreshed.
    pub(crate) fn cache_files(&self, memory: FileMemory) {
        let files = match memory {
            FileMemory::Use => Files::load(self),
            FileMemory::Renew => Files::default(),
        };
        *lock(&self.file_cache) = Some(FileCache::new(files, SETTLED));
    }

    /// Returns the files that were not read, because they have not changed.
    pub(crate) fn unread_files(&self) -> Vec<HostPath> {
        let cache = lock(&self.file_cache);
        let unread = cache.iter().flat_map(|cache| cache.unread.difference(&cache.read));
        unread.cloned().collect()
    }

    /// Turns the file cache off, and saves the entries that this run used.
    pub(crate) fn save_cached_files(&mut self) -> Result<(), HostError> {
        self.asked_files().save(self)
    }

    fn asked_files(&self) -> Files {
        let Some(FileCache { files: Files(mut files), asked, .. }) = lock(&self.file_cache).take()
        else {
            return Files::default();
        };
        files.retain(|path, _| asked.contains(path));
        Files(files)
    }

    /// Returns the cached node of the file, or the result of `read`, which is then cached.
    pub(super) fn cached(
        &self,
        path: &HostPath,
        read: impl FnOnce() -> Result<Option<Node>, HostError>,
    ) -> Result<Option<Node>, HostError> {
        if lock(&self.file_cache).is_none() {
            return read();
        }
        let stat = match self.stat(path)? {
            Some(stat) if stat.kind == Kind::File && stat.size >= LARGE => stat,
            _ => return read(),
        };
        let mut is_settled = false;
        if let Some(cache) = &mut *lock(&self.file_cache) {
            cache.asked.insert(path.clone());
            if let Some(was) = cache.files.0.get(path).filter(|was| was.stat == stat) {
                cache.unread.insert(path.clone());
                return Ok(Some(was.node.clone()));
            }
            is_settled = cache.is_settled(stat, self.now());
        }
        let Some(found) = read()? else { return Ok(None) };
        let is_same = is_settled && self.stat(path)? == Some(stat);
        if let Some(cache) = &mut *lock(&self.file_cache) {
            cache.read.insert(path.clone());
            if is_same {
                cache.files.0.insert(path.clone(), Was { stat, node: found.clone() });
            }
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Seek as _, SeekFrom, Write as _};

    use camino::Utf8PathBuf;

    use super::*;
    use crate::host::Exec;
    use crate::host::own::fixed;

    /// Reads both files with this cache; returns the files that were not read, and the new cache.
    #[expect(clippy::needless_pass_by_value, reason = "the next call takes the result")]
    fn ask(host: &RealHost, settled: Duration, files: Files) -> (Vec<HostPath>, Files) {
        for name in ["/large", "/small"] {
            let path = fixed(name);
            let plain = host.node(&path).unwrap();
            let cache = lock(&host.file_cache).take();
            let cache = cache.unwrap_or_else(|| FileCache::new(files.clone(), settled));
            *lock(&host.file_cache) = Some(cache);
            assert_eq!(host.node(&path).unwrap(), plain);
        }
        (host.unread_files(), host.asked_files())
    }

    #[test]
    fn a_large_file_is_read_again_only_after_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let mut host = RealHost::open(&root, Exec::Record).unwrap();
        OwnState::of(&mut host).prepare().unwrap();
        fs::write(root.join("small"), "x").unwrap();
        File::create(root.join("large")).unwrap().set_len(LARGE).unwrap();
        let large = [fixed("/large")];

        // A file written just now may be written again within the same clock tick.
        let (unread, memory) = ask(&host, Duration::from_hours(1), Files::default());
        assert_eq!((unread, memory), (Vec::new(), Files::default()));

        let (unread, memory) = ask(&host, Duration::ZERO, Files::default());
        assert!(unread.is_empty() && memory.0.len() == 1, "{memory:?}");
        memory.save(&mut host).unwrap();
        let kept = Files::load(&host);
        assert_eq!(kept, memory);
        let (unread, again) = ask(&host, Duration::ZERO, kept);
        assert_eq!((&unread[..], &again), (&large[..], &memory));

        // One byte, with the same size and the old modification time.
        let before = fs::metadata(root.join("large")).unwrap().modified().unwrap();
        let mut file = File::options().write(true).open(root.join("large")).unwrap();
        file.seek(SeekFrom::Start(LARGE / 2 + 1)).unwrap();
        file.write_all(b"x").unwrap();
        file.set_modified(before).unwrap();
        let (unread, changed) = ask(&host, Duration::ZERO, memory.clone());
        assert!(unread.is_empty() && changed != memory, "{unread:?}");

        // An entry that is not used is dropped, and an unreadable cache is empty.
        *lock(&host.file_cache) = Some(FileCache::new(memory, SETTLED));
        assert_eq!(host.asked_files(), Files::default());
        fs::write(root.join("var/lib/vgpu-offline/seen.json"), "nonsense").unwrap();
        assert_eq!(Files::load(&host), Files::default());
    }
}
