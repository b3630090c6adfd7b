use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::tree::Tree;
use crate::host::HostPath;

/// The lock that a process holds while it may change the machine. It ends with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The machine cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds it.
    #[error("another vgpu-installer{} is changing this host; wait until it is done", process(*.0))]
    Held(Option<u32>),
    /// The lock file cannot be used.
    #[error("cannot lock {path}: {source}")]
    File {
        /// The lock file.
        path: HostPath,
        /// The cause.
        source: io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Lock {
    pub(super) fn take(tree: &Tree, path: &HostPath) -> Result<Self, LockError> {
        let error = |source| LockError::File { path: path.clone(), source };
        let mut file = open(tree, path).map_err(error)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held(holder(&mut file))),
            result => result.map_err(|errno| error(errno.into()))?,
        }
        // The process id is only for the error message; the lock itself needs no content.
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(error)?;
        Ok(Self { _file: file })
    }
}

fn open(tree: &Tree, path: &HostPath) -> io::Result<File> {
    let (dir, name) = tree.parent(path)?.ok_or(io::ErrorKind::NotFound)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?))
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
