use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::not_utf8;
use crate::host::{HostError, HostPath, Kind, Stat};

/// A machine's root directory, held open.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: Utf8PathBuf,
}

impl Tree {
    pub(super) fn open(path: &Utf8Path) -> Result<Self, HostError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || -> io::Result<Self> {
            let root = rustix::fs::openat(CWD, path.as_std_path(), flags, Mode::empty())?;
            let path = real_path(&root)?;
            Ok(Self { root, path })
        };
        open().map_err(|source| HostError::Root { path: path.to_owned(), source })
    }

    /// Returns the path of the root directory, for `chroot`.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Opens `path`, following symlinks within the root directory only.
    pub(super) fn open_at(&self, path: &HostPath, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        loop {
            let path = path.as_path().as_str();
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // A directory above was renamed during the walk; openat2(2) asks the caller to
                // retry.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Returns the open parent directory of `path` and the name in it; `None` without that directory.
    pub(super) fn parent<'p>(&self, path: &'p HostPath) -> io::Result<Option<(OwnedFd, &'p str)>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let (dir, name) = match path.parent() {
            Some(parent) => (parent, path.as_path().file_name().unwrap_or(".")),
            None => (path.clone(), "."),
        };
        Ok(present(self.open_at(&dir, flags))?.map(|fd| (fd, name)))
    }

    pub(super) fn list(&self, path: &HostPath) -> io::Result<Option<Vec<String>>> {
        match self.names(path)? {
            Some((_, odd)) if odd > 0 => Err(not_utf8()),
            names => Ok(names.map(|(names, _)| names)),
        }
    }

    /// Returns the names in a directory, and the number of those that are not UTF-8.
    pub(super) fn names(&self, path: &HostPath) -> io::Result<Option<(Vec<String>, usize)>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = match self.open_at(path, flags) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            dir => dir?,
        };
        let (mut names, mut odd) = (Vec::new(), 0);
        for entry in Dir::new(dir)? {
            match entry?.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => names.push(name.to_owned()),
                Err(_) => odd += 1,
            }
        }
        names.sort();
        Ok(Some((names, odd)))
    }

    /// Returns where `path` is in the file system that this process sees.
    pub(super) fn locate(&self, path: &HostPath) -> io::Result<Utf8PathBuf> {
        let (dir, name) = self.parent(path)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(real_path(&dir)?.join(name))
    }
}

/// Returns where an open directory is in the file system that this process sees.
fn real_path(dir: &OwnedFd) -> io::Result<Utf8PathBuf> {
    let magic = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let path = rustix::fs::readlinkat(CWD, &*magic, Vec::new())?;
    path.into_string().map(Utf8PathBuf::from).map_err(|_| not_utf8())
}

/// Fails for anything other than a regular file.
pub(super) fn require_regular(file: impl AsFd) -> io::Result<()> {
    match kind(&rustix::fs::fstat(file)?) {
        Kind::File => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Maps a missing file or parent directory to `None`.
pub(super) fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// Returns the status of `name` in the open directory `dir`, or `None` if it does not exist.
pub(super) fn stat_child(dir: impl AsFd, name: &str) -> io::Result<Option<rustix::fs::Stat>> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    present(stat.map_err(io::Error::from))
}

pub(super) fn open_child(dir: impl AsFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty())?)
}

pub(super) fn kind(stat: &rustix::fs::Stat) -> Kind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    }
}

/// Returns the part of the status that the installer uses.
#[expect(clippy::cast_possible_wrap, reason = "2^63 ns is the year 2262")]
pub(super) fn summary(stat: &rustix::fs::Stat) -> Stat {
    let changed = stat.st_ctime * 1_000_000_000 + stat.st_ctime_nsec as i64;
    Stat {
        kind: kind(stat),
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        inode: stat.st_ino,
        changed,
    }
}
