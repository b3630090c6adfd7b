//! A journal in memory, for tests and rehearsals, that dies with its host.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BootId, Change, Entry, EntryId, Kept, Log, LogError, NewEntry, NewTransaction, Removing,
    RunState, Snapshot, Transaction, TxId, TxState,
};
use crate::component::Component;
use crate::settle::Derived;

/// A journal that survives nothing but what a test lets it survive.
#[derive(Debug, Clone, Default)]
pub struct MemLog {
    transactions: Vec<Transaction>,
    entries: Vec<(TxId, Entry)>,
    snapshots: BTreeMap<EntryId, Snapshot>,
    dirty: BTreeSet<Derived>,
    #[cfg(test)]
    pub(crate) fuse: crate::host::testing::Fuse,
}

impl MemLog {
    #[cfg(test)]
    fn change<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Result<T, LogError> {
        let fuse = self.fuse.clone();
        let done = fuse.burn(|| act(self));
        done.ok_or(if fuse.is_full() { LogError::Full } else { LogError::PowerCut })
    }

    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, reason = "in tests the power may go here")]
    fn change<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Result<T, LogError> {
        Ok(act(self))
    }

    fn tx(&mut self, tx: TxId) -> &mut Transaction {
        let found = self.transactions.iter_mut().find(|known| known.id == tx);
        found.unwrap_or_else(|| unreachable!("transactions are never removed"))
    }

    fn entry(&mut self, id: EntryId) -> &mut Entry {
        let found = self.entries.iter_mut().map(|(_, entry)| entry).find(|entry| entry.id == id);
        found.unwrap_or_else(|| unreachable!("entries are never removed"))
    }

    fn next(&self) -> EntryId {
        EntryId(count(&self.entries) + 1)
    }
}

impl Log for MemLog {
    fn begin(&mut self, new: &NewTransaction) -> Result<TxId, LogError> {
        let id = TxId(count(&self.transactions) + 1);
        let tx = Transaction::begun(id, new.clone());
        self.change(|log| log.transactions.push(tx))?;
        Ok(id)
    }

    fn set_state(&mut self, tx: TxId, state: TxState) -> Result<(), LogError> {
        self.change(|log| log.tx(tx).state = state)
    }

    fn set_first_part(&mut self, tx: TxId, boot: &BootId) -> Result<(), LogError> {
        self.change(|log| log.tx(tx).first_part = Some(boot.clone()))
    }

    fn close(&mut self, tx: TxId, kept: &[Kept]) -> Result<(), LogError> {
        self.change(|log| {
            log.tx(tx).state = TxState::Reverted;
            log.tx(tx).kept = kept.to_vec();
        })
    }

    fn set_removal(
        &mut self,
        txs: &[TxId],
        components: &BTreeSet<Component>,
        state: &Removing,
        kept: &[Kept],
    ) -> Result<(), LogError> {
        self.change(|log| {
            for &tx in txs {
                state.note(&mut log.tx(tx).removed, components);
            }
            if let Some(&last) = txs.last() {
                log.tx(last).kept = kept.to_vec();
            }
        })
    }

    fn transactions(&self) -> Result<Vec<Transaction>, LogError> {
        Ok(self.transactions.clone())
    }

    fn next_entry(&self) -> Result<EntryId, LogError> {
        Ok(self.next())
    }

    fn append(&mut self, tx: TxId, new: &NewEntry<'_>) -> Result<EntryId, LogError> {
        let id = self.next();
        let run = new.before.map(|_| RunState::Intended);
        let component = Some(new.component);
        let entry = Entry { id, by: None, change: new.change.clone(), run, component };
        self.change(|log| {
            log.entries.push((tx, entry));
            log.snapshots.extend(new.before.map(|before| (id, before.clone())));
            log.dirty.extend(new.dirties.iter().cloned());
        })?;
        Ok(id)
    }

    fn advance(
        &mut self,
        run: EntryId,
        state: RunState,
        traces: &[Change],
        dirties: &BTreeSet<Derived>,
    ) -> Result<(), LogError> {
        let of_run = self.entries.iter().find(|(_, entry)| entry.id == run);
        let of_run = of_run.map(|(tx, entry)| (*tx, entry.component));
        self.change(|log| {
            log.entry(run).run = Some(state);
            for change in traces {
                let id = log.next();
                log.entries.extend(of_run.map(|(tx, component)| {
                    let (by, change) = (Some(run), change.clone());
                    (tx, Entry { id, by, change, run: None, component })
                }));
            }
            log.dirty.extend(dirties.iter().cloned());
        })
    }

    fn snapshot(
        &mut self,
        run: EntryId,
        state: RunState,
        before: &Snapshot,
    ) -> Result<(), LogError> {
        self.change(|log| {
            log.entry(run).run = Some(state);
            log.snapshots.insert(run, before.clone());
        })
    }

    fn entries(&self, tx: TxId) -> Result<Vec<Entry>, LogError> {
        let own = self.entries.iter().filter(|(of, _)| *of == tx);
        Ok(own.map(|(_, entry)| entry.clone()).collect())
    }

    fn seen_before(&self, run: EntryId) -> Result<Snapshot, LogError> {
        Ok(self.snapshots.get(&run).cloned().unwrap_or_default())
    }

    fn mark(&mut self, dirties: &BTreeSet<Derived>) -> Result<(), LogError> {
        self.change(|log| log.dirty.extend(dirties.iter().cloned()))
    }

    fn dirty(&self) -> Result<BTreeSet<Derived>, LogError> {
        Ok(self.dirty.clone())
    }

    fn settled(&mut self, what: &Derived) -> Result<(), LogError> {
        self.change(|log| {
            log.dirty.remove(what);
        })
    }
}

fn count<T>(list: &[T]) -> i64 {
    i64::try_from(list.len()).unwrap_or(i64::MAX)
}
