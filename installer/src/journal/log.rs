use std::collections::BTreeSet;

use crate::component::Component;

use super::{
    BootId, Change, Entry, EntryId, Kept, NewTransaction, Removing, RunState, Snapshot,
    Transaction, TxId, TxState,
};
use crate::settle::Derived;

/// Where a journal keeps what it writes down.
///
/// Every method that changes something returns only when the change would survive a power cut,
/// and a power cut leaves either all of the change or nothing.
pub trait Log {
    /// Begin a transaction.
    fn begin(&mut self, new: &NewTransaction) -> Result<TxId, LogError>;

    /// Say how far a transaction is.
    fn set_state(&mut self, tx: TxId, state: TxState) -> Result<(), LogError>;

    /// Say on which boot the first part of its plan came to its end.
    fn set_first_part(&mut self, tx: TxId, boot: &BootId) -> Result<(), LogError>;

    /// Close a transaction as taken back, and say what was kept.
    fn close(&mut self, tx: TxId, kept: &[Kept]) -> Result<(), LogError>;

    /// Say how far the removal of these components is, in all of these transactions at once, and
    /// what was kept; the last of them remembers that.
    fn set_removal(
        &mut self,
        txs: &[TxId],
        components: &BTreeSet<Component>,
        state: &Removing,
        kept: &[Kept],
    ) -> Result<(), LogError>;

    /// All transactions, the oldest first.
    fn transactions(&self) -> Result<Vec<Transaction>, LogError>;

    /// The number that the next entry will have.
    fn next_entry(&self) -> Result<EntryId, LogError>;

    /// Add a change that is about to be made, together with what it makes stale.
    fn append(&mut self, tx: TxId, new: &NewEntry<'_>) -> Result<EntryId, LogError>;

    /// Say how far a command is, together with the traces it left and what these make stale.
    fn advance(
        &mut self,
        run: EntryId,
        state: RunState,
        traces: &[Change],
        dirties: &BTreeSet<Derived>,
    ) -> Result<(), LogError>;

    /// Replace what was seen before a command that is about to begin, and say that it begins.
    fn snapshot(
        &mut self,
        run: EntryId,
        state: RunState,
        before: &Snapshot,
    ) -> Result<(), LogError>;

    /// The entries of a transaction, in order.
    fn entries(&self, tx: TxId) -> Result<Vec<Entry>, LogError>;

    /// What was seen before a command.
    fn seen_before(&self, run: EntryId) -> Result<Snapshot, LogError>;

    /// Mark what is about to become stale.
    fn mark(&mut self, dirties: &BTreeSet<Derived>) -> Result<(), LogError>;

    /// What is stale.
    fn dirty(&self) -> Result<BTreeSet<Derived>, LogError>;

    /// Take one mark away, after a rebuild.
    fn settled(&mut self, what: &Derived) -> Result<(), LogError>;
}

/// A change that is about to be made.
#[derive(Debug)]
pub struct NewEntry<'a> {
    /// What it is.
    pub change: &'a Change,
    /// What was seen before, if it is a command: it begins as [`RunState::Intended`].
    pub before: Option<&'a Snapshot>,
    /// What it makes stale.
    pub dirties: &'a BTreeSet<Derived>,
    /// What it is a part of.
    pub component: Component,
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The database failed.
    #[error("cannot use the journal: {0}")]
    Database(#[from] rusqlite::Error),
    /// A text in it is not what this program wrote.
    #[error("the journal is damaged: {0}")]
    Text(#[from] serde_json::Error),
    /// It belongs to another program, or to a later version of this one.
    #[error("the journal is not one that this program can read: {0}")]
    Foreign(String),
    /// The database does not promise what it must.
    #[error("the journal would not survive a power cut: `{pragma}` is `{is}`, not `{should}`")]
    Unsafe {
        /// Which setting.
        pragma: &'static str,
        /// What it is.
        is: String,
        /// What it has to be.
        should: String,
    },
    /// The power went, in a test.
    #[cfg(test)]
    #[error("power cut")]
    PowerCut,
    /// The disk is full, in a test.
    #[cfg(test)]
    #[error("cannot use the journal: the disk is full")]
    Full,
}
