use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

use vgpu_manifest::limits::MAX_ITEM;
use vgpu_manifest::{Measure, Measured};

use super::own::fixed;
use super::{Command, HostError, HostPath, Kind, Node, Output, OwnPath, Stat, Verb};

/// The largest file or command output that is read into memory: 1 MiB.
///
/// Configuration, sysfs and answers of tools are far smaller, dpkg's list of packages excepted.
/// Larger contents are only streamed.
pub(crate) const MAX_READ: u64 = 1 << 20;

/// A machine that can be read. Nothing here changes it.
pub trait Look {
    /// Returns the node at `path`, or `None` if it does not exist. A symlink there is not followed.
    ///
    /// A regular file is read to its end to compute its [`Content`], in bounded memory.
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError>;

    /// Returns the kernel's status of `path` without reading any content, or `None` if it does not
    /// exist. A symlink there is not followed.
    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError>;

    /// Returns the bytes of the regular file at `path`, or `None` if it does not exist. Symlinks
    /// are followed, never out of the machine's root.
    ///
    /// # Errors
    ///
    /// A file of more than `max` bytes.
    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError>;

    /// Returns the size and the digests of the regular file at `path`, or `None` if it does not
    /// exist. It is read in bounded memory on a real machine.
    fn measure(&self, path: &HostPath) -> Result<Option<Measured>, HostError> {
        let Some(bytes) = self.read_up_to(path, MAX_ITEM)? else { return Ok(None) };
        let measured = Measure::of(&mut &*bytes);
        measured.map(Some).map_err(|error| HostError::path(Verb::Read, path, error))
    }

    /// Returns the sorted names in the directory at `path`, or `None` if it does not exist.
    /// Symlinks are followed, never out of the machine's root.
    ///
    /// # Errors
    ///
    /// A name that is not UTF-8.
    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError>;

    /// Returns the sorted names in one of the installer's own folders, and the number of names that
    /// are not UTF-8. Those are not the installer's, so they are no reason to fail.
    fn list_own(&self, path: &OwnPath) -> Result<(Vec<String>, usize), HostError> {
        Ok((self.list(path)?.unwrap_or_default(), 0))
    }

    /// Returns the number of free bytes in the file system of `path`.
    fn free_space(&self, path: &HostPath) -> Result<u64, HostError>;

    /// Runs a read-only command and returns its output, whatever its exit status. Returns `None`
    /// where commands do not run: in a prepared folder, and in a rehearsal.
    ///
    /// # Errors
    ///
    /// More than [`MAX_READ`] bytes on stdout.
    fn query(&self, command: &Command) -> Result<Option<Output>, HostError>;

    /// Does the same for a command whose answer depends only on the tree at `path`. A machine may
    /// return the earlier answer while nothing in that tree has changed.
    ///
    /// `dkms status` takes half a second on a quick host, and several checks of one run need it.
    fn query_about(&self, command: &Command, path: &HostPath) -> Result<Option<Output>, HostError> {
        let _ = path;
        self.query(command)
    }

    /// Runs a read-only command on this standard input, and writes its stdout to `take`, however
    /// long it is. Returns the exit status and the end of stderr, or `None` where commands do not
    /// run.
    ///
    /// # Errors
    ///
    /// `take` refused the output; the command is then killed.
    fn stream(
        &self,
        command: &Command,
        input: BorrowedFd<'_>,
        take: &mut dyn io::Write,
    ) -> Result<Option<Output>, HostError> {
        let _ = (command, input, take);
        Ok(None)
    }

    /// Returns the time of the machine's clock. The clock may be wrong, so no decision may depend
    /// on it.
    fn now(&self) -> SystemTime;

    /// Checks whether this run may make its next change.
    ///
    /// # Errors
    ///
    /// A signal has asked the run to stop.
    fn may_continue(&self) -> Result<(), HostError> {
        Ok(())
    }

    /// Reads a file of at most [`MAX_READ`] bytes; see [`Look::read_up_to`].
    fn read(&self, path: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        self.read_up_to(path, MAX_READ)
    }

    /// Returns the target of the symlink at `path`, or `None` if it does not exist.
    fn link(&self, path: &HostPath) -> Result<Option<String>, HostError> {
        match self.stat(path)? {
            Some(Stat { kind: Kind::Link, .. }) => match self.node(path)? {
                Some(Node::Link { target, .. }) => Ok(Some(target)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Returns `path` with the symlinks in its directories resolved, so that two spellings of one
    /// place become one. The last component is not resolved, and neither are components that do not
    /// exist yet.
    fn real(&self, path: &HostPath) -> Result<HostPath, HostError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let mut done = fixed("/");
        let mut todo: Vec<String> = parts(parent.as_path().as_str());
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done = done.parent().unwrap_or(done);
                continue;
            }
            let next = fixed(done.as_path().join(&part).as_str());
            let Some(target) = self.link(&next)? else {
                done = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(HostError::path(Verb::Read, path, io::Error::other("too many links")));
            }
            if target.starts_with('/') {
                done = fixed("/");
            }
            todo.extend(parts(&target));
        }
        Ok(fixed(done.as_path().join(path.as_path().file_name().unwrap_or_default()).as_str()))
    }

    /// Returns the trimmed text of the file at `path`, or `None` if it does not exist. Invalid
    /// UTF-8 is replaced.
    fn text(&self, path: &HostPath) -> Result<Option<String>, HostError> {
        let bytes = self.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }
}

/// Returns the status of `path` and of everything below it. Symlinks are not followed.
pub(crate) fn walk(
    look: &dyn Look,
    path: &HostPath,
) -> Result<BTreeMap<HostPath, Stat>, HostError> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![path.clone()]);
    while let Some(path) = todo.pop() {
        let Some(stat) = look.stat(&path)? else { continue };
        if stat.kind == Kind::Dir {
            let names = look.list(&path)?.unwrap_or_default();
            // Names come from the kernel, so each is a single path component.
            let children = names.iter().map(|name| HostPath::new(path.as_path().join(name)));
            todo.extend(children.filter_map(Result::ok));
        }
        found.insert(path, stat);
    }
    Ok(found)
}

/// The number of symlinks that the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// Returns the components of a path, the last one first, without empty ones and `.`.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').rev().filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_owned).collect()
}
