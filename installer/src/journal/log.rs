//! The persistent journal: a SQLite database, in WAL mode, synced at every commit, and its copy.

mod copy;
mod database;
#[cfg(fuzzing)]
mod fuzzing;
mod seal;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use camino::Utf8Path;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction as Commit, params};
use serde::{Serialize, de::DeserializeOwned};
use vgpu_manifest::{Digest, HostPath};

pub(crate) use self::copy::CopyError;

use super::{
    Acts, BootId, Change, Entry, EntryId, Kept, NewTransaction, Removing, RunState, Snapshot,
    Transaction, TxId, TxState,
};
use crate::host::{HostError, Look};
use crate::settle::Derived;
use crate::state;

/// A change that is about to be made.
#[derive(Debug)]
pub(crate) struct NewEntry<'a, A: Acts> {
    /// The change.
    pub(crate) change: &'a Change<A>,
    /// The previous state of its scope, if it is a command: it begins as [`RunState::Intended`].
    pub(crate) before: Option<&'a Snapshot>,
    /// The derived state that it makes stale.
    pub(crate) dirties: &'a BTreeSet<Derived>,
    /// The component of the installation that it belongs to.
    pub(crate) component: A::Component,
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LogError {
    /// The database failed.
    #[error("cannot use the journal: {0}")]
    Database(#[from] rusqlite::Error),
    /// A stored text is not one that this program writes.
    #[error("the journal is damaged: {0}")]
    Text(#[from] serde_json::Error),
    /// The database is not what this program has written.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The database belongs to another program, or to another version of this one.
    #[error("this program cannot read the journal: {0}")]
    Foreign(String),
    /// The database does not provide the durability that the journal depends on.
    #[error("the journal would not survive a power cut: `{pragma}` is `{is}`, not `{should}`")]
    Unsafe {
        /// The setting.
        pragma: &'static str,
        /// Its value.
        is: String,
        /// The required value.
        should: String,
    },
    /// The files of the journal cannot be read.
    #[error(transparent)]
    Host(Box<HostError>),
    /// A run writes faster than the journal can be read.
    #[error("the journal is being written; try again")]
    Busy,
    /// A simulated power cut, in a test.
    #[cfg(test)]
    #[error("power cut")]
    PowerCut,
    /// A simulated full disk, in a test.
    #[cfg(test)]
    #[error("cannot use the journal: the disk is full")]
    Full,
}

impl LogError {
    /// Checks whether the database itself is damaged, so that its copy is of use. A full disk or a
    /// database that another process uses is not damaged.
    pub(crate) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, SystemIoFailure};
        let codes = [CannotOpen, DatabaseCorrupt, NotADatabase, SystemIoFailure];
        match self {
            Self::Database(rusqlite::Error::SqliteFailure(error, _)) => codes.contains(&error.code),
            Self::Damaged(_) | Self::Text(_) | Self::Foreign(_) | Self::Database(_) => true,
            _ => false,
        }
    }
}

impl From<HostError> for LogError {
    fn from(error: HostError) -> Self {
        Self::Host(Box::new(error))
    }
}

/// The journal of a host, open and locked; in memory, for rehearsals and tests.
///
/// Every method that changes data returns only when the change is durable. A power cut leaves
/// either the whole change or nothing.
#[derive(Debug)]
pub(crate) struct Log<A> {
    db: Connection,
    acts: PhantomData<A>,
    #[cfg(test)]
    pub(crate) fuse: crate::host::testing::Fuse,
}

impl<A: Acts> Log<A> {
    /// Opens the database at `path`, or creates it. Its directory must exist.
    ///
    /// # Errors
    ///
    /// Anything in it is not what was written.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self, LogError> {
        let db = database::open(path)?;
        seal::check(&db, "")?;
        Ok(Self::on(db))
    }

    /// Writes every commit also to the database at `path`, which becomes equal to this one first.
    ///
    /// # Errors
    ///
    /// The copy has later commits than the journal, so the journal has lost some; or the copy
    /// cannot be used.
    pub(crate) fn copy_to(&mut self, path: &Utf8Path) -> Result<(), CopyError> {
        copy::attach(&mut self.db, path)
    }

    /// Fills an empty journal from its copy at `path`.
    ///
    /// # Errors
    ///
    /// The copy is damaged, too.
    pub(crate) fn restore(&mut self, path: &Utf8Path) -> Result<(), LogError> {
        copy::restore(&mut self.db, path)
    }

    /// Reads the journal of a host as of its last commit, without locking or writing anything;
    /// `None` if it has none.
    ///
    /// # Errors
    ///
    /// Anything in it is not what was written, or its copy has later commits.
    pub(crate) fn read(look: &dyn Look) -> Result<Option<Self>, LogError> {
        // Read before the journal, in which each commit is first.
        let copy = snapshot::read(look, &state::journal_copy()).ok().flatten();
        let Some(bytes) = snapshot::read(look, &state::journal())? else { return Ok(None) };
        let log = Self::of_bytes(&bytes)?;
        match copy.and_then(|copy| copy::commits_beyond(&log.db, &copy).ok()) {
            Some(commits) if commits > 0 => {
                Err(LogError::Damaged(CopyError::JournalBehind(commits).to_string()))
            }
            _ => Ok(Some(log)),
        }
    }

    /// Reads a database.
    fn of_bytes(bytes: &[u8]) -> Result<Self, LogError> {
        let db = database::of_bytes(bytes)?;
        seal::check(&db, "")?;
        Ok(Self::on(db))
    }

    /// Creates a journal that ends with this process.
    pub(crate) fn in_memory() -> Result<Self, LogError> {
        Ok(Self::on(database::in_memory()?))
    }

    fn on(db: Connection) -> Self {
        Self {
            db,
            acts: PhantomData,
            #[cfg(test)]
            fuse: crate::host::testing::Fuse::never(),
        }
    }

    /// Makes one change, all of it or nothing, and returns when it is durable.
    fn commit<T>(
        &mut self,
        act: impl FnOnce(&Commit<'_>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        #[cfg(test)]
        let fuse = self.fuse.clone();
        let commit = || {
            let commit = self.db.transaction()?;
            let value = act(&commit)?;
            seal::complete(&commit)?;
            commit.commit()?;
            Ok(value)
        };
        #[cfg(test)]
        let commit = || {
            let cut = |fuse: &crate::host::testing::Fuse| {
                if fuse.is_full() { LogError::Full } else { LogError::PowerCut }
            };
            fuse.burn(commit).unwrap_or_else(|| Err(cut(&fuse)))
        };
        commit()
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, new: &NewTransaction) -> Result<TxId, LogError> {
        let insert =
            "INSERT INTO tx (bundle, plan, boot, began, state) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.commit(|commit| {
            let (bundle, boot) = (json(&new.bundle)?, json(&new.boot)?);
            let state = json(&TxState::Applying)?;
            commit
                .prepare_cached(insert)?
                .execute(params![bundle, new.plan, boot, new.began, state])?;
            Ok(TxId(commit.last_insert_rowid()))
        })
    }

    /// Records the state of a transaction.
    pub(crate) fn set_state(&mut self, tx: TxId, state: TxState) -> Result<(), LogError> {
        self.commit(|commit| {
            let update = "UPDATE tx SET seal = NULL, state = ?2 WHERE id = ?1";
            commit.prepare_cached(update)?.execute(params![tx.0, json(&state)?])?;
            Ok(())
        })
    }

    /// Records the boot on which phase 1 of the plan was completed.
    pub(crate) fn set_first_part(&mut self, tx: TxId, boot: &BootId) -> Result<(), LogError> {
        self.commit(|commit| {
            let update = "UPDATE tx SET seal = NULL, first_part = ?2 WHERE id = ?1";
            commit.prepare_cached(update)?.execute(params![tx.0, json(boot)?])?;
            Ok(())
        })
    }

    /// Closes a transaction as reverted, and records what was kept.
    pub(crate) fn close(&mut self, tx: TxId, kept: &[Kept]) -> Result<(), LogError> {
        self.commit(|commit| {
            let update = "UPDATE tx SET seal = NULL, state = ?2, kept = ?3 WHERE id = ?1";
            let state = json(&TxState::Reverted)?;
            commit.prepare_cached(update)?.execute(params![tx.0, state, json(&kept)?])?;
            Ok(())
        })
    }

    /// Records the state of the removal of these components, in all of these transactions at once.
    /// Stores `kept` in the last of them.
    pub(crate) fn set_removal(
        &mut self,
        txs: &[TxId],
        components: &BTreeSet<A::Component>,
        state: &Removing,
        kept: &[Kept],
    ) -> Result<(), LogError> {
        self.commit(|commit| {
            for tx in txs {
                let select = "SELECT removed FROM tx WHERE id = ?1";
                let text: String = commit.query_row(select, [tx.0], |row| row.get(0))?;
                let mut removed: BTreeMap<A::Component, Removing> = parse(&text)?;
                state.note(&mut removed, components);
                let update = "UPDATE tx SET seal = NULL, removed = ?2 WHERE id = ?1";
                commit.prepare_cached(update)?.execute(params![tx.0, json(&removed)?])?;
            }
            let last = txs.last().map(|tx| tx.0);
            let update = "UPDATE tx SET seal = NULL, kept = ?2 WHERE id = ?1";
            commit.prepare_cached(update)?.execute(params![last, json(&kept)?])?;
            Ok(())
        })
    }

    /// Returns all transactions, the oldest first.
    pub(crate) fn transactions(&self) -> Result<Vec<Transaction<A>>, LogError> {
        let mut select = self.db.prepare_cached(TxRow::SELECT)?;
        let rows: Vec<_> = select.query_map([], TxRow::read)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(TxRow::parse).collect()
    }

    /// Returns the number that the next entry will have.
    pub(crate) fn next_entry(&self) -> Result<EntryId, LogError> {
        let select = "SELECT coalesce(max(id), 0) + 1 FROM entry";
        Ok(EntryId(self.db.prepare_cached(select)?.query_row([], |row| row.get(0))?))
    }

    /// Adds a change that is about to be made, together with the derived state that it makes stale.
    pub(crate) fn append(&mut self, tx: TxId, new: &NewEntry<'_, A>) -> Result<EntryId, LogError> {
        let insert = "INSERT INTO entry (tx, change, state, before, component) \
                      VALUES (?1, ?2, ?3, ?4, ?5)";
        self.commit(|commit| {
            let state = new.before.map(|_| json(&RunState::Intended)).transpose()?;
            let before = new.before.map(json).transpose()?;
            let component = json(&new.component)?;
            commit.prepare_cached(insert)?.execute(params![
                tx.0,
                json(new.change)?,
                state,
                before,
                component
            ])?;
            let id = commit.last_insert_rowid();
            mark(commit, new.dirties)?;
            Ok(EntryId(id))
        })
    }

    /// Records the state of a command, together with its traces and the derived state that these
    /// make stale.
    pub(crate) fn advance(
        &mut self,
        run: EntryId,
        state: RunState,
        traces: &[Change<A>],
        dirties: &BTreeSet<Derived>,
    ) -> Result<(), LogError> {
        let insert = "INSERT INTO entry (tx, run, change, component) \
                      SELECT tx, id, ?2, component FROM entry WHERE id = ?1";
        self.commit(|commit| {
            set_run_state(commit, run, state)?;
            let mut insert = commit.prepare_cached(insert)?;
            for trace in traces {
                insert.execute(params![run.0, json(trace)?])?;
            }
            mark(commit, dirties)
        })
    }

    /// Replaces the snapshot taken before a command, and records the state of the command.
    pub(crate) fn snapshot(
        &mut self,
        run: EntryId,
        state: RunState,
        before: &Snapshot,
    ) -> Result<(), LogError> {
        self.commit(|commit| {
            set_run_state(commit, run, state)?;
            let update = "UPDATE entry SET seal = NULL, before = ?2 WHERE id = ?1";
            commit.prepare_cached(update)?.execute(params![run.0, json(before)?])?;
            Ok(())
        })
    }

    /// Returns the entries of a transaction, in order.
    pub(crate) fn entries(&self, tx: TxId) -> Result<Vec<Entry<A>>, LogError> {
        let select =
            "SELECT id, run, change, state, component FROM entry WHERE tx = ?1 ORDER BY id";
        let mut select = self.db.prepare_cached(select)?;
        let rows = select.query_map([tx.0], |row| {
            let change = row.get::<_, String>(2)?;
            Ok((row.get(0)?, row.get(1)?, change, row.get(3)?, row.get(4)?))
        })?;
        let mut entries = Vec::new();
        for row in rows {
            let (id, by, change, state, component): EntryRow = row?;
            let run = state.as_deref().map(parse).transpose()?;
            let (change, component) = (parse(&change)?, parse(&component)?);
            entries.push(Entry { id: EntryId(id), by: by.map(EntryId), change, run, component });
        }
        Ok(entries)
    }

    /// Returns the snapshot taken before a command.
    pub(crate) fn seen_before(&self, run: EntryId) -> Result<Snapshot, LogError> {
        let select = "SELECT before FROM entry WHERE id = ?1";
        let text: Option<String> = self
            .db
            .prepare_cached(select)?
            .query_row([run.0], |row| row.get(0))
            .optional()?
            .flatten();
        text.as_deref().map_or_else(|| Ok(Snapshot::default()), parse)
    }

    /// Records that the state of this path before the changes made so far is given up: a revert of
    /// them keeps it as it is.
    pub(crate) fn give_up(&mut self, path: &HostPath) -> Result<(), LogError> {
        let last = self.next_entry()?.0 - 1;
        self.commit(|commit| {
            let insert = "INSERT OR REPLACE INTO given_up VALUES (?1, ?2)";
            commit.prepare_cached(insert)?.execute(params![json(path)?, last])?;
            Ok(())
        })
    }

    /// Returns the paths that were given up, each with the last entry that this concerns.
    pub(crate) fn given_up(&self) -> Result<BTreeMap<HostPath, EntryId>, LogError> {
        let mut select = self.db.prepare_cached("SELECT path, entry FROM given_up")?;
        let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        rows.map(|row| row.map_err(LogError::from).and_then(|(p, e)| Ok((parse(&p)?, EntryId(e)))))
            .collect()
    }

    /// Marks derived state that is about to become stale.
    pub(crate) fn mark(&mut self, dirties: &BTreeSet<Derived>) -> Result<(), LogError> {
        self.commit(|commit| mark(commit, dirties))
    }

    /// Returns the derived state that is stale.
    pub(crate) fn dirty(&self) -> Result<BTreeSet<Derived>, LogError> {
        let mut select = self.db.prepare_cached("SELECT what FROM dirty")?;
        let rows: Vec<String> =
            select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        rows.iter().map(|text| parse(text)).collect()
    }

    /// Removes one mark, after a rebuild.
    pub(crate) fn settled(&mut self, what: &Derived) -> Result<(), LogError> {
        self.commit(|commit| {
            let delete = "DELETE FROM dirty WHERE what = ?1";
            commit.prepare_cached(delete)?.execute([json(what)?])?;
            Ok(())
        })
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, LogError> {
    Ok(serde_json::to_string(value)?)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, LogError> {
    Ok(serde_json::from_str(text)?)
}

fn mark(commit: &Commit<'_>, dirties: &BTreeSet<Derived>) -> Result<(), LogError> {
    for derived in dirties {
        let insert = "INSERT OR IGNORE INTO dirty VALUES (?1)";
        commit.prepare_cached(insert)?.execute([json(derived)?])?;
    }
    Ok(())
}

fn set_run_state(commit: &Commit<'_>, run: EntryId, state: RunState) -> Result<(), LogError> {
    let update = "UPDATE entry SET seal = NULL, state = ?2 WHERE id = ?1";
    commit.prepare_cached(update)?.execute(params![run.0, json(&state)?])?;
    Ok(())
}

/// Id, the run that left it as a trace, change, state and component of an entry.
type EntryRow = (i64, Option<i64>, String, Option<String>, String);

/// The text columns of a row of `tx`.
struct TxRow {
    id: i64,
    bundle: String,
    plan: String,
    boot: String,
    began: i64,
    state: String,
    kept: String,
    removed: String,
    first_part: Option<String>,
}

impl TxRow {
    const SELECT: &str = "SELECT id, bundle, plan, boot, began, state, kept, removed, first_part \
                          FROM tx ORDER BY id";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            bundle: row.get(1)?,
            plan: row.get(2)?,
            boot: row.get(3)?,
            began: row.get(4)?,
            state: row.get(5)?,
            kept: row.get(6)?,
            removed: row.get(7)?,
            first_part: row.get(8)?,
        })
    }

    fn parse<A: Acts>(self) -> Result<Transaction<A>, LogError> {
        let bundle: Digest = parse(&self.bundle)?;
        let boot: BootId = parse(&self.boot)?;
        let new = NewTransaction { bundle, plan: self.plan, boot, began: self.began };
        let (state, kept): (TxState, Vec<Kept>) = (parse(&self.state)?, parse(&self.kept)?);
        let removed: BTreeMap<A::Component, Removing> = parse(&self.removed)?;
        let first_part = self.first_part.as_deref().map(parse).transpose()?;
        Ok(Transaction { id: TxId(self.id), new, state, kept, removed, first_part })
    }
}
