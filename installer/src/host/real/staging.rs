//! Filling the store: the one place where the installer writes much and writes it fast.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Advice, AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use vgpu_manifest::{CHUNK, Item, ItemId, ItemName, Sink};

use super::RealHost;
use crate::host::content::copy_pieces;
use crate::host::{Content, ContentHasher, HostError, Verb};
use crate::state;

/// How the name of an item ends that is not complete.
const PARTIAL: &str = ".partial";

/// The store, open to take items.
///
/// An item is written under a temporary name, synced, and only then given the name of its
/// identity. So whatever has such a name is complete and durable, whenever the power went.
#[derive(Debug)]
pub struct Staging {
    dir: OwnedFd,
    open: Mutex<BTreeMap<ItemName, Arc<File>>>,
}

impl RealHost {
    /// Open the store, which must be there, and clear away what an interrupted run left in it.
    pub fn staging(&self) -> Result<Staging, HostError> {
        let store = state::store();
        let open = || -> io::Result<Staging> {
            let dir = self.tree.open_at(&store, OFlags::RDONLY | OFlags::DIRECTORY)?;
            for name in self.tree.list(&store)?.unwrap_or_default() {
                if name.ends_with(PARTIAL) {
                    rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
                }
            }
            Ok(Staging { dir, open: Mutex::default() })
        };
        open().map_err(|error| HostError::path(Verb::Write, &store, error))
    }
}

impl Staging {
    /// Take what `reader` yields, which must be `content`.
    pub fn take(&self, content: Content, reader: &mut impl Read) -> io::Result<()> {
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
            let text = "it changed while it was read";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.settle(content.id, &file)
    }

    /// Wait until the names of everything that was taken would survive a power cut.
    pub fn finish(self) -> Result<(), HostError> {
        rustix::fs::fsync(&self.dir)
            .map_err(|error| HostError::path(Verb::Write, &state::store(), error))
    }

    /// The file that `item` is being written to.
    fn file(&self, item: &Item) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Make a complete item durable, and give it its name.
    fn settle(&self, id: ItemId, file: &File) -> io::Result<()> {
        file.sync_all()?;
        Ok(rustix::fs::renameat(&self.dir, partial(id), &self.dir, id.to_string())?)
    }
}

impl Sink for Staging {
    fn piece(&self, item: &Item, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(item)?;
        file.write_all_at(bytes, offset)?;
        let end = offset + bytes.len() as u64;
        if end.is_multiple_of(CHUNK) || end == item.size() {
            // Writing to the disk begins now, and not when all of it has to be waited for.
            let begin = (end - 1) / CHUNK * CHUNK;
            rustix::fs::fadvise(&file, begin, NonZeroU64::new(end - begin), Advice::DontNeed)?;
        }
        Ok(())
    }

    fn complete(&self, item: &Item) -> io::Result<()> {
        let file = self.file(item)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(item.name());
        self.settle(item.id(), &file)
    }
}

fn partial(id: ItemId) -> String {
    format!("{id}{PARTIAL}")
}

/// Set space aside, so that a full disk is found out now; not every file system can.
fn reserve(fd: &OwnedFd, size: u64) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(fd, FallocateFlags::empty(), 0, size) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
