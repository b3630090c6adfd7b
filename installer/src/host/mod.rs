//! The only door to the machine.
//!
//! No other module opens a file, renames one or starts a process on the host: `clippy.toml` sees
//! to that. So whoever implements [`Look`] and [`Host`] decides what an installation really does:
//! change a server, rehearse on an [`Overlay`], or run in a test.

mod command;
mod content;
mod error;
#[cfg(test)]
pub(crate) mod mem;
mod node;
mod overlay;
pub mod real;
mod recall;
mod secret;
mod seen;
mod temp;

pub use self::command::{Command, Exit, Output};
pub use self::content::{Content, ContentHasher};
pub use self::error::{HostError, Verb};
pub use self::node::{Kind, Meta, Node, Stat, Xattrs};
pub use self::overlay::Overlay;
pub use self::real::{Exec, RealHost};
pub(crate) use self::recall::Recall;
pub use self::secret::{NotASecret, Secret, SecretInput};
pub(crate) use self::seen::{Memory, Seen};
pub use self::temp::TempName;
pub use vgpu_manifest::{HostPath, Mode, PathError};

use std::io;
use std::time::SystemTime;

use crate::state::fixed;

/// The most that is read into memory from one file or one command: 1 MiB.
///
/// What the installer reads to understand a host (configuration, sysfs, answers of tools) is far
/// smaller, dpkg's list of packages excepted. Larger contents are only ever streamed.
pub const MAX_READ: u64 = 1 << 20;

/// A machine to look at. Nothing here changes it.
pub trait Look {
    /// What is at `path`; `None` if there is nothing. A symlink there is not followed.
    ///
    /// A regular file is read to its end to learn its [`Content`], in bounded memory.
    fn node(&self, path: &HostPath) -> Result<Option<Node>, HostError>;

    /// What is at `path` without reading any content; `None` if there is nothing. A symlink there
    /// is not followed.
    fn stat(&self, path: &HostPath) -> Result<Option<Stat>, HostError>;

    /// The bytes of the regular file at `path`; `None` if there is nothing. Symlinks are followed,
    /// never out of the machine's root. More than `max` bytes are an error.
    fn read_up_to(&self, path: &HostPath, max: u64) -> Result<Option<Vec<u8>>, HostError>;

    /// The names in the directory at `path`, sorted; `None` if there is nothing. Symlinks are
    /// followed, never out of the machine's root. A name that is not UTF-8 is an error.
    fn list(&self, path: &HostPath) -> Result<Option<Vec<String>>, HostError>;

    /// How many bytes can still be written to the file system that holds `path`.
    fn free_space(&self, path: &HostPath) -> Result<u64, HostError>;

    /// Run a command that looks but does not touch, and return what it said, however it exited.
    ///
    /// `None` where commands do not run: on a folder that is only prepared, and in a rehearsal.
    /// More than [`MAX_READ`] bytes on stdout are an error.
    fn query(&self, command: &Command) -> Result<Option<Output>, HostError>;

    /// What a regular file at `path` is, piece by piece, if it has exactly these lengths one after
    /// the other; `None` if it has not, or if there is none. A symlink there is not followed.
    fn pieces(
        &self,
        path: &HostPath,
        lengths: &[u64],
    ) -> Result<Option<(Meta, Vec<Content>)>, HostError>;

    /// The time, as the machine's clock has it. It may be wrong; nothing may depend on it.
    fn now(&self) -> SystemTime;

    /// As [`Look::read_up_to`], for all but the few files that may be larger than [`MAX_READ`].
    fn read(&self, path: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        self.read_up_to(path, MAX_READ)
    }

    /// Where the symlink at `path` points; `None` if there is none.
    fn link(&self, path: &HostPath) -> Result<Option<String>, HostError> {
        match self.stat(path)? {
            Some(Stat { kind: Kind::Link, .. }) => match self.node(path)? {
                Some(Node::Link { target, .. }) => Ok(Some(target)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// `path` with the symlinks in its directories followed, so that two spellings of one place
    /// become one. The last part stays as it is, and what is not there yet does too.
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

    /// The text of the file at `path`, without blanks around it; `None` if there is nothing.
    /// Bytes that are not UTF-8 are replaced.
    fn text(&self, path: &HostPath) -> Result<Option<String>, HostError> {
        let bytes = self.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }
}

/// As many symlinks as the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// The parts of a path, the last one first, without those that mean nothing.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').rev().filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_owned).collect()
}

/// A machine to change. Only the journal does, after it has written down how to undo it.
pub trait Host: Look {
    /// Make `path` be what `new` says.
    ///
    /// It happens in one step: after a power cut there is what was there before, or what `new`
    /// says, whole and durable; the exception is an existing directory, whose permissions, owner
    /// and attributes change one after the other. The directory that `path` is in must exist. A
    /// directory is never replaced by something else, nor something else by a directory.
    fn put(&mut self, path: &HostPath, new: New<'_>) -> Result<(), HostError>;

    /// What a file made of these pieces is. On a rehearsal, where the pieces are not there yet, it
    /// is only something that stands for it.
    fn measure(&self, pieces: &[Piece]) -> Result<Content, HostError>;

    /// Make `path` be nothing, durably. A directory must be empty. Nothing there is no error.
    fn remove(&mut self, path: &HostPath) -> Result<(), HostError>;

    /// Remove what a [`Host::put`] to `path` under this temporary name may have left behind.
    fn sweep(&mut self, path: &HostPath, temp: TempName) -> Result<(), HostError>;

    /// Run a command that changes the host. Any exit status but zero is an error.
    fn run(&mut self, command: &Command) -> Result<(), HostError>;

    /// Run a command that changes nothing but the installer's own work area, and return what it
    /// said, however it exited; `None` where commands do not run.
    fn ask(&mut self, command: &Command) -> Result<Option<Output>, HostError>;

    /// Give the file at `from` a second name, and this mode by both. Where the file system cannot,
    /// it is copied. Only for the installer's own folders; it need not survive a power cut.
    fn link(&mut self, from: &HostPath, to: &HostPath, mode: Mode) -> Result<(), HostError>;

    /// Make the file at `path` anew from what it was, in bounded memory. Only for the installer's
    /// own work area; it need not survive a power cut. The permissions stay as they are. Where
    /// nothing is really changed, `make` is not called.
    fn rewrite(&mut self, path: &HostPath, make: Remake<'_>) -> Result<(), HostError>;

    /// Remove `dir` and everything below it. Only for the installer's own work area; it need not
    /// survive a power cut. Nothing there is no error.
    fn clear(&mut self, dir: &HostPath) -> Result<(), HostError>;
}

/// Makes a file anew: it gets the old one, if there is one, and a place to write the new one to, and
/// says whether there is to be one.
pub type Remake<'a> =
    &'a mut dyn FnMut(Option<&mut dyn io::Read>, &mut dyn io::Write) -> io::Result<bool>;

/// What a path is to become.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// What is to be there.
    pub node: &'a Node,
    /// Where its bytes come from, if it is a file.
    pub from: Source<'a>,
    /// Under which name it is prepared, in the same directory.
    pub temp: TempName,
}

/// Where the bytes of a new file come from. What comes must be the [`Content`] announced.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Nowhere: the node is no file.
    Nowhere,
    /// Memory.
    Bytes(&'a [u8]),
    /// Another file of the host, copied in small pieces.
    File(&'a HostPath),
    /// Several, one after the other.
    Pieces(&'a [Piece]),
}

/// A piece of a file that is made of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes, which are few.
    Bytes(Vec<u8>),
    /// An item of the store, all of it.
    Stored(Content),
}

impl Piece {
    /// What it is.
    #[must_use]
    pub fn content(&self) -> Content {
        match self {
            Self::Bytes(bytes) => Content::of(bytes),
            Self::Stored(content) => *content,
        }
    }
}
