//! A locked host with its journal, as the commands use it.

use std::collections::BTreeSet;
use std::ops::Deref;

use vgpu_manifest::ui::Explain;

use crate::act::{Entry, Log, Reverting, Transaction};
use crate::component::Component;
use crate::host::real::{Lock, LockError};
use crate::host::{HostError, Kind, Look, OwnPath, OwnState, RealHost, Work};
use crate::journal::{
    BootId, CopyError, Depth, JournalError, Kept, LogError, RevertError, SettleError, TxId,
    TxState, Why, recover, remove, revert, revert_all, stale,
};
use crate::kernel_guard::{Guarded, guard};
use crate::plan::{
    Applied, ApplyError, Applying, Origin, Phase, Plan, PlanError, Rollback, apply_until, rollback,
};
use crate::repair::{Finding, Journal, JournalLost, check_journal, examine, give_up};
use crate::settle::Derived;
use crate::state;
use crate::status::report::{Closely, Standpoint, inspect};

/// A host with its journal, to read both.
#[derive(Debug)]
pub(crate) struct JournaledHost {
    host: RealHost,
    log: Log,
}

/// A host with its open journal, which only this process may change.
#[derive(Debug)]
pub(crate) struct LockedHost {
    journaled: JournaledHost,
    // Declared last, so that the journal is closed before another process may open it.
    _lock: Lock,
}

impl Deref for LockedHost {
    type Target = JournaledHost;

    fn deref(&self) -> &JournaledHost {
        &self.journaled
    }
}

/// The host cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LockedHostError {
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another process holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The journal is missing, although something was applied here.
    #[error(transparent)]
    Lost(#[from] JournalLost),
    /// The plan of an open transaction cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Recovery from an interruption failed.
    #[error("cannot recover from the interrupted run: {0}")]
    Recover(#[from] JournalError),
    /// A transaction must be reverted first.
    #[error(
        "transaction {0} has not been reverted; run `vgpu-installer revert` first, or its changes can never be undone"
    )]
    InUse(TxId),
}

impl Explain for LockedHostError {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Host(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            _ if self.is_damage() => Some("run `vgpu-installer repair` for the ways out"),
            _ => None,
        }
    }
}

impl LockedHostError {
    /// Checks whether the journal is lost or damaged.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Log(error) => error.is_damage(),
            _ => false,
        }
    }
}

/// An interrupted operation, which a command can resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Nothing.
    Nothing,
    /// A plan is partly applied: resume it, or revert it.
    Apply {
        /// The transaction.
        tx: Transaction,
        /// Its plan.
        plan: Plan,
    },
    /// A revert is interrupted: revert again.
    Revert(Transaction),
    /// A removal of components is interrupted: remove them again.
    Remove(BTreeSet<Component>),
}

impl JournaledHost {
    /// Reads the journal of a host, or returns `None` if the host has none. Takes no lock and
    /// writes nothing, so it also works during a run and on a read-only file system.
    pub(crate) fn read(host: RealHost) -> Result<Option<Self>, LockedHostError> {
        state::check_folders(&host)?;
        check_journal(&host)??;
        Ok(Log::read(&host)?.map(|log| Self { host, log }))
    }

    /// Returns the damage to the installer's own state.
    pub(crate) fn damage(&self, depth: Depth) -> anyhow::Result<Vec<Finding>> {
        examine(&self.host, Journal::Open(&self.log), depth)
    }

    /// Returns the host, to read it.
    #[must_use]
    pub(crate) fn look(&self) -> &dyn Look {
        &self.host
    }

    /// Returns the entries of a transaction, in order.
    pub(crate) fn entries(&self, tx: TxId) -> Result<Vec<Entry>, LogError> {
        self.log.entries(tx)
    }

    /// Returns the last transaction that is not reverted: the one of `status` and `revert`.
    pub(crate) fn current(&self) -> Result<Option<Transaction>, LogError> {
        Ok(self.log.transactions()?.into_iter().rfind(|tx| tx.state != TxState::Reverted))
    }

    /// Returns everything that the last revert kept.
    #[cfg(test)]
    pub(crate) fn last_kept(&self) -> Result<Vec<Kept>, LogError> {
        Ok(self.log.transactions()?.pop().map(|tx| tx.kept).unwrap_or_default())
    }

    /// Returns the number of undo copies that no journal describes, because it was given up. They may be
    /// the only copies of the files that were replaced.
    pub(crate) fn orphaned_copies(&self) -> anyhow::Result<usize> {
        let was_lost = |tx: &Transaction| tx.kept.iter().any(|it| it.why == Why::JournalLost);
        if !self.log.transactions()?.iter().any(was_lost) {
            return Ok(0);
        }
        Ok(self.host.list_own(&state::undo())?.0.len())
    }

    /// Returns the operation that was interrupted or waits for a reboot.
    pub(crate) fn pending(&self) -> Result<Pending, LockedHostError> {
        match self.current()? {
            Some(tx) if tx.state == TxState::Applying => {
                Ok(Pending::Apply { plan: Plan::parse(&tx.new.plan)?, tx })
            }
            Some(tx) if tx.state == TxState::Reverting => Ok(Pending::Revert(tx)),
            Some(tx) if tx.going().next().is_some() => Ok(Pending::Remove(tx.going().collect())),
            _ => Ok(Pending::Nothing),
        }
    }

    /// Returns the components that this program has installed.
    pub(crate) fn components(&self) -> Result<BTreeSet<Component>, LogError> {
        let mut components = BTreeSet::new();
        for tx in self.open()? {
            for entry in self.log.entries(tx.id)? {
                components.extend(Some(entry.component).filter(|it| !tx.is_removed(*it)));
            }
        }
        Ok(components)
    }

    /// Returns the transactions that are not reverted, the oldest first.
    pub(crate) fn open(&self) -> Result<Vec<Transaction>, LogError> {
        let mut open = self.log.transactions()?;
        open.retain(|tx| tx.state != TxState::Reverted);
        Ok(open)
    }

    /// Returns the stale derived state. The host must not reboot while there is any.
    pub(crate) fn dirty(&self) -> Result<Vec<Derived>, SettleError> {
        Ok(stale(&self.host, &self.log)?.into_iter().collect())
    }

    /// Checks whether `tx` has replaced a driver, and whether the old one can be reinstalled.
    pub(crate) fn rollback(&self, tx: TxId) -> Result<Rollback, LockedHostError> {
        Ok(rollback(&self.host, &self.log, tx)?)
    }

    /// Returns the id of this boot.
    pub(crate) fn boot(&self) -> Result<BootId, HostError> {
        BootId::current(&self.host)
    }

    /// Inspects everything that is applied.
    pub(crate) fn inspect(mut self, closely: Closely) -> anyhow::Result<Standpoint> {
        inspect(&mut self.host, &self.log, closely)
    }
}

impl LockedHost {
    /// Makes and locks the installer's own folder, and opens the journal. Nothing else changes.
    pub(crate) fn make(mut host: RealHost) -> Result<Self, LockedHostError> {
        OwnState::of(&mut host).prepare()?;
        Self::begin(host)
    }

    /// Opens the journal of a host, or returns `None` if the host has none.
    pub(crate) fn find(host: RealHost) -> Result<Option<Self>, LockedHostError> {
        check_journal(&host)??;
        match host.stat(&state::journal())? {
            Some(_) => Self::begin(host).map(Some),
            None => Ok(None),
        }
    }

    fn begin(mut host: RealHost) -> Result<Self, LockedHostError> {
        let lock = host.lock(&state::lock())?;
        check_journal(&host)??;
        let log = open_journal(&mut host)?;
        Ok(Self { journaled: JournaledHost { host, log }, _lock: lock })
    }

    /// Gives up what this finding is about, and returns a line for each consequence.
    pub(crate) fn give_up(&mut self, finding: &Finding) -> anyhow::Result<Vec<String>> {
        give_up(&mut self.journaled.host, finding, Some(&mut self.journaled.log))
    }

    /// Returns the host, for the installer's own state and the store.
    pub(crate) fn host(&mut self) -> &mut RealHost {
        &mut self.journaled.host
    }

    /// Applies a plan, or resumes it if it was interrupted.
    pub(crate) fn apply(
        &mut self,
        origin: &Origin,
        plan: &Plan,
        phase: Phase,
        each: &mut dyn FnMut(Applying<'_>),
    ) -> Result<Applied, ApplyError> {
        self.journaled.host.stop_on_signals()?;
        apply_until(&mut self.journaled.host, &mut self.journaled.log, origin, plan, phase, each)
    }

    /// Reverts the last transaction that is not reverted, and returns what was kept; `None` if there is no
    /// such transaction.
    pub(crate) fn revert(
        &mut self,
        each: &mut dyn FnMut(Reverting<'_>),
    ) -> Result<Option<Vec<Kept>>, RevertError> {
        let Some(tx) = self.current()? else { return Ok(None) };
        self.journaled.host.stop_on_signals()?;
        revert(&mut self.journaled.host, &mut self.journaled.log, tx.id, each).map(Some)
    }

    /// Reverts all transactions at once, and returns what was kept.
    pub(crate) fn revert_all(
        &mut self,
        each: &mut dyn FnMut(Reverting<'_>),
    ) -> Result<Vec<Kept>, RevertError> {
        self.journaled.host.stop_on_signals()?;
        revert_all(&mut self.journaled.host, &mut self.journaled.log, each)
    }

    /// Removes these components, and returns what was kept.
    pub(crate) fn remove(
        &mut self,
        components: &BTreeSet<Component>,
        each: &mut dyn FnMut(Reverting<'_>),
    ) -> Result<Vec<Kept>, RevertError> {
        self.journaled.host.stop_on_signals()?;
        remove(&mut self.journaled.host, &mut self.journaled.log, components, each)
    }

    /// Recovers from a power cut, without resuming or reverting.
    pub(crate) fn recover(&mut self) -> Result<(), LockedHostError> {
        if let Some(tx) = self.current()? {
            recover(&mut self.journaled.host, &mut self.journaled.log, tx.id)?;
        }
        Ok(())
    }

    /// Makes sure that the next boot uses a kernel with the driver's module.
    pub(crate) fn guard(&mut self, tx: TxId, version: &str) -> anyhow::Result<Guarded> {
        guard(&mut self.journaled.host, &mut self.journaled.log, tx, version)
    }

    /// Removes journal, log, undo store and store. Refused while a transaction is not reverted.
    pub(crate) fn forget(mut self) -> Result<(), LockedHostError> {
        if let Some(tx) = self.current()? {
            return Err(LockedHostError::InUse(tx.id));
        }
        Work::delete_area(&mut self.journaled.host)?;
        // SQLite removes its own files when it is closed.
        drop(self.journaled.log);
        // Damaged files that were set aside, and foreign ones, go with the folders.
        for dir in [state::log_dir(), state::dir()] {
            if self.journaled.host.stat(&dir)?.is_some() {
                Work::discard(&mut self.journaled.host, &dir)?;
            }
        }
        Ok(())
    }
}

/// Opens the journal of a host whose own folder exists, or creates it, with its copy. The caller
/// holds the lock.
fn open_journal(host: &mut RealHost) -> Result<Log, LockedHostError> {
    let (path, copy) = (state::journal(), state::journal_copy());
    let mut log = Log::open(&host.locate(&path)?)?;
    copy_journal(host, &mut log, &copy)?;
    // SQLite syncs the content of the files; syncing their directory entries is the caller's duty.
    host.sync_dir(&state::dir())?;
    Ok(log)
}

/// Attaches the copy of the journal, and replaces a damaged copy.
///
/// The journal alone is sufficient, so a copy that cannot be written is only reported by `repair`.
fn copy_journal(host: &mut RealHost, log: &mut Log, copy: &OwnPath) -> Result<(), LockedHostError> {
    let path = host.locate(copy)?;
    let [log_file, rollback] = state::sidecars(copy);
    let files = [log_file, rollback, copy.clone()];
    for file in &files {
        // SQLite would wait for a pipe.
        if host.stat(file)?.is_some_and(|stat| stat.kind != Kind::File) {
            return Ok(());
        }
    }
    match log.copy_to(&path) {
        Err(CopyError::Copy(error)) if error.is_damage() => {
            files.iter().try_for_each(|file| OwnState::of(host).remove(file))?;
        }
        Err(CopyError::JournalBehind(commits)) => {
            let text = format!("it lacks the last {commits} commits that its copy has");
            return Err(LogError::Damaged(text).into());
        }
        Ok(()) | Err(CopyError::Copy(_)) => return Ok(()),
    }
    let _ = log.copy_to(&path);
    Ok(())
}

#[cfg(test)]
mod tests;
