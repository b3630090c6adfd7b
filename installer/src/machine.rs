//! A host together with its journal, locked: what a command line works with.

use std::collections::BTreeSet;

use vgpu_manifest::ui::Explain;

use crate::act::{Entry, Log, Reverting, Transaction};
use crate::component::Component;
use crate::guard::{GuardError, Guarded, guard};
use crate::host::real::{Lock, LockError};
use crate::host::{HostError, Look, OwnState, RealHost, Work};
use crate::journal::{
    BootId, JournalError, Kept, LogError, RevertError, SettleError, TxId, TxState, recover, remove,
    revert, revert_all, settle,
};
use crate::plan::{
    Applied, ApplyError, Applying, Origin, Phase, Plan, PlanError, WayBack, apply_until, way_back,
};
use crate::settle::Derived;
use crate::state;

/// A host that this process alone may change, with its journal open.
#[derive(Debug)]
pub struct Machine {
    host: RealHost,
    log: Log,
    // Declared last, so that the journal is closed before somebody else may open it.
    _lock: Lock,
}

/// The host cannot be worked on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Somebody else works on it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The plan of an open transaction cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The traces of a power cut could not be cleared away.
    #[error("cannot recover from the interrupted run: {0}")]
    Recover(#[from] JournalError),
    /// There is something to take back first.
    #[error(
        "transaction {0} is not taken back; run `vgpu-installer revert` first, or what it changed can never be undone"
    )]
    InUse(TxId),
}

impl Explain for MachineError {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Host(error) => error.hint(),
            _ => None,
        }
    }
}

/// What was left unfinished, and which command goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// A plan is half carried out: apply it again, or revert it.
    Apply {
        /// The transaction.
        tx: Transaction,
        /// Its plan.
        plan: Plan,
    },
    /// A revert is half done: go on reverting.
    Revert(Transaction),
    /// Components are half removed: go on removing them.
    Remove(BTreeSet<Component>),
}

impl Machine {
    /// Make the installer's own folder, lock it, and open the journal. Nothing else is changed.
    pub fn make(mut host: RealHost) -> Result<Self, MachineError> {
        OwnState::of(&mut host).prepare()?;
        Self::begin(host)
    }

    /// Open the journal of a host that has one; `None` if the host was never worked on.
    pub fn find(host: RealHost) -> Result<Option<Self>, MachineError> {
        match host.stat(&state::journal())? {
            Some(_) => Self::begin(host).map(Some),
            None => Ok(None),
        }
    }

    fn begin(host: RealHost) -> Result<Self, MachineError> {
        let lock = host.lock(&state::lock())?;
        let log = open_journal(&host)?;
        Ok(Self { host, log, _lock: lock })
    }

    /// The host, to look at.
    #[must_use]
    pub fn look(&self) -> &dyn Look {
        &self.host
    }

    /// The host itself, for what is not journaled: staging into the store.
    pub fn host(&mut self) -> &mut RealHost {
        &mut self.host
    }

    /// All transactions, the oldest first; each has the paths that its revert kept.
    pub fn transactions(&self) -> Result<Vec<Transaction>, LogError> {
        self.log.transactions()
    }

    /// The entries of a transaction, in order.
    pub fn entries(&self, tx: TxId) -> Result<Vec<Entry>, LogError> {
        self.log.entries(tx)
    }

    /// The last transaction that is not taken back: what `status` is about and `revert` takes.
    pub fn current(&self) -> Result<Option<Transaction>, LogError> {
        Ok(self.log.transactions()?.into_iter().rfind(|tx| tx.state != TxState::Reverted))
    }

    /// What an interrupted run, or one that waits for a reboot, has left.
    pub fn pending(&self) -> Result<Pending, MachineError> {
        match self.current()? {
            Some(tx) if tx.state == TxState::Applying => {
                Ok(Pending::Apply { plan: Plan::parse(&tx.new.plan)?, tx })
            }
            Some(tx) if tx.state == TxState::Reverting => Ok(Pending::Revert(tx)),
            Some(tx) if tx.going().next().is_some() => Ok(Pending::Remove(tx.going().collect())),
            _ => Ok(Pending::Nothing),
        }
    }

    /// The components of which something is here that this program has made.
    pub fn components(&self) -> Result<BTreeSet<Component>, LogError> {
        let mut components = BTreeSet::new();
        for tx in self.open()? {
            for entry in self.log.entries(tx.id)? {
                components.extend(Some(entry.component).filter(|it| !tx.is_removed(*it)));
            }
        }
        Ok(components)
    }

    /// The transactions that are not taken back, the oldest first.
    pub fn open(&self) -> Result<Vec<Transaction>, LogError> {
        let mut open = self.log.transactions()?;
        open.retain(|tx| tx.state != TxState::Reverted);
        Ok(open)
    }

    /// What is stale. While this is not empty, the host must not be rebooted.
    pub fn dirty(&self) -> Result<Vec<Derived>, LogError> {
        Ok(self.log.dirty()?.into_iter().collect())
    }

    /// Carry out a plan, or go on with the one that is half carried out, if it is the same.
    pub fn apply(
        &mut self,
        origin: &Origin,
        plan: &Plan,
        phase: Phase,
        each: &mut dyn FnMut(Applying<'_>),
    ) -> Result<Applied, ApplyError> {
        apply_until(&mut self.host, &mut self.log, origin, plan, phase, each)
    }

    /// Whether `tx` has exchanged a driver for another, and the old one can come back.
    pub fn way_back(&self, tx: TxId) -> Result<WayBack, MachineError> {
        Ok(way_back(&self.host, &self.log, tx)?)
    }

    /// Take back the last transaction that is not taken back, and say what was kept; `None` if
    /// there is none.
    pub fn revert(
        &mut self,
        each: &mut dyn FnMut(Reverting<'_>),
    ) -> Result<Option<Vec<Kept>>, RevertError> {
        let Some(tx) = self.current()? else { return Ok(None) };
        revert(&mut self.host, &mut self.log, tx.id, each).map(Some)
    }

    /// Take back everything that is not taken back, at once, and say what was kept.
    pub fn revert_all(
        &mut self,
        each: &mut dyn FnMut(Reverting<'_>),
    ) -> Result<Vec<Kept>, RevertError> {
        revert_all(&mut self.host, &mut self.log, each)
    }

    /// Take back what belongs to these components, and say what was kept.
    pub fn remove(
        &mut self,
        components: &BTreeSet<Component>,
        each: &mut dyn FnMut(Reverting<'_>),
    ) -> Result<Vec<Kept>, RevertError> {
        remove(&mut self.host, &mut self.log, components, each)
    }

    /// Clear away what a power cut left behind, without going on or taking back.
    pub fn recover(&mut self) -> Result<(), MachineError> {
        if let Some(tx) = self.current()? {
            recover(&mut self.host, &mut self.log, tx.id)?;
        }
        Ok(())
    }

    /// See to it that the next boot takes a kernel with the driver's module.
    pub fn guard(&mut self, tx: TxId, version: &str) -> Result<Guarded, GuardError> {
        guard(&mut self.host, &mut self.log, tx, version)
    }

    /// Rebuild what is stale.
    pub fn settle(&mut self, each: &mut dyn FnMut(&Derived)) -> Result<(), SettleError> {
        settle(&mut self.host, &mut self.log, each)
    }

    /// This boot of the host.
    pub fn boot(&self) -> Result<BootId, HostError> {
        BootId::current(&self.host)
    }

    /// Remove journal, log, undo store and store. Refused while there is something to take back.
    pub fn forget(mut self) -> Result<(), MachineError> {
        if let Some(tx) = self.current()? {
            return Err(MachineError::InUse(tx.id));
        }
        Work::delete_area(&mut self.host)?;
        let mut own = OwnState::of(&mut self.host);
        for dir in [state::log_dir(), state::undo(), state::store()] {
            own.remove_dir(&dir)?;
        }
        // SQLite removes its own files when it is closed.
        drop(self.log);
        Ok(own.remove_dir(&state::dir())?)
    }
}

/// Open the journal of a host whose own folder is there, or make it. The caller holds the lock.
pub fn open_journal(host: &RealHost) -> Result<Log, MachineError> {
    let log = Log::open(&host.locate(&state::journal())?)?;
    // SQLite syncs what is in the file; that the file has a name is for us to sync.
    host.sync_dir(&state::dir())?;
    Ok(log)
}

#[cfg(test)]
mod tests;
