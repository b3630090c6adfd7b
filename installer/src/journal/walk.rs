use std::collections::{BTreeMap, BTreeSet};
use std::io;

use vgpu_manifest::HostPath;

use super::copies::{copy_of, is_given_up};
use super::history::{History, histories};
use super::revert::Reverting;
use super::{
    Acts, Change, Entry, EntryId, JournalError, Kept, KeptThing, Log, LogError, Removing, RunState,
    Transaction, Why, run,
};
use crate::host::{Content, Door, Host, HostError, Kind, New, Node, Source};
use crate::state;

/// The extent of a revert.
#[derive(Debug)]
pub(super) struct Extent<A: Acts> {
    /// The transactions, the oldest first.
    pub(super) txs: Vec<Transaction<A>>,
    /// The reverted components; `None` for all of them.
    pub(super) components: Option<BTreeSet<A::Component>>,
}

impl<A: Acts> Extent<A> {
    /// Returns the entries to revert, and the paths of those that stay.
    ///
    /// A component that was removed before is in neither, except for folders that had to stay then.
    pub(super) fn entries(
        &self,
        log: &Log<A>,
    ) -> Result<(Vec<Entry<A>>, BTreeSet<HostPath>), LogError> {
        let (mut going, mut staying) = (Vec::new(), BTreeSet::new());
        for tx in &self.txs {
            for entry in log.entries(tx.id)? {
                let removed = tx.removed.get(&entry.component);
                let goes = match removed {
                    Some(Removing::Done { left }) => {
                        entry.path().is_some_and(|path| left.contains(path))
                    }
                    _ => self.takes(&entry),
                };
                if goes {
                    going.push(entry);
                } else if !matches!(removed, Some(Removing::Done { .. })) {
                    staying.extend(entry.path().cloned());
                }
            }
        }
        // The traces of an undo are later than all other entries, also in an early transaction.
        going.sort_by_key(|entry| entry.id);
        Ok((going, staying))
    }

    fn takes(&self, entry: &Entry<A>) -> bool {
        self.components.as_ref().is_none_or(|components| components.contains(&entry.component))
    }
}

/// One backward walk through the entries.
pub(super) struct Walk<'w, A: Acts> {
    host: &'w mut dyn Host,
    log: &'w mut Log<A>,
    extent: &'w Extent<A>,
    each: &'w mut dyn FnMut(Reverting<'_, A>),
    /// The paths of the entries that stay.
    staying: BTreeSet<HostPath>,
    /// The paths that the operator has given up.
    given_up: BTreeMap<HostPath, EntryId>,
    outcome: Outcome,
}

/// The result of a walk.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The retained objects.
    pub(super) kept: Vec<Kept>,
    /// The folders that stay because they are not empty.
    pub(super) left: BTreeSet<HostPath>,
    /// The failures.
    pub(super) errors: Vec<JournalError>,
}

impl<'w, A: Acts> Walk<'w, A> {
    /// Returns a walk through the entries of `extent`.
    pub(super) fn new(
        host: &'w mut dyn Host,
        log: &'w mut Log<A>,
        extent: &'w Extent<A>,
        each: &'w mut dyn FnMut(Reverting<'_, A>),
    ) -> Self {
        let (staying, given_up) = (BTreeSet::new(), BTreeMap::new());
        Self { host, log, extent, each, staying, given_up, outcome: Outcome::default() }
    }

    pub(super) fn all(mut self) -> Result<Outcome, LogError> {
        let (entries, staying) = self.extent.entries(self.log)?;
        self.staying = staying;
        self.given_up = self.log.given_up()?;
        let mut all = histories(&entries);
        let runs: BTreeSet<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let is_trace = |entry: &Entry<A>| entry.by.is_some_and(|by| runs.contains(&by));
        for entry in entries.iter().rev().filter(|entry| !is_trace(entry)) {
            if let Err(stopped) = self.host.may_continue() {
                self.outcome.errors.push(stopped.into());
                return Ok(self.outcome);
            }
            let Change::Act(act) = &entry.change else {
                self.path(entry, &all);
                continue;
            };
            if let Err(error) = self.undo(entry, act, &entries) {
                // A later attempt to undo this act may need the entries before it.
                self.outcome.errors.push(error);
                return Ok(self.outcome);
            }
            // The undo has left traces of its own, so the entries are read again.
            let (entries, _) = self.extent.entries(self.log)?;
            all = histories(&entries);
            for trace in entries.iter().rev().filter(|trace| trace.by == Some(entry.id)) {
                self.path(trace, &all);
            }
        }
        // Checked last: a package that kept its later version may be removed with an earlier entry.
        for entry in &entries {
            let Change::Act(act) = &entry.change else { continue };
            match act.kept(self.host) {
                Ok(kept) => kept.into_iter().for_each(|kept| self.keep(kept)),
                Err(error) => self.outcome.errors.push(error.into()),
            }
        }
        Ok(self.outcome)
    }

    fn keep(&mut self, kept: Kept) {
        if !self.outcome.kept.iter().any(|known| known.what == kept.what) {
            self.outcome.kept.push(kept);
        }
    }

    fn undo(
        &mut self,
        entry: &Entry<A>,
        act: &A,
        entries: &[Entry<A>],
    ) -> Result<(), JournalError> {
        if entry.run == Some(RunState::Undone) {
            return Ok(());
        }
        let is_moot = |other: &Entry<A>| {
            let Change::Act(earlier) = &other.change else { return false };
            other.id < entry.id && act.is_moot_before(earlier)
        };
        if entries.iter().any(is_moot) {
            let nothing = BTreeSet::new();
            return Ok(self.log.advance(entry.id, RunState::Undone, &[], &nothing)?);
        }
        let each = &mut *self.each;
        let begins = &mut || each(Reverting::Undo(act));
        run::undo(self.host, self.log, entry.id, &**act, begins)
    }

    /// Restores the path of `entry`, if this is its first change.
    fn path(&mut self, entry: &Entry<A>, histories: &BTreeMap<HostPath, History>) {
        let Some(path) = entry.path() else { return };
        let history = &histories[path];
        if history.first != entry.id {
            return;
        }
        match self.restore(path, histories) {
            Ok(None) => {}
            Ok(Some(Why::NotEmpty)) if self.is_needed(path) => {
                self.outcome.left.insert(path.clone());
            }
            Ok(Some(why)) => self.keep(Kept { what: KeptThing::Path(path.clone()), why }),
            Err(error) => self.outcome.errors.push(error),
        }
    }

    /// Checks whether all files in the folder belong to entries that stay.
    fn is_needed(&self, dir: &HostPath) -> bool {
        let names = self.host.list(dir).ok().flatten().unwrap_or_default();
        names.iter().all(|name| self.staying.contains(&state::below_dir(dir, name)))
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
        if is_given_up(path, history, &self.given_up) {
            return Ok(Some(Why::GivenUp));
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

    /// Restores the parent directory of `path`, if the journal explains its absence.
    ///
    /// Its own turn may come later, if it was changed before its contents.
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
            Door::open(self.host).remove(path)?;
        }
        let Some(node) = original else { return Ok(()) };
        // Without an intact copy, `put` fails and names the missing one.
        let copy = node.content().map(|content| -> Result<_, HostError> {
            Ok(copy_of(self.host, content)?.unwrap_or_else(|| state::undone(content.id)))
        });
        let copy = copy.transpose()?;
        let from = copy.as_deref().map_or(Source::Nowhere, Source::File);
        Ok(Door::open(self.host).put(path, New { node, from, temp: history.first.temp() })?)
    }

    /// Checks whether the parent directory of `path` is missing.
    fn is_orphan(&self, path: &HostPath) -> Result<bool, HostError> {
        let Some(parent) = path.parent() else { return Ok(false) };
        match self.host.list(&parent) {
            Err(error) if error.kind() == Some(io::ErrorKind::NotADirectory) => Ok(true),
            names => Ok(names?.is_none()),
        }
    }

    /// Keeps a file that was changed outside vgpu-installer, but removes the kernel parameters that
    /// were added to it.
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
        let text = A::without(&bytes, &history.words);
        if text != bytes {
            self.mark(history)?;
            let node = Node::File { content: Content::of(&text), meta };
            let temp = history.first.temp();
            Door::open(self.host)
                .put(path, New { node: &node, from: Source::Bytes(&text), temp })?;
        }
        Ok(Some(Why::WordsTakenOut))
    }

    /// Marks the derived state that a change of the path makes stale, unless it is marked already.
    fn mark(&mut self, history: &History) -> Result<(), LogError> {
        if history.dirties.is_subset(&self.log.dirty()?) {
            return Ok(());
        }
        self.log.mark(&history.dirties)
    }
}
