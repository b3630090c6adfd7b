//! The journal: before any change, the previous state is saved to disk, so that the change can be
//! reverted.
//!
//! The order is always the same: the previous content is copied to the undo store and synced, the
//! entry is committed, the change is made. Therefore journal and host together determine the
//! remaining work at any time, and no step needs its own revert. The journal handles paths, and
//! everything else through [`Act`].

mod act;
mod copies;
mod entry;
mod history;
mod kept;
mod log;
mod revert;
mod run;
mod scope;
mod settle;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use self::act::{Act, ActError, Acts};
pub(crate) use self::copies::{Depth, LostCopy, is_intact, lost_copies};
pub(crate) use self::entry::{
    BootId, Change, Entry, EntryId, NewTransaction, Removing, RunState, Transaction, TxId, TxState,
};
pub(crate) use self::kept::{Kept, KeptThing, Why};
pub(crate) use self::log::{CopyError, Log, LogError, NewEntry};
pub(crate) use self::revert::{RevertError, Reverting, remove, revert, revert_all};
pub(crate) use self::run::recover;
pub(crate) use self::run::run_transient;
pub(crate) use self::scope::{Scope, Snapshot};
pub(crate) use self::settle::{SettleError, Settling, settle, stale};

use std::fmt;
use std::io;

use vgpu_manifest::{HostPath, KernelWord, Mode};

use crate::host::{
    Content, Door, Host, HostError, Kind, Look, Meta, New, Node, OwnState, Source, Verb, WorkPath,
};
use crate::state;

/// The only way in which a step can change the host.
pub(crate) struct Journal<'j, A: Acts> {
    host: &'j mut dyn Host,
    log: &'j mut Log<A>,
    tx: TxId,
    component: A::Component,
}

/// The failure of a change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum JournalError {
    /// The host refused it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The log refused it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An act, or its undo, failed.
    #[error(transparent)]
    Act(ActError),
    /// The path belongs to the installer.
    #[error("{0} belongs to the installer itself; no step may change it")]
    Own(HostPath),
    /// The existing node cannot be replaced by the new one.
    #[error("{path} is a {is} on this host, and would become a {becomes}; move it away first")]
    InTheWay {
        /// The path.
        path: HostPath,
        /// The existing kind.
        is: KindName,
        /// The new kind.
        becomes: KindName,
    },
}

/// Returns the name of a kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KindName(pub Kind);

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

impl<'j, A: Acts> Journal<'j, A> {
    /// Returns a journal for changes of `host` that belong to a component of the transaction `tx`.
    pub(crate) fn new(
        host: &'j mut dyn Host,
        log: &'j mut Log<A>,
        tx: TxId,
        component: A::Component,
    ) -> Self {
        Self { host, log, tx, component }
    }

    /// Returns the host, to read it.
    #[must_use]
    pub(crate) fn look(&self) -> &dyn Look {
        self.host
    }

    /// Returns the host, for its work area and the installer's own files.
    pub(crate) fn host(&mut self) -> &mut dyn Host {
        self.host
    }

    /// Replaces `path` with a file of these bytes.
    pub(crate) fn put_bytes(
        &mut self,
        path: &HostPath,
        bytes: &[u8],
        meta: Meta,
    ) -> Result<(), JournalError> {
        let node = Node::File { content: Content::of(bytes), meta };
        self.put(path, &node, Source::Bytes(bytes), &[])
    }

    /// Replaces `path` with a file of this item of the store.
    pub(crate) fn put_stored(
        &mut self,
        path: &HostPath,
        content: Content,
        meta: Meta,
    ) -> Result<(), JournalError> {
        let node = Node::File { content, meta };
        self.put(path, &node, Source::File(&state::stored(content.id)), &[])
    }

    /// Replaces `path` with a copy of a file in the work area.
    pub(crate) fn put_made(
        &mut self,
        path: &HostPath,
        made: &WorkPath,
        content: Content,
        meta: Meta,
    ) -> Result<(), JournalError> {
        let node = Node::File { content, meta };
        self.put(path, &node, Source::File(made), &[])
    }

    /// Replaces `path` with a symbolic link to `target`.
    pub(crate) fn put_link(&mut self, path: &HostPath, target: &str) -> Result<(), JournalError> {
        self.put(path, &Node::link(target), Source::Nowhere, &[])
    }

    /// Makes `path` a directory.
    #[cfg(test)]
    pub(crate) fn put_dir(&mut self, path: &HostPath, meta: Meta) -> Result<(), JournalError> {
        self.put(path, &Node::Dir { meta }, Source::Nowhere, &[])
    }

    /// Replaces `path` with a file of these bytes, of which only the kernel parameters `words` are
    /// new.
    ///
    /// If the file is edited outside vgpu-installer later, a revert removes only these parameters.
    pub(crate) fn put_words(
        &mut self,
        path: &HostPath,
        bytes: &[u8],
        meta: Meta,
        words: &[KernelWord],
    ) -> Result<(), JournalError> {
        let node = Node::File { content: Content::of(bytes), meta };
        self.put(path, &node, Source::Bytes(bytes), words)
    }

    /// Removes `path`. A directory must be empty.
    pub(crate) fn remove(&mut self, path: &HostPath) -> Result<(), JournalError> {
        self.change(path, None, &[])
    }

    /// Runs an act, and records the traces that it leaves in its scope.
    pub(crate) fn act(&mut self, act: impl Into<A>) -> Result<(), JournalError> {
        run::run(self.host, self.log, (self.tx, self.component), &act.into())
    }

    /// Changes a path, after creating its missing parent directories.
    fn put(
        &mut self,
        path: &HostPath,
        node: &Node,
        from: Source<'_>,
        words: &[KernelWord],
    ) -> Result<(), JournalError> {
        // An entry whose change cannot succeed would break the order of a revert, so the directory
        // is created first, where the change will really happen.
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
        // The journal has one name for each place, also where `/lib` is a link to `/usr/lib`.
        let real = self.host.real(path)?;
        if state::reserves(&real) {
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
        let component = self.component;
        let new = NewEntry { change: &change, before: None, dirties: &dirties, component };
        let temp = self.log.append(self.tx, &new)?.temp();
        match after {
            Some((node, from)) => Door::open(self.host).put(&real, New { node, from, temp })?,
            None => Door::open(self.host).remove(&real)?,
        }
        Ok(())
    }
}

/// Refuses to replace a directory by another kind of node, or the reverse, and to change a device.
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

/// Copies the bytes at `path`, if it is a file, to the undo store, durably.
fn keep<A: Acts>(
    host: &mut dyn Host,
    log: &Log<A>,
    path: &HostPath,
    node: &Node,
) -> Result<(), JournalError> {
    let Some(content) = node.content() else { return Ok(()) };
    let copy = state::undone(content.id);
    // A copy is renamed to its final name in the undo store once it is complete and durable. It is
    // read again, because a damaged one would be missed only by a revert, and can be replaced now.
    if copies::is_intact(host, &copy, content, Depth::Bytes)? {
        return Ok(());
    }
    OwnState::of(host).clear_the_way(&copy)?;
    let node = Node::File { content, meta: Meta::root(state::private()) };
    let temp = log.next_entry()?.temp();
    Door::open(host).put(&copy, New { node: &node, from: Source::File(path), temp })?;
    Ok(())
}

impl<A: Acts> fmt::Debug for Journal<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("tx", &self.tx).finish_non_exhaustive()
    }
}
