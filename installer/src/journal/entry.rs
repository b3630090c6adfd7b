use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::{Digest, HostPath, KernelWord};

use super::{Acts, Kept};
use crate::host::{HostError, Look, Node, Stat, TempName};
use crate::settle::{Derived, awaits_boot};
use crate::state::fixed;

/// The number of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TxId(pub i64);

/// The number of an entry; a later entry has a higher number, in any transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EntryId(pub i64);

impl EntryId {
    /// Returns its temporary name.
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

/// The source of a transaction: one bundle, applied as one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTransaction {
    /// The digest of the bundle's signed root.
    pub(crate) bundle: Digest,
    /// The plan, in its stored form.
    pub(crate) plan: String,
    /// The kernel's ID of the boot during which it began.
    pub(crate) boot: BootId,
    /// When it began, in seconds since 1970 by the host's clock.
    pub(crate) began: i64,
}

/// A transaction as recorded in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction<A: Acts> {
    /// Its number.
    pub(crate) id: TxId,
    /// The source.
    pub(crate) new: NewTransaction,
    /// The state.
    pub(crate) state: TxState,
    /// Everything that a completed revert, or the removal of a component, did not restore.
    pub(crate) kept: Vec<Kept>,
    /// The components that the operator has removed since.
    pub(crate) removed: BTreeMap<A::Component, Removing>,
    /// The boot on which phase 1 of the plan completed; `None` until then.
    pub(crate) first_part: Option<BootId>,
}

impl<A: Acts> Transaction<A> {
    /// Returns a new transaction.
    #[must_use]
    pub(crate) fn begun(id: TxId, new: NewTransaction) -> Self {
        let (state, kept, removed) = (TxState::Applying, Vec::new(), BTreeMap::new());
        Self { id, new, state, kept, removed, first_part: None }
    }

    /// Returns the boot that must end before the changes take effect.
    ///
    /// An interrupted phase 1 may have completed on a later boot than it began on.
    #[must_use]
    pub(crate) fn waits_since(&self) -> &BootId {
        self.first_part.as_ref().unwrap_or(&self.new.boot)
    }

    /// Returns the components whose removal was interrupted.
    pub(crate) fn going(&self) -> impl Iterator<Item = A::Component> {
        let begun = self.removed.iter().filter(|(_, state)| **state == Removing::Begun);
        begun.map(|(component, _)| *component)
    }

    /// Checks whether the removal of this component was completed.
    #[must_use]
    pub(crate) fn is_removed(&self, component: A::Component) -> bool {
        matches!(self.removed.get(&component), Some(Removing::Done { .. }))
    }
}

/// The state of a component's removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Removing {
    /// In progress or interrupted.
    Begun,
    /// Completed.
    Done {
        /// Folders that it created and that had to stay, because other components have files in
        /// them. They are removed with those components.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        left: BTreeSet<HostPath>,
    },
}

/// The state of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TxState {
    /// In progress or interrupted.
    Applying,
    /// Completed.
    Applied,
    /// The revert is in progress or interrupted.
    Reverting,
    /// Reverted and closed.
    Reverted,
}

impl Removing {
    /// Records the removal state of these components in the transaction.
    ///
    /// A completed removal is not restarted, and the list of retained folders is always that of the
    /// last removal.
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
pub(crate) struct BootId(pub String);

impl BootId {
    /// Returns the current boot of the host; empty in a prepared folder.
    pub(crate) fn current(look: &dyn Look) -> Result<Self, HostError> {
        let path = fixed("/proc/sys/kernel/random/boot_id");
        Ok(Self(look.text(&path)?.unwrap_or_default()))
    }
}

/// One change to the host, with the data needed to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Change<A> {
    /// A path was about to change, or was changed by a command.
    Put {
        /// The path, with all symlinks in its directories resolved.
        path: HostPath,
        /// The path as the step named it, if different.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<HostPath>,
        /// The previous node. If it is a file, its bytes are in the undo store.
        before: Option<Node>,
        /// The intended node.
        after: Option<Node>,
        /// The added kernel parameters, if it is a one-line file that is also edited outside
        /// vgpu-installer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<KernelWord>,
    },
    /// A command changed or removed a file of which no copy was kept.
    Lost {
        /// The path.
        path: HostPath,
        /// The previous status.
        before: Stat,
        /// The new node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Node>,
    },
    /// An act was about to run.
    Act(A),
}

impl<A> Change<A> {
    /// Returns all spellings of the changed path; none if it is an act.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HostPath> {
        let (path, named) = match self {
            Self::Put { path, named, .. } => (Some(path), named.as_ref()),
            Self::Lost { path, .. } => (Some(path), None),
            Self::Act(_) => (None, None),
        };
        path.into_iter().chain(named)
    }

    /// The derived state that it makes stale.
    #[must_use]
    pub(crate) fn dirties(&self) -> BTreeSet<Derived> {
        self.names().flat_map(Derived::from_path).collect()
    }
}

impl<A: Acts> Change<A> {
    /// Checks whether it takes effect only with the next boot.
    #[must_use]
    pub(crate) fn awaits_boot(&self) -> bool {
        match self {
            Self::Act(act) => act.awaits_boot(),
            _ => self.names().any(awaits_boot),
        }
    }
}

/// A [`Change`] as recorded in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<A: Acts> {
    /// The id of the entry.
    pub(crate) id: EntryId,
    /// The command that made the change; `None` for the journal.
    pub(crate) by: Option<EntryId>,
    /// The change.
    pub(crate) change: Change<A>,
    /// The state, if it is a command.
    pub(crate) run: Option<RunState>,
    /// The component of the installation that it belongs to.
    pub(crate) component: A::Component,
}

impl<A: Acts> Entry<A> {
    /// Returns the changed path; `None` for a command.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&HostPath> {
        match &self.change {
            Change::Put { path, .. } | Change::Lost { path, .. } => Some(path),
            Change::Act(_) => None,
        }
    }
}

/// The state of a command. Each state is durable before any work that it does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RunState {
    /// It has not run, and all data for its undo is saved.
    Intended,
    /// It may have started, and its traces are not recorded.
    Started,
    /// It ran to its end, and its traces are recorded.
    Exited,
    /// Its undo may have started, and the traces of the undo are not recorded.
    Undoing,
    /// It was undone, and the traces of the undo are recorded.
    Undone,
}
