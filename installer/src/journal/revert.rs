use std::collections::BTreeMap;
use std::io;

use vgpu_manifest::HostPath;

use super::act::Act;
use super::history::{History, histories};
use super::{
    Change, Entry, JournalError, Kept, KeptThing, Log, LogError, RunState, TxId, TxState, Why,
    recover, run,
};
use crate::host::{Content, Host, HostError, Kind, New, Node, Source};
use crate::kernel_line;
use crate::settle::{Derived, SettleError, settle};
use crate::state;

/// A transaction was not taken back to the end. Whatever could be was; doing it again is safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevertError {
    /// The journal cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A later transaction builds on this one.
    #[error("transaction {later} was applied after transaction {this}; revert that one first")]
    NotLast {
        /// The one to be taken back.
        this: TxId,
        /// The last one that is not taken back.
        later: TxId,
    },
    /// Some changes could not be taken back.
    #[error("not everything could be taken back; mend this and run `vgpu-installer revert` again\n{}", lines(.0))]
    Changes(Vec<JournalError>),
    /// All changes were taken back, but not what is derived from them.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

fn lines(errors: &[JournalError]) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}

/// What a revert tells while it works.
#[derive(Debug, Clone, Copy)]
pub enum Reverting<'a> {
    /// This path goes back to what it was.
    Restore(&'a HostPath),
    /// This command, or this run of apt, is taken back.
    Undo(&'a Change),
    /// This is rebuilt.
    Rebuild(&'a Derived),
}

/// Take back the transaction `tx`, and say what was kept.
///
/// Each path goes back to what it was before its first change, provided that what it is now is our
/// doing; commands are undone in between, where they ran. That looks only at journal and host, so
/// it is fine to revert after a power cut, to be cut while reverting, and to revert again.
pub fn revert(
    host: &mut dyn Host,
    log: &mut dyn Log,
    tx: TxId,
    each: &mut dyn FnMut(Reverting<'_>),
) -> Result<Vec<Kept>, RevertError> {
    let open = log.transactions()?.into_iter().rfind(|t| t.state != TxState::Reverted);
    if let Some(later) = open.filter(|later| later.id != tx) {
        return Err(RevertError::NotLast { this: tx, later: later.id });
    }
    log.set_state(tx, TxState::Reverting)?;
    recover(host, log, tx).map_err(|error| RevertError::Changes(vec![error]))?;

    let mut walk = Walk { host, log, tx, each, kept: Vec::new(), errors: Vec::new() };
    walk.all()?;
    let Walk { kept, errors, .. } = walk;
    // What was taken back may have made things stale even if not all of it was.
    let settled = settle(host, log, &mut |derived| each(Reverting::Rebuild(derived)));
    if !errors.is_empty() {
        return Err(RevertError::Changes(errors));
    }
    settled?;
    log.close(tx, &kept)?;
    Ok(kept)
}

/// One walk backwards through the entries.
struct Walk<'w> {
    host: &'w mut dyn Host,
    log: &'w mut dyn Log,
    tx: TxId,
    each: &'w mut dyn FnMut(Reverting<'_>),
    kept: Vec<Kept>,
    errors: Vec<JournalError>,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), LogError> {
        let entries = self.log.entries(self.tx)?;
        let mut all = histories(&entries);
        for entry in entries.iter().rev().filter(|entry| entry.by.is_none()) {
            let Some(act) = entry.change.act() else {
                self.path(entry, &all);
                continue;
            };
            if let Err(error) = self.undo(entry, act) {
                // What came before may be needed to undo this command another time.
                self.errors.push(error);
                return Ok(());
            }
            // The undo has left traces of its own, so this asks again.
            let entries = self.log.entries(self.tx)?;
            all = histories(&entries);
            for trace in entries.iter().rev().filter(|trace| trace.by == Some(entry.id)) {
                self.path(trace, &all);
            }
        }
        Ok(())
    }

    fn undo(&mut self, entry: &Entry, act: &dyn Act) -> Result<(), JournalError> {
        if entry.run != Some(RunState::Undone) {
            (self.each)(Reverting::Undo(&entry.change));
            run::undo(self.host, self.log, entry.id, act)?;
        }
        self.kept.extend(act.kept(self.host)?);
        Ok(())
    }

    /// Bring the path of `entry` back, if this is its first change.
    fn path(&mut self, entry: &Entry, histories: &BTreeMap<HostPath, History>) {
        let Some(path) = entry.path() else { return };
        let history = &histories[path];
        if history.first != entry.id {
            return;
        }
        match self.restore(path, histories) {
            Ok(None) => {}
            Ok(Some(why)) => self.kept.push(Kept { what: KeptThing::Path(path.clone()), why }),
            Err(error) => self.errors.push(error),
        }
    }

    fn restore(
        &mut self,
        path: &HostPath,
        histories: &BTreeMap<HostPath, History>,
    ) -> Result<Option<Why>, JournalError> {
        let history = &histories[path];
        let now = self.host.node(path)?;
        let Some(original) = history.original() else {
            let is_back = history.is_back(self.host.stat(path)?.as_ref());
            return Ok((!is_back).then_some(Why::NoCopy));
        };
        if now == *original {
            return Ok(None);
        }
        if !history.explains(now.as_ref()) {
            return self.take_words_out(path, now, history);
        }
        if original.is_some() {
            self.restore_parent(path, histories)?;
        }
        (self.each)(Reverting::Restore(path));
        match self.place(path, now.as_ref(), original.as_ref(), history) {
            Err(JournalError::Host(error)) => match error.kind() {
                Some(io::ErrorKind::DirectoryNotEmpty) => Ok(Some(Why::NotEmpty)),
                _ if original.is_some() && self.is_orphan(path)? => Ok(Some(Why::NoParent)),
                _ => Err(error.into()),
            },
            result => result.map(|()| None),
        }
    }

    /// Bring back the directory that `path` was in, if it is gone by our doing.
    ///
    /// Its own turn may come only later, if we had changed it before we changed what was in it.
    fn restore_parent(
        &mut self,
        path: &HostPath,
        histories: &BTreeMap<HostPath, History>,
    ) -> Result<(), JournalError> {
        let Some(parent) = path.parent() else { return Ok(()) };
        let was = histories.get(&parent).and_then(History::original).and_then(Option::as_ref);
        let is = self.host.stat(&parent)?.map(|stat| stat.kind);
        if was.map(Node::kind) == Some(Kind::Dir) && is != Some(Kind::Dir) {
            self.restore(&parent, histories)?;
        }
        Ok(())
    }

    /// Make `path` what it was.
    fn place(
        &mut self,
        path: &HostPath,
        now: Option<&Node>,
        original: Option<&Node>,
        history: &History,
    ) -> Result<(), JournalError> {
        self.mark(history)?;
        let is_dir = |node: &Node| node.kind() == Kind::Dir;
        if original.is_none() || now.map(is_dir) != original.map(is_dir) {
            self.host.remove(path)?;
        }
        let Some(node) = original else { return Ok(()) };
        let copy = node.content().map(|content| state::undone(content.id));
        let from = copy.as_ref().map_or(Source::Nowhere, Source::File);
        Ok(self.host.put(path, New { node, from, temp: history.first.temp() })?)
    }

    /// Whether the directory that `path` was in is no directory any more.
    fn is_orphan(&self, path: &HostPath) -> Result<bool, HostError> {
        let Some(parent) = path.parent() else { return Ok(false) };
        match self.host.list(&parent) {
            Err(error) if error.kind() == Some(io::ErrorKind::NotADirectory) => Ok(true),
            names => Ok(names?.is_none()),
        }
    }

    /// Somebody else has changed the file: keep it, but for the words that we added.
    fn take_words_out(
        &mut self,
        path: &HostPath,
        now: Option<Node>,
        history: &History,
    ) -> Result<Option<Why>, JournalError> {
        let Some(now) = now else { return Ok(Some(Why::Removed)) };
        let Node::File { meta, .. } = now else { return Ok(Some(Why::Changed)) };
        if history.words.is_empty() {
            return Ok(Some(Why::Changed));
        }
        let bytes = self.host.read(path)?.unwrap_or_default();
        let text = kernel_line::without(&bytes, &history.words);
        if text != bytes {
            self.mark(history)?;
            let node = Node::File { content: Content::of(&text), meta };
            let temp = history.first.temp();
            self.host.put(path, New { node: &node, from: Source::Bytes(&text), temp })?;
        }
        Ok(Some(Why::WordsTakenOut))
    }

    /// Mark what a change of the path makes stale, unless it is marked already.
    fn mark(&mut self, history: &History) -> Result<(), LogError> {
        if history.dirties.is_subset(&self.log.dirty()?) {
            return Ok(());
        }
        self.log.mark(&history.dirties)
    }
}
