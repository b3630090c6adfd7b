//! A real machine, or a prepared folder.
//!
//! Only this module may open files and start processes. The kernel resolves every path beneath the
//! machine's root (`openat2` with `RESOLVE_IN_ROOT`), so that no symlink in a prepared folder leads
//! out of it. Changes are made through the open parent directory.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the door through which everything else must go"
)]

mod area;
mod exec;
mod file_cache;
mod item_folder;
mod lent;
mod lock;
mod log;
mod meta;
mod network;
mod outside;
mod program;
mod put;
mod signals;
mod staging;
mod timing;
mod tree;

pub use self::exec::Exec;
pub(crate) use self::file_cache::FileMemory;
pub(crate) use self::item_folder::ItemFolder;
pub(crate) use self::lent::Lent;
pub use self::lock::{Holder, Lock, LockError};
pub use self::log::{Echo, RunLog};
pub(crate) use self::network::deny as deny_network;
pub use self::outside::{
    OutsideError, copy_outside, is_running_root, read_outside, write_folder_outside, write_outside,
    write_outside_from, write_secret_outside,
};
pub use self::program::{DeviceNumber, Program};
pub use self::signals::{Signal, received_signal};
pub use self::staging::Staging;
pub use self::timing::On;

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, OFlags};
use vgpu_manifest::{Measure, Measured};

use self::exec::{Place, QueryCache, TreeCache};
use self::file_cache::FileCache;
use self::lock::Held;
use self::meta::Owners;
use self::tree::Tree;
use super::door::{RawHost, Remake};
use super::work::WorkPath;
use super::{
    Command, Content, HostError, HostPath, Kind, Look, Mode, New, Node, Output, OwnPath, Secret,
    Stat, TempName, Verb, own, walk,
};

/// The running system, or a folder that represents a machine.
#[derive(Debug)]
pub struct RealHost {
    tree: Tree,
    exec: Exec,
    owners: Owners,
    secret: Option<Secret>,
    log: Arc<RunLog>,
    /// Off unless a command turns it on.
    file_cache: Mutex<Option<FileCache>>,
    /// Off unless a command turns it on.
    query_cache: Mutex<Option<QueryCache>>,
    tree_cache: Mutex<TreeCache>,
    /// The lock, while this run holds it.
    held: Mutex<Weak<Held>>,
}

impl RealHost {
    /// Opens the machine with the root directory `root`; `exec` selects how commands run.
    pub fn open(root: &Utf8Path, exec: Exec) -> Result<Self, HostError> {
        let tree = Tree::open(root)?;
        Ok(Self {
            tree,
            exec,
            owners: Owners::current(),
            secret: None,
            log: Arc::default(),
            file_cache: Mutex::default(),
            query_cache: Mutex::default(),
            tree_cache: Mutex::default(),
            held: Mutex::default(),
        })
    }

    /// Sets the secret for commands that need it.
    pub fn keep_secret(&mut self, secret: Secret) {
        self.log.hide(secret.clone());
        self.secret = Some(secret);
    }

    /// Echoes log lines to this destination.
    #[must_use]
    pub fn with_echo(self, echo: Echo) -> Self {
        Self { log: Arc::new(RunLog::of(echo)), ..self }
    }

    /// Turns the query cache on: from here on, each read-only command runs once. Reading the facts
    /// asks for the same output several times, and `dkms status` alone may take half a second.
    pub(crate) fn cache_queries(&self) {
        *lock(&self.query_cache) = Some(QueryCache::default());
    }

    /// Starts the log, on a machine where commands run.
    pub fn begin_log(&self) -> Result<(), HostError> {
        if self.exec == Exec::Record {
            return Ok(());
        }
        let path = own::log_file();
        self.log.open(&self.tree).map_err(|error| HostError::path(Verb::Write, &path, error))
    }

    /// Returns the log.
    #[must_use]
    pub fn log(&self) -> Arc<RunLog> {
        Arc::clone(&self.log)
    }

    /// Returns where `path` is in the file system that this process sees.
    ///
    /// SQLite needs this because it opens its file itself. The parent directory must exist.
    pub fn locate(&self, path: &HostPath) -> Result<Utf8PathBuf, HostError> {
        self.tree.locate(path).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    /// Takes the lock at `path`, which a run holds while it changes the machine. The commands of
    /// this run inherit it.
    pub fn lock(&self, path: &HostPath) -> Result<Lock, LockError> {
        let taken = Lock::take(&self.tree, path)?;
        *lock(&self.held) = Arc::downgrade(taken.held());
        Ok(taken)
    }

    /// Returns the holder of the lock at `path`; `None` if it is free. Writes nothing.
    pub fn lock_holder(&self, path: &HostPath) -> Result<Option<Holder>, HostError> {
        Lock::probe(&self.tree, path).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    /// From here on, SIGHUP, SIGINT and SIGTERM stop this run before its next change.
    pub fn stop_on_signals(&self) -> Result<(), HostError> {
        signals::watch().map_err(HostError::Signals)
    }

    /// Returns the place of a read-only command.
    fn place(&self) -> Place<'_> {
        Place { tree: &self.tree, exec: self.exec, lock: None }
    }

    /// Syncs the directory at `path`, so that its contents survive a power cut.
    pub fn sync_dir(&self, path: &HostPath) -> Result<(), HostError> {
        let sync = || -> io::Result<()> {
            let dir = self.tree.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            Ok(rustix::fs::fsync(dir)?)
        };
        sync().map_err(|error| HostError::path(Verb::Write, path, error))
    }

    /// Turns both caches off: a command that changes the machine reads everything.
    fn end_caches(&mut self) {
        *lock(&self.file_cache) = None;
        *lock(&self.query_cache) = None;
    }

    fn node_at(&self, path: &HostPath) -> io::Result<Option<Node>> {
        let Some((dir, name)) = self.tree.parent(path)? else { return Ok(None) };
        let Some(stat) = tree::stat_child(&dir, name)? else { return Ok(None) };
        let open = |flags| tree::open_child(&dir, name, flags | OFlags::NOFOLLOW);
        Ok(Some(match tree::kind(&stat) {
            Kind::File => {
                // Take the permissions from the open file, because the name may refer to another
                // file by now.
                let file = File::from(open(OFlags::RDONLY | OFlags::NONBLOCK)?);
                let meta = self.owners.read_meta(&file)?;
                Node::File { content: Content::of_reader(&file)?, meta }
            }
            Kind::Dir => {
                let dir = open(OFlags::RDONLY | OFlags::DIRECTORY)?;
                Node::Dir { meta: self.owners.read_meta(&dir)? }
            }
            Kind::Link => {
                let target = rustix::fs::readlinkat(&dir, name, Vec::new())?;
                let target = target.into_string().map_err(|_| not_utf8())?;
                let (uid, gid) = self.owners.seen(&stat);
                Node::Link { target, uid, gid }
            }
            Kind::Special => Node::Special,
        }))
    }

    fn stat_at(&self, path: &HostPath) -> io::Result<Option<Stat>> {
        let Some((dir, name)) = self.tree.parent(path)? else { return Ok(None) };
        Ok(tree::stat_child(&dir, name)?.map(|stat| tree::summary(&stat)))
    }

    fn read_at(&self, path: &HostPath, max: u64) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let Some(file) = tree::present(self.tree.open_at(path, flags))? else { return Ok(None) };
        tree::require_regular(&file)?;
        let mut bytes = Vec::new();
        File::from(file).take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            let why = format!("the file is larger than {} MiB", max >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(Some(bytes))
    }

    fn free_space_at(&self, path: &HostPath) -> io::Result<u64> {
        let mut path = path.clone();
        loop {
            if let Some(fd) = tree::present(self.tree.open_at(&path, OFlags::PATH))? {
                let space = rustix::fs::fstatvfs(fd)?;
                return Ok(space.f_bavail.saturating_mul(space.f_frsize));
            }
            path = path.parent().ok_or(io::ErrorKind::NotFound)?;
        }
    }
}

/// A thread that panicked leaves the value valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_utf8() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the directory has a name that is not UTF-8")
}

impl Look for RealHost {
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError> {
        let read = || self.node_at(path).map_err(|error| HostError::path(Verb::Read, path, error));
        self.cached(path, read)
    }

    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError> {
        self.stat_at(path).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError> {
        self.read_at(path, max).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    fn measure(&self, path: &HostPath) -> Result<Option<Measured>, HostError> {
        let measure = || -> io::Result<Option<Measured>> {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let Some(file) = tree::present(self.tree.open_at(path, flags))? else {
                return Ok(None);
            };
            tree::require_regular(&file)?;
            Measure::of(&mut File::from(file)).map(Some)
        };
        measure().map_err(|error| HostError::path(Verb::Read, path, error))
    }

    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError> {
        self.tree.list(path).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    fn list_own(&self, path: &OwnPath) -> Result<(Vec<String>, usize), HostError> {
        let names = self.tree.names(path).map(Option::unwrap_or_default);
        names.map_err(|error| HostError::path(Verb::Read, path, error))
    }

    fn free_space(&self, path: &HostPath) -> Result<u64, HostError> {
        self.free_space_at(path).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    fn query(&self, command: &Command) -> Result<Option<Output>, HostError> {
        let query = || exec::query(self.place(), command, &self.log);
        if let Some(cache) = &mut *lock(&self.query_cache) {
            return cache.answer(command, query);
        }
        query()
    }

    fn query_about(&self, command: &Command, path: &HostPath) -> Result<Option<Output>, HostError> {
        let tree = walk(self, path)?;
        lock(&self.tree_cache).answer(command, tree, || self.query(command))
    }

    fn stream(
        &self,
        command: &Command,
        input: BorrowedFd<'_>,
        take: &mut dyn io::Write,
    ) -> Result<Option<Output>, HostError> {
        exec::stream(self.place(), command, &self.log, input, take)
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn may_continue(&self) -> Result<(), HostError> {
        received_signal().map_or(Ok(()), |signal| Err(HostError::Stopped(signal)))
    }
}

impl RawHost for RealHost {
    fn put(&mut self, path: &HostPath, new: New<'_>) -> Result<(), HostError> {
        self.end_caches();
        put::put(&self.tree, self.owners, path, new)
            .map_err(|error| HostError::path(Verb::Write, path, error))
    }

    fn remove(&mut self, path: &HostPath) -> Result<(), HostError> {
        self.end_caches();
        let remove = || -> io::Result<()> {
            let Some((dir, name)) = self.tree.parent(path)? else { return Ok(()) };
            let Some(stat) = tree::stat_child(&dir, name)? else { return Ok(()) };
            let is_dir = tree::kind(&stat) == Kind::Dir;
            let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            rustix::fs::unlinkat(&dir, name, flags)?;
            Ok(rustix::fs::fsync(dir)?)
        };
        remove().map_err(|error| HostError::path(Verb::Remove, path, error))
    }

    fn sweep(&mut self, path: &HostPath, temp: TempName) -> Result<(), HostError> {
        let sweep = || -> io::Result<()> {
            let Some((dir, _)) = self.tree.parent(path)? else { return Ok(()) };
            put::clear_temp(&dir, &temp.to_string())
        };
        sweep().map_err(|error| HostError::path(Verb::Remove, path, error))
    }

    fn run(&mut self, command: &Command) -> Result<String, HostError> {
        self.end_caches();
        self.may_continue()?;
        let held = lock(&self.held).upgrade();
        let place = Place { lock: held.as_deref(), ..self.place() };
        exec::run(place, command, self.secret.as_ref(), &self.log)
    }

    fn ask(&mut self, command: &Command) -> Result<Option<Output>, HostError> {
        self.may_continue()?;
        let held = lock(&self.held).upgrade();
        let place = Place { lock: held.as_deref(), ..self.place() };
        exec::query(place, command, &self.log)
    }

    fn link(&mut self, from: &OwnPath, to: &WorkPath, mode: Mode) -> Result<(), HostError> {
        area::link(&self.tree, from, to, mode)
            .map_err(|error| HostError::path(Verb::Write, to, error))
    }

    fn rewrite(&mut self, path: &WorkPath, make: Remake<'_>) -> Result<(), HostError> {
        area::rewrite(&self.tree, path, make)
            .map_err(|error| HostError::path(Verb::Write, path, error))
    }

    fn adopt(&mut self, from: &OwnPath, to: &WorkPath) -> Result<(), HostError> {
        area::rename(&self.tree, from, to)
            .map_err(|error| HostError::path(Verb::Remove, from, error))
    }

    fn set_aside(&mut self, from: &OwnPath, to: &OwnPath) -> Result<(), HostError> {
        self.end_caches();
        area::rename(&self.tree, from, to)
            .map_err(|error| HostError::path(Verb::Write, from, error))
    }

    fn clear(&mut self, dir: &WorkPath) -> Result<(), HostError> {
        area::clear(&self.tree, dir).map_err(|error| HostError::path(Verb::Remove, dir, error))
    }
}

#[cfg(test)]
mod tests;
