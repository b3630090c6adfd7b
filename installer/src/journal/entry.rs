use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::{Digest, HostPath, KernelWord};

use super::{Acts, Kept};
use crate::host::{Node, Stat, TempName};
use crate::settle::{Derived, awaits_boot};

/// The number of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxId(pub i64);

/// The number of an entry; a later one is higher, whatever its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

impl EntryId {
    /// The temporary name that belongs to it.
    #[must_use]
    pub(crate) fn temp(self) -> TempName {
        TempName::of_entry(self.0)
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What makes a transaction: one bundle, applied as one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransaction {
    /// The digest of the bundle's signed root.
    pub bundle: Digest,
    /// The plan, in its stored spelling.
    pub plan: String,
    /// What the kernel calls the boot during which it began.
    pub boot: BootId,
    /// When it began, in seconds since 1970 by the host's clock.
    pub began: i64,
}

/// A transaction as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction<A: Acts> {
    /// Its number.
    pub id: TxId,
    /// What made it.
    pub new: NewTransaction,
    /// How far it is.
    pub state: TxState,
    /// What a finished revert, or the removal of a component, left as it was.
    pub kept: Vec<Kept>,
    /// The components of it that were removed since, on purpose.
    pub removed: BTreeMap<A::Component, Removing>,
    /// The boot on which the first part of its plan came to its end; `None` until it has.
    pub first_part: Option<BootId>,
}

impl<A: Acts> Transaction<A> {
    /// A transaction that begins.
    #[must_use]
    pub fn begun(id: TxId, new: NewTransaction) -> Self {
        let (state, kept, removed) = (TxState::Applying, Vec::new(), BTreeMap::new());
        Self { id, new, state, kept, removed, first_part: None }
    }

    /// The boot that what was changed waits to be over.
    ///
    /// A first part that was cut short may have come to its end on a later boot than it began on.
    #[must_use]
    pub fn waits_since(&self) -> &BootId {
        self.first_part.as_ref().unwrap_or(&self.new.boot)
    }

    /// The components whose removal has begun and has not come to its end.
    pub fn going(&self) -> impl Iterator<Item = A::Component> {
        let begun = self.removed.iter().filter(|(_, state)| **state == Removing::Begun);
        begun.map(|(component, _)| *component)
    }

    /// Whether that component of it was removed to the end.
    #[must_use]
    pub fn is_removed(&self, component: A::Component) -> bool {
        matches!(self.removed.get(&component), Some(Removing::Done { .. }))
    }
}

/// How far the removal of a component is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removing {
    /// It has begun, or had when the power went.
    Begun,
    /// It came to its end.
    Done {
        /// Folders that it had made and that had to stay, because other components have files in
        /// them. They go when these do.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        left: BTreeSet<HostPath>,
    },
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TxState {
    /// Its plan is being carried out, or was when the power went.
    Applying,
    /// Its plan was carried out to the end.
    Applied,
    /// It is being taken back, or was when the power went.
    Reverting,
    /// It was taken back to the end, and is closed for good.
    Reverted,
}

impl Removing {
    /// Note in what a transaction remembers that these components are that far.
    ///
    /// What was removed to the end does not begin again, and which folders are left is always what
    /// the last removal has seen.
    pub(super) fn note<C: Copy + Ord>(
        &self,
        removed: &mut BTreeMap<C, Self>,
        components: &BTreeSet<C>,
    ) {
        match self {
            Self::Begun => {
                for &component in components {
                    removed.entry(component).or_insert(Self::Begun);
                }
            }
            Self::Done { .. } => {
                removed.extend(components.iter().map(|&component| (component, Self::Begun)));
                for state in removed.values_mut() {
                    *state = self.clone();
                }
            }
        }
    }
}

/// One boot of the host, as `/proc/sys/kernel/random/boot_id` names it; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// One change to the host, with what it takes to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change<A> {
    /// A path was about to change, or was changed by a command.
    Put {
        /// Which path, with no symlink in its directories.
        path: HostPath,
        /// The path as the step named it, if that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<HostPath>,
        /// What was there. If it is a file, its bytes are in the undo store.
        before: Option<Node>,
        /// What was to be there.
        after: Option<Node>,
        /// The words that were added, if it is a file of one line that others edit as well.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<KernelWord>,
    },
    /// A command has changed or removed a file of which no copy was kept.
    Lost {
        /// Which path.
        path: HostPath,
        /// What could be said of it before.
        before: Stat,
        /// What it has become.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Node>,
    },
    /// An act was about to run.
    Act(A),
}

impl<A> Change<A> {
    /// Returns the path that changes, by every name that it has here; none if it is an act.
    pub fn names(&self) -> impl Iterator<Item = &HostPath> {
        let (path, named) = match self {
            Self::Put { path, named, .. } => (Some(path), named.as_ref()),
            Self::Lost { path, .. } => (Some(path), None),
            Self::Act(_) => (None, None),
        };
        path.into_iter().chain(named)
    }

    /// What it makes stale.
    #[must_use]
    pub fn dirties(&self) -> BTreeSet<Derived> {
        self.names().flat_map(Derived::from_path).collect()
    }
}

impl<A: Acts> Change<A> {
    /// Checks whether it takes effect only with the next boot.
    #[must_use]
    pub fn awaits_boot(&self) -> bool {
        match self {
            Self::Act(act) => act.awaits_boot(),
            _ => self.names().any(awaits_boot),
        }
    }
}

/// A [`Change`] as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<A: Acts> {
    /// Its number.
    pub id: EntryId,
    /// The command that made the change, if the journal did not.
    pub by: Option<EntryId>,
    /// What it is.
    pub change: Change<A>,
    /// How far it is, if it is a command.
    pub run: Option<RunState>,
    /// The part of the installation that it belongs to.
    pub component: A::Component,
}

impl<A: Acts> Entry<A> {
    /// The path that changes, unless it is a command.
    #[must_use]
    pub fn path(&self) -> Option<&HostPath> {
        match &self.change {
            Change::Put { path, .. } | Change::Lost { path, .. } => Some(path),
            Change::Act(_) => None,
        }
    }
}

/// How far a command is. Each state is durable before anything is done that it does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It has not run, and everything that undoing it takes is kept.
    Intended,
    /// It may have begun to run, and its traces are not recorded.
    Started,
    /// It ran to an end, and its traces are entries.
    Exited,
    /// Its undo may have begun to run, and that one's traces are not recorded.
    Undoing,
    /// It was undone, and the undo's traces are entries.
    Undone,
}
