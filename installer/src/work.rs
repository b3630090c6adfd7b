//! The installer's work area: a folder for tools that need files, gone when they are done.
//!
//! Nothing in it is journaled, because nothing of the host is in it: what is cut short there is
//! thrown away and made again from the store.

use vgpu_manifest::{HostPath, ItemId};

use crate::host::{Command, Content, Host, HostError, Meta, Mode, New, Node, Output, Source};
use crate::host::{Look, Remake, TempName};
use crate::state;

/// One folder in the work area, and the host that it is on.
pub(crate) struct Work<'h> {
    host: &'h mut dyn Host,
    dir: HostPath,
}

impl<'h> Work<'h> {
    /// A new, empty folder of this name. What an earlier run left in it is removed.
    pub(crate) fn fresh(host: &'h mut dyn Host, name: &str) -> Result<Self, HostError> {
        let area = state::work();
        state::ensure_dir(host, &area, Mode::DIR)?;
        let dir = state::below_dir(&area, name);
        host.clear(&dir)?;
        let work = Self { host, dir };
        state::ensure_dir(work.host, &work.dir, Mode::DIR)?;
        Ok(work)
    }

    /// The folder of this name, as an earlier step left it.
    pub(crate) fn again(host: &'h mut dyn Host, name: &str) -> Self {
        Self { dir: state::below_dir(&state::work(), name), host }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> HostPath {
        state::below_dir(&self.dir, name)
    }

    /// Make a folder, whose own folder is there.
    pub(crate) fn dir(&mut self, name: &str) -> Result<(), HostError> {
        let path = self.path(name);
        state::ensure_dir(self.host, &path, Mode::DIR)
    }

    /// Write a small file.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        let node = Node::File { content: Content::of(bytes), meta: Meta::root(Mode::FILE) };
        let temp = TempName::of_entry(0);
        self.host.put(&self.path(name), New { node: &node, from: Source::Bytes(bytes), temp })
    }

    /// Have an item of the store here, under a name that a tool accepts.
    pub(crate) fn link(&mut self, id: ItemId, name: &str, mode: Mode) -> Result<(), HostError> {
        self.host.link(&state::stored(id), &self.path(name), mode)
    }

    /// The host, to look at.
    pub(crate) fn look(&self) -> &dyn Look {
        self.host
    }

    /// Make a file anew from what it was.
    pub(crate) fn rewrite(&mut self, name: &str, make: Remake<'_>) -> Result<(), HostError> {
        self.host.rewrite(&self.path(name), make)
    }

    /// Run a command that changes nothing but this folder, and return what it said; `None` where
    /// commands do not run.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Option<Output>, HostError> {
        self.host.ask(command)
    }

    /// Run a command that changes nothing but this folder. Any exit status but zero is an error.
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

    /// Remove the folder, and the area if that was the last one in it.
    pub(crate) fn done(self) -> Result<(), HostError> {
        self.host.clear(&self.dir)?;
        let area = state::work();
        if self.host.list(&area)?.is_some_and(|names| names.is_empty()) {
            self.host.clear(&area)?;
        }
        Ok(())
    }
}
