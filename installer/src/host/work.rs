use std::fmt;
use std::ops::Deref;

use super::door::Remake;
use super::own::{self, below_dir, fixed};
use super::{
    Command, Content, Host, HostError, HostPath, Look, Mode, New, Node, Output, OwnPath, Source,
    TempName,
};

/// The work area. It is on the same file system as the store, and readable for users other than
/// root: apt reads packages as its user `_apt`.
pub(super) const AREA: &str = "/var/lib/vgpu-offline-work";

/// A path in the work area: the only kind of path that can be deleted recursively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkPath(HostPath);

impl WorkPath {
    /// Returns the whole area.
    pub(crate) fn area() -> Self {
        Self(fixed(AREA))
    }

    pub(crate) fn join(&self, name: &str) -> Self {
        Self(below_dir(&self.0, name))
    }
}

impl Deref for WorkPath {
    type Target = HostPath;

    fn deref(&self) -> &HostPath {
        &self.0
    }
}

impl fmt::Display for WorkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to use one folder of the work area, the scratch space for tools that need files.
///
/// It is not journaled, because it contains nothing of the host: after an interruption it is
/// deleted and recreated from the store.
pub(crate) struct Work<'h> {
    host: &'h mut dyn Host,
    dir: WorkPath,
}

impl<'h> Work<'h> {
    /// Creates an empty folder of this name, and deletes the contents that an earlier run left in
    /// it.
    pub(crate) fn fresh(host: &'h mut dyn Host, name: &str) -> Result<Self, HostError> {
        Self::with_mode(host, name, Mode::DIR)
    }

    /// Makes the same for secrets: only root may read in it.
    pub(crate) fn private(host: &'h mut dyn Host, name: &str) -> Result<Self, HostError> {
        Self::with_mode(host, name, own::folder_mode())
    }

    fn with_mode(host: &'h mut dyn Host, name: &str, mode: Mode) -> Result<Self, HostError> {
        let area = WorkPath::area();
        let mut work = Self { dir: area.join(name), host };
        work.ensure(&area, Mode::DIR)?;
        work.host.clear(&work.dir)?;
        work.ensure(&work.dir.clone(), mode)?;
        Ok(work)
    }

    /// Returns the folder of this name as an earlier step left it.
    pub(crate) fn again(host: &'h mut dyn Host, name: &str) -> Self {
        Self { dir: WorkPath::area().join(name), host }
    }

    /// Returns a path in the folder.
    pub(crate) fn path(&self, name: &str) -> WorkPath {
        self.dir.join(name)
    }

    /// Creates a folder whose parent exists.
    pub(crate) fn dir(&mut self, name: &str) -> Result<(), HostError> {
        self.ensure(&self.path(name), Mode::DIR)
    }

    fn ensure(&mut self, path: &WorkPath, mode: Mode) -> Result<(), HostError> {
        if self.host.stat(path)?.is_some() {
            return Ok(());
        }
        let node = Node::dir(mode);
        self.host.put(path, New { node: &node, from: Source::Nowhere, temp: TempName::of_entry(0) })
    }

    /// Writes a small file.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        self.write_as(name, bytes, Mode::FILE)
    }

    /// Writes a script that a program runs.
    pub(crate) fn script(&mut self, name: &str, text: &str) -> Result<(), HostError> {
        self.write_as(name, text.as_bytes(), Mode::DIR)
    }

    fn write_as(&mut self, name: &str, bytes: &[u8], mode: Mode) -> Result<(), HostError> {
        let node = Node::file(Content::of(bytes), mode);
        let temp = TempName::of_entry(0);
        self.host.put(&self.path(name), New { node: &node, from: Source::Bytes(bytes), temp })
    }

    /// Links an item of the store into the folder, under a name that a tool accepts, and verifies
    /// its bytes: the store may have been damaged since it was filled.
    pub(crate) fn link(&mut self, item: Content, name: &str, mode: Mode) -> Result<(), HostError> {
        let path = self.path(name);
        self.host.link(&own::stored(item.id), &path, mode)?;
        if self.is_rehearsed() { Ok(()) } else { own::check_content(self.host, &path, item) }
    }

    /// Returns the machine, to read it.
    pub(crate) fn look(&self) -> &dyn Look {
        self.host
    }

    /// Checks whether this is a rehearsal, in which no file is made here.
    pub(crate) fn is_rehearsed(&self) -> bool {
        self.host.is_rehearsal()
    }

    /// Lists a command in `commands.log`, where commands do not run.
    pub(crate) fn list(&mut self, command: &Command) -> Result<(), HostError> {
        self.host.run(command).map(drop)
    }

    /// Replaces a file with the output of `make`. A rehearsal does not call `make`.
    pub(crate) fn rewrite(&mut self, name: &str, make: Remake<'_>) -> Result<(), HostError> {
        self.host.rewrite(&self.path(name), make)
    }

    /// Runs a command that changes only this folder and returns its output, whatever its exit
    /// status; `None` where commands do not run.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Option<Output>, HostError> {
        self.host.ask(command)
    }

    /// Runs a command that changes only this folder and returns its stdout; `None` where commands
    /// do not run.
    ///
    /// # Errors
    ///
    /// Any nonzero exit status.
    pub(crate) fn run(&mut self, command: &Command) -> Result<(), HostError> {
        match self.host.ask(command)? {
            Some(output) if !output.succeeded() => {
                let tail = [output.stdout, output.stderr].concat();
                let tail = String::from_utf8_lossy(&tail).into_owned();
                Err(HostError::Failed { command: command.clone(), exit: output.exit, tail })
            }
            _ => Ok(()),
        }
    }

    /// Deletes the folder, and the area if that was its last folder.
    pub(crate) fn done(self) -> Result<(), HostError> {
        self.host.clear(&self.dir)?;
        let area = WorkPath::area();
        // Foreign names, also those that are not UTF-8, keep the area.
        match self.host.list(&area) {
            Ok(Some(names)) if names.is_empty() => self.host.clear(&area),
            _ => Ok(()),
        }
    }

    /// Deletes a folder of the installer with its contents: it moves to the area in one step.
    pub(crate) fn discard(host: &'h mut dyn Host, own: &OwnPath) -> Result<(), HostError> {
        let work = Self::fresh(host, "discarded")?;
        work.host.adopt(own, &work.path("folder"))?;
        work.done()
    }

    /// Deletes the whole area, for recovery and `forget`.
    pub(crate) fn delete_area(host: &mut dyn Host) -> Result<(), HostError> {
        host.sweep(&fixed(AREA), TempName::of_entry(0))?;
        host.clear(&WorkPath::area())
    }
}
