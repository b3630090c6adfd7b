//! Writing items to the store: the only place where the installer writes gigabytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

use rustix::fs::{Advice, AtFlags, Dir, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use vgpu_manifest::{Item, ItemId, ItemName, Sink};

use super::{RealHost, lock};
use crate::host::content::copy_pieces;
use crate::host::own;
use crate::host::{Content, ContentHasher, HostError, Verb};

/// The suffix of an incomplete item.
const PARTIAL: &str = ".partial";

/// The number of bytes after which write-back starts.
const WRITE_BACK: u64 = 1 << 20;

/// The store, open for new items.
///
/// An item is written under a temporary name, and is renamed to its identity once it is complete and
/// durable. So an item with such a name is both, even after a power cut.
#[derive(Debug)]
pub struct Staging {
    dir: OwnedFd,
    open: Mutex<BTreeMap<ItemName, Arc<File>>>,
    complete: Mutex<Vec<ItemId>>,
}

impl RealHost {
    /// Opens the store, which must exist, and removes what an interrupted run left in it.
    pub fn staging(&self) -> Result<Staging, HostError> {
        let store = own::store();
        let open = || -> io::Result<Staging> {
            let dir = self.tree.open_at(&store, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let staging = Staging { dir, open: Mutex::default(), complete: Mutex::default() };
            staging.sweep()?;
            Ok(staging)
        };
        open().map_err(|error| HostError::path(Verb::Write, &store, error))
    }
}

impl Staging {
    /// Stores the bytes of `reader`, which must be `content`.
    ///
    /// # Errors
    ///
    /// Other bytes, among others. Nothing of them stays in the store.
    pub fn take(&self, content: Content, reader: &mut impl Read) -> io::Result<()> {
        let taken = self.copy(content, reader);
        if taken.is_err() {
            // Another source may have the content; without a file, `sweep` has nothing to do.
            let _ = rustix::fs::unlinkat(&self.dir, partial(content.id), AtFlags::empty());
        }
        taken
    }

    fn copy(&self, content: Content, reader: &mut impl Read) -> io::Result<()> {
        let file = self.create(content)?;
        let mut hasher = ContentHasher::default();
        let mut offset = 0;
        copy_pieces(reader, |piece| {
            hasher.update(piece);
            file.write_all_at(piece, offset)?;
            offset += piece.len() as u64;
            Ok(())
        })?;
        if hasher.finish() != content {
            let text = "digest mismatch";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        lock(&self.complete).push(content.id);
        Ok(())
    }

    /// Syncs all complete items, renames them to their identities, and removes the rest.
    ///
    /// One `syncfs` is far faster than an `fsync` for each of several hundred files, and reports
    /// failed writes just as reliably.
    pub fn finish(self) -> Result<(), HostError> {
        let complete = std::mem::take(&mut *lock(&self.complete));
        let finish = || -> io::Result<()> {
            if !complete.is_empty() {
                rustix::fs::syncfs(&self.dir)?;
            }
            for id in complete {
                rustix::fs::renameat(&self.dir, partial(id), &self.dir, id.to_string())?;
            }
            self.sweep()?;
            Ok(rustix::fs::fsync(&self.dir)?)
        };
        finish().map_err(|error| HostError::path(Verb::Write, &own::store(), error))
    }

    /// Removes incomplete items.
    fn sweep(&self) -> io::Result<()> {
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes().ends_with(PARTIAL.as_bytes()) {
                rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?;
            }
        }
        Ok(())
    }

    /// Returns the file that `item` is written to.
    fn file(&self, item: &Item) -> io::Result<Arc<File>> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(item.name()) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.create(Content { id: item.id(), size: item.size() })?);
        open.insert(item.name().clone(), Arc::clone(&file));
        Ok(file)
    }

    fn create(&self, content: Content) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        let fd = rustix::fs::openat(&self.dir, partial(content.id), flags | OFlags::CLOEXEC, mode)?;
        reserve(&fd, content.size)?;
        Ok(File::from(fd))
    }
}

impl Sink for Staging {
    fn piece(&self, item: &Item, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(item)?;
        file.write_all_at(bytes, offset)?;
        let end = offset + bytes.len() as u64;
        if end.is_multiple_of(WRITE_BACK) || end == item.size() {
            // Without this, the kernel starts writing only when `finish` waits for it.
            let begin = (end - 1) / WRITE_BACK * WRITE_BACK;
            rustix::fs::fadvise(&file, begin, NonZeroU64::new(end - begin), Advice::DontNeed)?;
        }
        Ok(())
    }

    fn complete(&self, item: &Item) -> io::Result<()> {
        // An empty item has no pieces, so its file does not exist yet.
        self.file(item)?;
        lock(&self.open).remove(item.name());
        lock(&self.complete).push(item.id());
        Ok(())
    }
}

fn partial(id: ItemId) -> String {
    format!("{id}{PARTIAL}")
}

/// Reserves space, so that a full disk is detected before writing. Not every file system supports
/// this.
fn reserve(fd: &OwnedFd, size: u64) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(fd, FallocateFlags::empty(), 0, size) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
