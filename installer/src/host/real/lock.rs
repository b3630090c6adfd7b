use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use serde::Serialize;
use vgpu_manifest::printable;
use vgpu_manifest::ui::Explain;

use super::tree::{self, Tree};
use crate::host::{Command, HostPath};

/// The lock that a run holds while it may change the machine.
///
/// It belongs to an open file description (`flock(2)`), which the commands of the run inherit. If
/// the run alone is killed, its command keeps the lock until it ends, so that no second run starts
/// next to it. A run that ends normally releases the lock explicitly: a daemon that one of its
/// commands left behind does not keep it.
#[derive(Debug)]
pub struct Lock {
    held: Arc<Held>,
}

/// The open lock file.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing would leave the lock with every process that inherited the file.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// The holder of the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// A run of this program, with its process id if that is known.
    #[serde(rename = "process")]
    Run(Option<u32>),
    /// Processes that an interrupted run has left.
    Left {
        /// The last command of that run.
        command: String,
        /// The ids and names of the processes.
        processes: Vec<(u32, String)>,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(Some(pid)) => {
                write!(f, "another vgpu-installer (process {pid}) is changing this host")
            }
            Self::Run(None) => f.write_str("another vgpu-installer is changing this host"),
            Self::Left { command, processes } => {
                let list: Vec<_> =
                    processes.iter().map(|(pid, name)| format!("{pid} `{name}`")).collect();
                write!(
                    f,
                    "an interrupted run has left a command running: `{command}`, in process {}",
                    list.join(", ")
                )
            }
        }
    }
}

/// The machine cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds it.
    #[error("{0}")]
    Held(Holder),
    /// The lock file cannot be used.
    #[error("cannot lock {path}: {source}")]
    File {
        /// The lock file.
        path: HostPath,
        /// The cause.
        source: io::Error,
    },
}

impl Explain for LockError {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Held(Holder::Run(_)) => Some("wait until it is done"),
            Self::Held(Holder::Left { .. }) => Some(
                "wait until the processes end, then run the same command again; stop only a \
                    process that hangs, or a daemon, with `kill`",
            ),
            Self::File { .. } => None,
        }
    }
}

/// The number of attempts to take the lock, and the delay between them: `status` holds it for a
/// moment to see whether it is free.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

impl Lock {
    pub(super) fn take(tree: &Tree, path: &HostPath) -> Result<Self, LockError> {
        let error = |source| LockError::File { path: path.clone(), source };
        let flags = OFlags::RDWR | OFlags::CREATE;
        let mut file = open(tree, path, flags).map_err(error)?;
        for tries in 1.. {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if tries < TRIES => thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(LockError::Held(holder(&mut file))),
                result => {
                    result.map_err(|errno| error(errno.into()))?;
                    break;
                }
            }
        }
        let held = Held { file };
        held.note("").map_err(error)?;
        Ok(Self { held: Arc::new(held) })
    }

    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// Returns the holder of the lock, without keeping or changing anything.
    pub(super) fn probe(tree: &Tree, path: &HostPath) -> io::Result<Option<Holder>> {
        let Some(mut file) = tree::present(open(tree, path, OFlags::RDONLY))? else {
            return Ok(None);
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Ok(Some(holder(&mut file))),
            result => Ok(result.map(|()| None)?),
        }
    }
}

impl Held {
    /// Starts a process that inherits the lock.
    ///
    /// The file is open in other children only if they are started at the same time, and one thread
    /// starts them all.
    pub(super) fn lend<T>(
        &self,
        command: &Command,
        start: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        // The name is only for the message of a second run.
        let _ = self.note(&printable(&command.to_string()));
        rustix::io::fcntl_setfd(&self.file, FdFlags::empty())?;
        let started = start();
        rustix::io::fcntl_setfd(&self.file, FdFlags::CLOEXEC)?;
        started
    }

    /// Writes the process id and the running command, for messages; the lock itself needs no
    /// content.
    fn note(&self, command: &str) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(format!("{}\n{command}\n", std::process::id()).as_bytes())
    }
}

fn open(tree: &Tree, path: &HostPath, flags: OFlags) -> io::Result<File> {
    let (dir, name) = tree.parent(path)?.ok_or(io::ErrorKind::NotFound)?;
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?))
}

/// The number of bytes of the lock file that a message uses.
const NOTE: u64 = 400;

fn holder(file: &mut File) -> Holder {
    let mut bytes = Vec::new();
    let _ = file.rewind().and_then(|()| file.take(NOTE).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let pid: Option<u32> = lines.next().and_then(|line| line.trim().parse().ok());
    let command = printable(lines.next().unwrap_or_default());
    let processes = processes_with(file);
    let is_run = processes.iter().any(|(one, _)| Some(*one) == pid);
    match processes.first() {
        Some(_) if !is_run && !command.is_empty() => Holder::Left { command, processes },
        Some((other, _)) if !is_run => Holder::Run(Some(*other)),
        // Other users' processes are not visible to everyone.
        _ => Holder::Run(pid),
    }
}

/// Returns the other processes that have this file open.
fn processes_with(file: &File) -> Vec<(u32, String)> {
    let Ok(own) = file.metadata() else { return Vec::new() };
    let is_same = |path: &std::path::Path| {
        std::fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (own.dev(), own.ino()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else { continue };
        let open = std::fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        if open.map(|fd| fd.path()).any(|fd| is_same(&fd)) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push((pid, printable(name.trim())));
        }
    }
    found.sort_unstable();
    found
}
