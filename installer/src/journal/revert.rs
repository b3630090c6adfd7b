use std::collections::BTreeSet;

use vgpu_manifest::HostPath;
use vgpu_manifest::ui::Explain;

use super::copies::{Depth, LostCopy, lost_copies};
use super::walk::{Extent, Outcome, Walk};
use super::{
    Acts, Change, Entry, JournalError, Kept, Log, LogError, Removing, RunState, SettleError,
    Settling, Transaction, TxId, TxState, recover, settle,
};
use crate::host::{Door, Host, HostError};

/// The failure of a revert. Everything revertible was reverted, and running it again is safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RevertError {
    /// The journal cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A later transaction depends on this one.
    #[error("transaction {later} was applied after transaction {this}; revert that one first")]
    NotLast {
        /// The transaction to revert.
        this: TxId,
        /// The last transaction that is not reverted.
        later: TxId,
    },
    /// A component cannot be removed while a transaction is in progress.
    #[error(
        "transaction {0} is interrupted; run `vgpu-installer apply` to resume it, or `vgpu-installer revert`"
    )]
    Unfinished(TxId),
    /// Some paths could not be restored, so nothing was reverted.
    #[error("the saved copies of files that have to be restored are lost:\n{}", lost(.0))]
    Copies(Vec<LostCopy>),
    /// Some changes could not be reverted.
    #[error("could not revert everything; fix these problems and run the same command again:\n{}", lines(.0))]
    Changes(Vec<JournalError>),
    /// All changes were reverted, but the state derived from them could not be rebuilt.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl Explain for RevertError {
    fn hint(&self) -> Option<&str> {
        matches!(self, Self::Copies(_)).then_some(
            "run `vgpu-installer repair` for the ways to restore these copies, or to give them up",
        )
    }
}

fn lost(copies: &[LostCopy]) -> String {
    let line = |it: &LostCopy| format!("  {}: {} is {}", it.path, it.copy, it.defect.word());
    copies.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn lines(errors: &[JournalError]) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}

/// An event of a revert.
#[derive(Debug)]
pub(crate) enum Reverting<'a, A> {
    /// This path is being restored.
    Restore(&'a HostPath),
    /// This act is being undone.
    Undo(&'a A),
    /// Derived state is being rebuilt.
    Settle(Settling<'a>),
}

/// Reverts `tx`, the last transaction, and returns the retained objects.
///
/// Each path is restored to its state before its first change, if its present state is recorded in
/// the journal; acts are undone in between, in reverse order. This depends on journal and host
/// only, so a revert may follow a power cut, be interrupted by one, and be repeated.
pub(crate) fn revert<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    tx: TxId,
    each: &mut dyn FnMut(Reverting<'_, A>),
) -> Result<Vec<Kept>, RevertError> {
    if let Some(later) = open(log)?.last().filter(|later| later.id != tx) {
        return Err(RevertError::NotLast { this: tx, later: later.id });
    }
    let mut kept = finish_removal(host, log, each)?;
    let mut txs = open(log)?;
    txs.retain(|open| open.id == tx);
    kept.extend(close(host, log, &Extent { txs, components: None }, each)?);
    Ok(kept)
}

/// Reverts all transactions at once, and returns the retained objects.
///
/// Each path is restored directly to its state before the first of them, so a driver that one of
/// them replaced is not reinstalled only to be removed again.
pub(crate) fn revert_all<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    each: &mut dyn FnMut(Reverting<'_, A>),
) -> Result<Vec<Kept>, RevertError> {
    let mut kept = finish_removal(host, log, each)?;
    let extent = Extent { txs: open(log)?, components: None };
    kept.extend(close(host, log, &extent, each)?);
    Ok(kept)
}

/// Completes an interrupted removal: it has restored paths of several transactions to their state
/// before the first, which no single transaction would explain.
fn finish_removal<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    each: &mut dyn FnMut(Reverting<'_, A>),
) -> Result<Vec<Kept>, RevertError> {
    let going: BTreeSet<_> = open(log)?.iter().flat_map(Transaction::going).collect();
    if going.is_empty() { Ok(Vec::new()) } else { remove(host, log, &going, each) }
}

/// Reverts the entries of these components, in every transaction that is not reverted, and returns
/// the retained objects. The transactions stay open and record the removal.
pub(crate) fn remove<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    components: &BTreeSet<A::Component>,
    each: &mut dyn FnMut(Reverting<'_, A>),
) -> Result<Vec<Kept>, RevertError> {
    let txs = open(log)?;
    for tx in &txs {
        if tx.state != TxState::Applied {
            return Err(RevertError::Unfinished(tx.id));
        }
    }
    let ids: Vec<_> = txs.iter().map(|tx| tx.id).collect();
    let extent = Extent { txs, components: Some(components.clone()) };
    rehearse(host, log, &extent)?;
    log.set_removal(&ids, components, &Removing::Begun, &[])?;
    let Outcome { kept, left, .. } = walk(host, log, &extent, each)?;
    log.set_removal(&ids, components, &Removing::Done { left }, &kept)?;
    Ok(kept)
}

/// Returns the transactions that are not reverted, the oldest first.
fn open<A: Acts>(log: &Log<A>) -> Result<Vec<Transaction<A>>, LogError> {
    let mut all = log.transactions()?;
    all.retain(|tx| tx.state != TxState::Reverted);
    Ok(all)
}

/// Reverts all of these, and closes them.
fn close<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    extent: &Extent<A>,
    each: &mut dyn FnMut(Reverting<'_, A>),
) -> Result<Vec<Kept>, RevertError> {
    rehearse(host, log, extent)?;
    for tx in &extent.txs {
        log.set_state(tx.id, TxState::Reverting)?;
    }
    let Outcome { kept, .. } = walk(host, log, extent, each)?;
    for (i, tx) in extent.txs.iter().rev().enumerate() {
        log.close(tx.id, if i == 0 { &kept } else { &[] })?;
    }
    Ok(kept)
}

/// Checks the saved copies, and lets apt refuse, before anything is reverted: later, the driver would
/// already be removed. An interrupted act has to be recovered first, so its undo is checked only when it runs.
fn rehearse<A: Acts>(
    host: &mut dyn Host,
    log: &Log<A>,
    extent: &Extent<A>,
) -> Result<(), RevertError> {
    let entries = extent.entries(log)?.0;
    let lost = lost_copies(host, &entries, &log.given_up()?, Depth::Bytes);
    let lost = lost.map_err(|error| RevertError::Changes(vec![error.into()]))?;
    if !lost.is_empty() {
        return Err(RevertError::Copies(lost));
    }
    let is_cut = |entry: &Entry<A>| {
        matches!(entry.run, Some(RunState::Started | RunState::Intended | RunState::Undoing))
    };
    if entries.iter().any(is_cut) {
        return Ok(());
    }
    for entry in entries.iter().rev().filter(|entry| entry.run == Some(RunState::Exited)) {
        let Change::Act(act) = &entry.change else { continue };
        let refused = |error| RevertError::Changes(vec![JournalError::Act(error)]);
        if act.rehearse_undo(&mut Door::open(host)).map_err(refused)? {
            break;
        }
    }
    Ok(())
}

fn walk<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    extent: &Extent<A>,
    each: &mut dyn FnMut(Reverting<'_, A>),
) -> Result<Outcome, RevertError> {
    for tx in &extent.txs {
        recover(host, log, tx.id).map_err(|error| RevertError::Changes(vec![error]))?;
    }
    let mut outcome = Walk::new(host, log, extent, each).all()?;
    // A partial revert makes derived state stale as well.
    let settled = settle(host, log, &mut |event| each(Reverting::Settle(event)));
    if !outcome.errors.is_empty() {
        return Err(RevertError::Changes(std::mem::take(&mut outcome.errors)));
    }
    settled?;
    Ok(outcome)
}
