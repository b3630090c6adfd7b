use std::io;

use super::{Command, HostError, HostPath, Look, Mode, Node, Output, OwnPath, TempName, work};

/// The unrestricted changes to a machine. Only this module can name them, so that every change
/// needs a right.
pub(in crate::engine::host) trait RawHost: Look {
    /// See [`Door::put`].
    fn put(&mut self, path: &HostPath, new: New<'_>) -> Result<(), HostError>;

    /// Checks whether this is a rehearsal, which keeps every change to itself.
    fn is_rehearsal(&self) -> bool {
        false
    }

    /// See [`Door::remove`].
    fn remove(&mut self, path: &HostPath) -> Result<(), HostError>;

    /// See [`Door::sweep`].
    fn sweep(&mut self, path: &HostPath, temp: TempName) -> Result<(), HostError>;

    /// See [`Door::run_heard`].
    fn run(&mut self, command: &Command) -> Result<String, HostError>;

    /// Runs a command that changes nothing but the work area and returns its output, whatever its
    /// exit status; `None` where commands do not run.
    fn ask(&mut self, command: &Command) -> Result<Option<Output>, HostError>;

    /// Hard-links the file at `from` to a second name and sets the mode of both; copies it where
    /// the file system has no hard links. Not durable.
    fn link(&mut self, from: &OwnPath, to: &work::WorkPath, mode: Mode) -> Result<(), HostError>;

    /// Replaces the file at `path` with the output of `make`, in bounded memory. Its permissions
    /// are preserved. Not durable. A rehearsal does not call `make`.
    fn rewrite(&mut self, path: &work::WorkPath, make: Remake<'_>) -> Result<(), HostError>;

    /// Moves the folder `from` to `to` in one durable step.
    fn adopt(&mut self, from: &OwnPath, to: &work::WorkPath) -> Result<(), HostError>;

    /// Renames `from` to the unused name `to` in the same folder, in one durable step.
    fn set_aside(&mut self, from: &OwnPath, to: &OwnPath) -> Result<(), HostError>;

    /// Removes `dir` and everything below it, if it exists. Not durable.
    fn clear(&mut self, dir: &work::WorkPath) -> Result<(), HostError>;
}

/// A machine that can be changed, but only with a right: the journal's door, the installer's own state,
/// or the work area.
///
/// Without one, a machine can only be read:
///
/// ```
/// # use vgpu_installer::host::{Host, HostError, HostPath};
/// fn exists(host: &mut dyn Host, path: &HostPath) -> Result<bool, HostError> {
///     Ok(host.stat(path)?.is_some())
/// }
/// ```
///
/// ```compile_fail,E0624
/// # use vgpu_installer::host::{Host, HostError, HostPath};
/// fn destroy(host: &mut dyn Host, path: &HostPath) -> Result<(), HostError> {
///     host.remove(path)
/// }
/// ```
#[expect(private_bounds, reason = "a right is the only way to a raw change")]
pub trait Host: Look + RawHost {}

impl<H: RawHost> Host for H {}

/// The right to change any path of a machine and to run commands on it.
///
/// Only the journal can open one, after it has recorded how to undo the change; it lends the door
/// to the acts that it runs.
pub(crate) struct Door<'h>(&'h mut dyn Host);

impl<'h> Door<'h> {
    /// Opens the door. Only the journal's modules and this folder can name this function.
    pub(in crate::engine) fn open(host: &'h mut dyn Host) -> Self {
        Self(host)
    }
}

impl Door<'_> {
    /// Returns the machine, to read it.
    pub(crate) fn look(&self) -> &dyn Look {
        self.0
    }

    /// Returns the machine, for its work area and the installer's own files.
    pub(crate) fn host(&mut self) -> &mut dyn Host {
        self.0
    }

    /// Makes `path` the node that `new` describes.
    ///
    /// This is one step: after a power cut, `path` is either the previous node or the new one, whole
    /// and durable. The exception is an existing directory, whose permissions, owner and attributes
    /// change one after the other. The parent directory must exist. A directory is never replaced by
    /// another kind of node, and never replaces one.
    pub(crate) fn put(&mut self, path: &HostPath, new: New<'_>) -> Result<(), HostError> {
        self.0.put(path, new)
    }

    /// Removes `path` durably, if it exists. A directory must be empty.
    pub(crate) fn remove(&mut self, path: &HostPath) -> Result<(), HostError> {
        self.0.remove(path)
    }

    /// Removes what an interrupted [`Door::put`] to `path` left under this temporary name.
    pub(crate) fn sweep(&mut self, path: &HostPath, temp: TempName) -> Result<(), HostError> {
        self.0.sweep(path, temp)
    }

    /// Runs a command that changes the machine.
    ///
    /// # Errors
    ///
    /// Any nonzero exit status.
    pub(crate) fn run(&mut self, command: &Command) -> Result<(), HostError> {
        self.0.run(command).map(drop)
    }

    /// Does the same, and returns the end of its output.
    pub(crate) fn run_heard(&mut self, command: &Command) -> Result<String, HostError> {
        self.0.run(command)
    }
}

/// A function that rewrites a file: it gets the old file, if any, and a writer for the new one, and
/// returns whether the file should exist.
pub(super) type Remake<'a> =
    &'a mut dyn FnMut(Option<&mut dyn io::Read>, &mut dyn io::Write) -> io::Result<bool>;

/// The new node for a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) node: &'a Node,
    /// The source of its bytes, if it is a file.
    pub(crate) from: Source<'a>,
    /// The temporary name in the same directory.
    pub(crate) temp: TempName,
}

/// The source of the bytes of a new file, which must be those announced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The node is not a file.
    Nowhere,
    Bytes(&'a [u8]),
    /// Another file on the host, copied in small pieces.
    File(&'a HostPath),
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the program's own sources")]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }

    /// The compiler keeps `Door::open` within `engine`, and `WorkPath` within `work`. This test
    /// checks the contents of `engine`, and that neither visibility was widened.
    #[test]
    fn only_the_journal_opens_a_door_and_only_the_work_area_is_deleted_recursively() {
        let read = |path: &str| fs::read_to_string(Path::new(SRC).join(path)).unwrap();
        let lib = read("lib.rs");
        let engine = lib.split_once("mod engine {\n").unwrap().1.split_once("\n}").unwrap().0;
        let modules: Vec<_> = engine.lines().map(str::trim).collect();
        assert_eq!(modules, ["pub mod host;", "pub(crate) mod journal;"]);
        assert!(read("host/door.rs").contains("pub(in crate::engine) fn open("));
        assert!(read("host/work.rs").contains("pub(crate) struct WorkPath(HostPath);"));
        assert!(read("host/door.rs").contains("fn clear(&mut self, dir: &work::WorkPath)"));

        let mut all = Vec::new();
        sources(Path::new(SRC), &mut all);
        let opens = |path: &&PathBuf| fs::read_to_string(path).unwrap().contains("Door::open(");
        let opening: Vec<_> = all.iter().filter(opens).collect();
        assert!(opening.len() > 1, "{opening:?}");
        for path in opening {
            let path = path.strip_prefix(SRC).unwrap();
            let may = ["journal", "host"].iter().any(|part| path.starts_with(part));
            assert!(may, "{} opens a door to the host", path.display());
        }
    }
}
