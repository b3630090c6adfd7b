use std::collections::BTreeSet;

use vgpu_manifest::HostPath;

use super::walk::{Extent, Outcome, Walk};
use super::{
    Change, Entry, JournalError, Kept, Log, LogError, Removing, RunState, Transaction, TxId,
    TxState, recover,
};
use crate::component::Component;
use crate::host::Host;
use crate::packages::PackageError;
use crate::settle::{Derived, SettleError, settle};

/// Something was not taken back to the end. Whatever could be was; doing it again is safe.
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
    /// A component cannot be told from the rest while a transaction is on its way.
    #[error(
        "transaction {0} is not finished; run `vgpu-installer apply` to finish it, or `vgpu-installer revert`"
    )]
    Unfinished(TxId),
    /// A program before this one did not write down what belongs to which component.
    #[error(
        "transaction {0} was applied by an older program, which did not write down what belongs together; `vgpu-installer revert` takes all of it back"
    )]
    Older(TxId),
    /// Some changes could not be taken back.
    #[error("not everything could be taken back; mend this and run the same command again\n{}", lines(.0))]
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

/// Take back the transaction `tx`, the last one, and say what was kept.
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
    if let Some(later) = open(log)?.last().filter(|later| later.id != tx) {
        return Err(RevertError::NotLast { this: tx, later: later.id });
    }
    let mut kept = finish_removal(host, log, each)?;
    let mut txs = open(log)?;
    txs.retain(|open| open.id == tx);
    kept.extend(close(host, log, &Extent { txs, components: None }, each)?);
    Ok(kept)
}

/// Take back every transaction that is not, all at once, and say what was kept.
///
/// At once, each path goes straight to what it was before the first of them, and a driver that one
/// exchanged for another does not come back only to go again.
pub fn revert_all(
    host: &mut dyn Host,
    log: &mut dyn Log,
    each: &mut dyn FnMut(Reverting<'_>),
) -> Result<Vec<Kept>, RevertError> {
    let mut kept = finish_removal(host, log, each)?;
    let extent = Extent { txs: open(log)?, components: None };
    kept.extend(close(host, log, &extent, each)?);
    Ok(kept)
}

/// Bring a removal to its end that was interrupted: it has taken paths of several transactions to
/// what they were before the first, which no transaction alone would know as its doing.
fn finish_removal(
    host: &mut dyn Host,
    log: &mut dyn Log,
    each: &mut dyn FnMut(Reverting<'_>),
) -> Result<Vec<Kept>, RevertError> {
    let going: BTreeSet<_> = open(log)?.iter().flat_map(Transaction::going).collect();
    if going.is_empty() { Ok(Vec::new()) } else { remove(host, log, &going, each) }
}

/// Take back what belongs to these components, in every transaction that is not taken back, and
/// say what was kept. The transactions stay, and remember that this is not there any more.
pub fn remove(
    host: &mut dyn Host,
    log: &mut dyn Log,
    components: &BTreeSet<Component>,
    each: &mut dyn FnMut(Reverting<'_>),
) -> Result<Vec<Kept>, RevertError> {
    let txs = open(log)?;
    for tx in &txs {
        if tx.state != TxState::Applied {
            return Err(RevertError::Unfinished(tx.id));
        }
        if log.entries(tx.id)?.iter().any(|entry| entry.component.is_none()) {
            return Err(RevertError::Older(tx.id));
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

/// The transactions that are not taken back, the oldest first.
fn open(log: &dyn Log) -> Result<Vec<Transaction>, LogError> {
    let mut all = log.transactions()?;
    all.retain(|tx| tx.state != TxState::Reverted);
    Ok(all)
}

/// Take all of these back, and close them.
fn close(
    host: &mut dyn Host,
    log: &mut dyn Log,
    extent: &Extent,
    each: &mut dyn FnMut(Reverting<'_>),
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

/// Have apt refuse before anything is taken back, and not only when its turn comes: the driver would
/// be gone by then. What was cut short has to be mended first, so there it is asked only then.
fn rehearse(host: &mut dyn Host, log: &dyn Log, extent: &Extent) -> Result<(), RevertError> {
    let entries = extent.entries(log)?.0;
    let is_cut = |entry: &Entry| {
        matches!(entry.run, Some(RunState::Started | RunState::Intended | RunState::Undoing))
    };
    let last = entries.iter().rev().find_map(|entry| match &entry.change {
        Change::Packages(packages) if entry.run == Some(RunState::Exited) => Some(packages),
        _ => None,
    });
    match last {
        Some(packages) if !entries.iter().any(is_cut) => {
            let refused = |error: PackageError| RevertError::Changes(vec![error.into()]);
            packages.rehearse_undo(host).map_err(refused)
        }
        _ => Ok(()),
    }
}

fn walk(
    host: &mut dyn Host,
    log: &mut dyn Log,
    extent: &Extent,
    each: &mut dyn FnMut(Reverting<'_>),
) -> Result<Outcome, RevertError> {
    for tx in &extent.txs {
        recover(host, log, tx.id).map_err(|error| RevertError::Changes(vec![error]))?;
    }
    let mut outcome = Walk::new(host, log, extent, each).all()?;
    // What was taken back may have made things stale even if not all of it was.
    let settled = settle(host, log, &mut |derived| each(Reverting::Rebuild(derived)));
    if !outcome.errors.is_empty() {
        return Err(RevertError::Changes(std::mem::take(&mut outcome.errors)));
    }
    settled?;
    Ok(outcome)
}
