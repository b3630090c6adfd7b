//! Writing down how to undo each change before making it.
//!
//! The order is always the same: what was there is copied to the undo store and synced, the entry
//! is committed, the change is made. So at any time the journal and the host together say what to
//! do, and no step needs to know how to take itself back.

mod act;
mod entry;
mod history;
mod kept;
mod log;
mod mem;
mod recover;
mod revert;
mod run;
mod scope;
mod sqlite;
#[cfg(test)]
mod tests;
mod transient;
mod walk;

pub use self::entry::{
    BootId, Change, Entry, EntryId, NewTransaction, Removing, RunState, Transaction, TxId, TxState,
};
pub use self::kept::{Kept, KeptThing, Why};
pub use self::log::{Log, LogError, NewEntry};
pub use self::mem::MemLog;
pub use self::recover::recover;
pub use self::revert::{RevertError, Reverting, remove, revert, revert_all};
pub use self::run::{Probe, Reversible};
pub use self::scope::{Scope, Snapshot};
pub use self::sqlite::SqliteLog;
pub(crate) use self::transient::run_transient;

use std::fmt;
use std::io;

use self::run::Part;
use vgpu_manifest::{HostPath, KernelWord, Mode};

use crate::component::Component;
use crate::driver::{self, DriverChange, DriverError, ForeignDriver};
use crate::host::{
    Content, Door, Host, HostError, Kind, Look, Meta, New, Node, Piece, Source, Verb,
};
use crate::license::{self, LicenseError, Service};
use crate::packages::{PackageChange, PackageError, PackageFile};
use crate::settle::Derived;
use crate::state;
use crate::unlock;

/// The only hands a step has on the host.
pub struct Journal<'j> {
    host: &'j mut dyn Host,
    log: &'j mut dyn Log,
    part: Part,
}

/// A change could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Packages could not be brought or taken back.
    #[error(transparent)]
    Packages(#[from] PackageError),
    /// A driver could not come or go.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The licence server's data cannot be made.
    #[error(transparent)]
    License(#[from] Box<LicenseError>),
    /// The path is the installer's own.
    #[error("{0} belongs to the installer itself; no step may change it")]
    Own(HostPath),
    /// Something is in the way that is not simply replaced.
    #[error("{path} is a {is} on this host, and would become a {becomes}; move it away first")]
    InTheWay {
        /// Where.
        path: HostPath,
        /// What is there.
        is: KindName,
        /// What was to be there.
        becomes: KindName,
    },
}

/// A kind of thing in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindName(pub Kind);

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::File => "file",
            Kind::Dir => "directory",
            Kind::Link => "symbolic link",
            Kind::Special => "device, socket or pipe",
        })
    }
}

impl<'j> Journal<'j> {
    /// Change `host` as part of the transaction `tx` of `log`.
    pub fn new(host: &'j mut dyn Host, log: &'j mut dyn Log, tx: TxId) -> Self {
        Self { host, log, part: Part { tx, component: Component::Shared } }
    }

    /// The same, for changes that are a part of `component`.
    #[must_use]
    pub fn of(mut self, component: Component) -> Self {
        self.part.component = component;
        self
    }

    /// The host, to look at.
    #[must_use]
    pub fn look(&self) -> &dyn Look {
        self.host
    }

    /// Make `path` a file with these bytes.
    pub fn put_bytes(
        &mut self,
        path: &HostPath,
        bytes: &[u8],
        meta: Meta,
    ) -> Result<(), JournalError> {
        let node = Node::File { content: Content::of(bytes), meta };
        self.put(path, &node, Source::Bytes(bytes), &[])
    }

    /// Make `path` a file that holds this item of the store.
    pub fn put_stored(
        &mut self,
        path: &HostPath,
        content: Content,
        meta: Meta,
    ) -> Result<(), JournalError> {
        let node = Node::File { content, meta };
        self.put(path, &node, Source::File(&state::stored(content.id)), &[])
    }

    /// Make `path` a file that is made of these pieces.
    pub fn put_pieces(
        &mut self,
        path: &HostPath,
        pieces: &[Piece],
        meta: Meta,
    ) -> Result<(), JournalError> {
        let node = Node::File { content: Door::open(self.host).measure(pieces)?, meta };
        self.put(path, &node, Source::Pieces(pieces), &[])
    }

    /// Make `path` a symbolic link to `target`.
    pub fn put_link(&mut self, path: &HostPath, target: &str) -> Result<(), JournalError> {
        self.put(path, &Node::link(target), Source::Nowhere, &[])
    }

    /// Make `path` a directory.
    pub fn put_dir(&mut self, path: &HostPath, meta: Meta) -> Result<(), JournalError> {
        self.put(path, &Node::Dir { meta }, Source::Nowhere, &[])
    }

    /// Make `path` a file with these bytes, in which `words` are all that is ours.
    ///
    /// If somebody else edits the file later, an undo takes out only the words.
    pub fn put_words(
        &mut self,
        path: &HostPath,
        bytes: &[u8],
        meta: Meta,
        words: &[KernelWord],
    ) -> Result<(), JournalError> {
        let node = Node::File { content: Content::of(bytes), meta };
        self.put(path, &node, Source::Bytes(bytes), words)
    }

    /// Make `path` be nothing. A directory must be empty.
    pub fn remove(&mut self, path: &HostPath) -> Result<(), JournalError> {
        self.change(path, None, &[])
    }

    /// Run a command that changes the host, and record the traces that it leaves in its scope.
    pub fn run(&mut self, command: &Reversible) -> Result<(), JournalError> {
        let change = Change::Run(command.clone());
        run::run(self.host, self.log, self.part, &change, command)
    }

    /// Have apt bring those of these packages of the store that were asked for and are not there.
    pub fn install(&mut self, files: &[PackageFile]) -> Result<(), JournalError> {
        let packages = PackageChange::prepare(self.host, files)?;
        let change = Change::Packages(Box::new(packages.clone()));
        run::run(self.host, self.log, self.part, &change, &packages)
    }

    /// Have a driver come or go, by its own programs.
    pub fn driver(&mut self, driver: &DriverChange) -> Result<(), JournalError> {
        let change = Change::Driver(Box::new(driver.clone()));
        run::run(self.host, self.log, self.part, &change, driver)
    }

    /// Have a driver go that this program has not installed. It does not come back.
    pub fn clear_driver(&mut self, driver: &ForeignDriver) -> Result<(), JournalError> {
        let change = Change::Foreign(driver.clone());
        run::run(self.host, self.log, self.part, &change, driver)
    }

    /// A file of a driver package, which unpacks itself into the work area; `None` where commands do
    /// not run.
    pub fn unpacked(
        &mut self,
        package: Content,
        name: &str,
        max: u64,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        let work = driver::unpack(self.host, "package", package)?;
        let bytes = work.look().read_up_to(&work.path(&format!("tree/{name}")), max)?;
        work.done()?;
        Ok(bytes)
    }

    /// The unlock library, built in the work area from these sources; `None` where commands do not
    /// run.
    pub fn built(&mut self, source: Content) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(unlock::build(self.host, source)?)
    }

    /// Make what the licence server needs and must not lose, if it is not there. It is the operator's
    /// and no undo takes it away, so nothing is written down.
    pub fn license_data(&mut self, service: &Service) -> Result<(), JournalError> {
        license::data::prepare(self.host, service).map_err(Box::new)?;
        Ok(())
    }

    /// Whether what is done here really happens; in a rehearsal, and where commands are only listed, it
    /// does not, so there is nothing to wait for.
    pub fn is_live(&mut self) -> Result<bool, JournalError> {
        Ok(Door::open(self.host).is_live()?)
    }

    /// Have systemd read its units now, for what the next step starts.
    pub fn reload_units(&mut self) -> Result<(), JournalError> {
        Ok(Door::open(self.host).run(&Derived::Systemd.command())?)
    }

    /// Change a path, and first make the directories that it needs.
    fn put(
        &mut self,
        path: &HostPath,
        node: &Node,
        from: Source<'_>,
        words: &[KernelWord],
    ) -> Result<(), JournalError> {
        // An entry whose change cannot succeed would confuse the order in which an undo walks
        // back, so the directory is made sure of first, where the change really will be.
        if let Some(parent) = self.host.real(path)?.parent() {
            match self.host.stat(&parent)? {
                None => self.put(&parent, &Node::dir(Mode::DIR), Source::Nowhere, &[])?,
                Some(stat) => check_way(&parent, Some(stat.kind), Some(Kind::Dir))?,
            }
        }
        self.change(path, Some((node, from)), words)
    }

    fn change(
        &mut self,
        path: &HostPath,
        after: Option<(&Node, Source<'_>)>,
        words: &[KernelWord],
    ) -> Result<(), JournalError> {
        // One place has one name in the journal, also where `/lib` is a link to `/usr/lib`.
        let real = self.host.real(path)?;
        if state::owns(&real) {
            return Err(JournalError::Own(path.clone()));
        }
        let before = self.host.node(&real)?;
        let node = after.map(|(node, _)| node);
        if before.as_ref() == node {
            return Ok(());
        }
        check_way(path, before.as_ref().map(Node::kind), node.map(Node::kind))?;
        let is_dir = matches!(before, Some(Node::Dir { .. }));
        if node.is_none() && is_dir && self.host.list(&real)?.is_some_and(|names| !names.is_empty())
        {
            return Err(
                HostError::path(Verb::Remove, path, io::ErrorKind::DirectoryNotEmpty).into()
            );
        }
        if let Some(before) = &before {
            keep(self.host, self.log, &real, before)?;
        }
        let change = Change::Put {
            path: real.clone(),
            named: (real != *path).then(|| path.clone()),
            before,
            after: node.cloned(),
            words: words.to_vec(),
        };
        let dirties = change.dirties();
        let component = self.part.component;
        let new = NewEntry { change: &change, before: None, dirties: &dirties, component };
        let temp = self.log.append(self.part.tx, &new)?.temp();
        match after {
            Some((node, from)) => Door::open(self.host).put(&real, New { node, from, temp })?,
            None => Door::open(self.host).remove(&real)?,
        }
        Ok(())
    }
}

/// A directory and something else never replace each other, and a device is never touched.
fn check_way(
    path: &HostPath,
    before: Option<Kind>,
    after: Option<Kind>,
) -> Result<(), JournalError> {
    let Some(is) = before else { return Ok(()) };
    let same_sort = after.is_none_or(|becomes| (is == Kind::Dir) == (becomes == Kind::Dir));
    if same_sort && is != Kind::Special {
        return Ok(());
    }
    let [is, becomes] = [is, after.unwrap_or(Kind::File)].map(KindName);
    Err(JournalError::InTheWay { path: path.clone(), is, becomes })
}

/// Copy the bytes at `path`, if it is a file, to the undo store, and wait until they are durable.
fn keep(
    host: &mut dyn Host,
    log: &dyn Log,
    path: &HostPath,
    node: &Node,
) -> Result<(), JournalError> {
    let Some(content) = node.content() else { return Ok(()) };
    let copy = state::undone(content.id);
    // A name in the undo store is given only to a copy that is complete and durable.
    if host.stat(&copy)?.is_some() {
        return Ok(());
    }
    let node = Node::File { content, meta: Meta::root(state::private()) };
    let temp = log.next_entry()?.temp();
    Door::open(host).put(&copy, New { node: &node, from: Source::File(path), temp })?;
    Ok(())
}

impl fmt::Debug for Journal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("part", &self.part).finish_non_exhaustive()
    }
}
