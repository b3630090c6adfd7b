use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::{HostPath, KernelWord};

use super::{Acts, Change, Entry, EntryId};
use crate::host::{Kind, Meta, Node, Stat, Xattrs};
use crate::settle::Derived;

/// The history of a path in one transaction.
pub(super) struct History {
    /// The entry of its first change.
    pub(super) first: EntryId,
    /// The derived state that its changes make stale.
    pub(super) dirties: BTreeSet<Derived>,
    states: Vec<Option<Node>>,
    /// The kernel parameters that were added to it.
    pub(super) words: Vec<KernelWord>,
    /// The previous status, if a command changed the path and no copy was kept.
    lost: Option<Stat>,
}

/// Returns the history of each path, from the entries of a transaction.
pub(super) fn histories<A: Acts>(entries: &[Entry<A>]) -> BTreeMap<HostPath, History> {
    let mut histories: BTreeMap<HostPath, History> = BTreeMap::new();
    for entry in entries {
        let Some(path) = entry.path() else { continue };
        let history = histories.entry(path.clone()).or_insert_with(|| History {
            first: entry.id,
            dirties: BTreeSet::new(),
            states: Vec::new(),
            words: Vec::new(),
            lost: None,
        });
        history.dirties.extend(entry.change.dirties());
        match &entry.change {
            Change::Put { before, after, words, .. } => {
                history.states.extend([before.clone(), after.clone()]);
                history.words.extend(words.iter().cloned());
            }
            Change::Lost { before, after, .. } => {
                // A file that did not exist before needs no copy to be removed.
                if history.states.first() != Some(&None) {
                    history.lost.get_or_insert(*before);
                }
                history.states.push(after.clone());
            }
            Change::Act(_) => {}
        }
    }
    histories
}

impl History {
    /// The node before the first change; `None` if no copy was kept.
    pub(super) fn original(&self) -> Option<&Option<Node>> {
        self.states.first().filter(|_| self.lost.is_none())
    }

    /// Checks whether the status equals the previous one, if no copy was kept: the command's own
    /// undo may have restored it.
    pub(super) fn is_back(&self, now: Option<&Stat>) -> bool {
        let (Some(was), Some(now)) = (self.lost, now) else { return false };
        was.kind == now.kind && (was.kind == Kind::Dir || was.size == now.size)
    }

    /// Checks whether `now` was created by the installer: a recorded state, or one that a power cut
    /// interrupted.
    pub(super) fn explains(&self, now: Option<&Node>) -> bool {
        self.states.iter().any(|state| state.as_ref() == now)
            || match now {
                None => self.passes_through_nothing(),
                Some(Node::Dir { meta }) => self.mixes(meta),
                Some(_) => false,
            }
    }

    /// A directory and another kind of node replace each other without an intermediate state.
    fn passes_through_nothing(&self) -> bool {
        let kinds = || self.states.iter().flatten().map(Node::kind);
        kinds().any(|kind| kind == Kind::Dir) && kinds().any(|kind| kind != Kind::Dir)
    }

    /// A directory's permissions, owner and attributes change one after the other.
    fn mixes(&self, now: &Meta) -> bool {
        let metas: Vec<_> = self.states.iter().flatten().filter_map(dir_meta).collect();
        let attribute = |name: &String, xattrs: &Xattrs| xattrs.0.get(name).cloned();
        let names: BTreeSet<_> =
            metas.iter().copied().chain([now]).flat_map(|meta| meta.xattrs.0.keys()).collect();
        metas.iter().any(|meta| meta.mode == now.mode)
            && metas.iter().any(|meta| (meta.uid, meta.gid) == (now.uid, now.gid))
            && names.into_iter().all(|name| {
                let value = attribute(name, &now.xattrs);
                metas.iter().any(|meta| attribute(name, &meta.xattrs) == value)
            })
    }
}

fn dir_meta(node: &Node) -> Option<&Meta> {
    match node {
        Node::Dir { meta } => Some(meta),
        _ => None,
    }
}
