//! The journal as a SQLite database: WAL, synced at every commit, ours alone.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, Transaction as Commit, params};
use serde::{Serialize, de::DeserializeOwned};
use vgpu_manifest::Digest;

use super::{
    BootId, Change, Entry, EntryId, Kept, Log, LogError, NewEntry, NewTransaction, Removing,
    RunState, Snapshot, Transaction, TxId, TxState,
};
use crate::component::Component;
use crate::settle::Derived;

/// "vGPU" in ASCII, at a fixed place of the file's header: whose database this is.
const APPLICATION: i64 = 0x7647_5055;

/// The version of the tables below.
const VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE tx (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bundle TEXT NOT NULL,
        plan TEXT NOT NULL,
        boot TEXT NOT NULL,
        began INTEGER NOT NULL,
        state TEXT NOT NULL,
        kept TEXT NOT NULL DEFAULT '[]',
        removed TEXT NOT NULL DEFAULT '{}',
        first_part TEXT
    ) STRICT;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        tx INTEGER NOT NULL REFERENCES tx (id),
        run INTEGER REFERENCES entry (id),
        change TEXT NOT NULL,
        state TEXT,
        before TEXT,
        component TEXT
    ) STRICT;
    CREATE INDEX entry_of_tx ON entry (tx);
    CREATE TABLE dirty (what TEXT PRIMARY KEY) STRICT;
";

/// What version 2 has beside what version 1 had: what an entry is a part of, what was removed, and
/// when the first part of a plan was done.
const TO_VERSION_2: &str = "
    ALTER TABLE tx ADD COLUMN removed TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE tx ADD COLUMN first_part TEXT;
    ALTER TABLE entry ADD COLUMN component TEXT;
";

/// The journal of a host, open and locked.
#[derive(Debug)]
pub struct SqliteLog {
    db: Connection,
}

impl SqliteLog {
    /// Open the database at `path`, or make it. Its directory must exist.
    ///
    /// What makes it safe is set and then asked back: a file system or a build of SQLite that does
    /// not provide it is refused before anything relies on it.
    pub fn open(path: &Utf8Path) -> Result<Self, LogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path.as_std_path(), flags)?;
        for (pragma, value) in [
            ("locking_mode", "exclusive"),
            ("journal_mode", "wal"),
            ("synchronous", "2"),
            ("foreign_keys", "1"),
            ("trusted_schema", "0"),
        ] {
            require(&db, pragma, value)?;
        }
        create_or_check(&mut db)?;
        Ok(Self { db })
    }

    /// Make one change, all of it or nothing, and return when it is durable.
    fn commit<T>(
        &mut self,
        act: impl FnOnce(&Commit<'_>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let commit = self.db.transaction()?;
        let value = act(&commit)?;
        commit.commit()?;
        Ok(value)
    }
}

/// Set a pragma, and see that it is in force.
fn require(db: &Connection, pragma: &'static str, value: &str) -> Result<(), LogError> {
    // Some pragmas answer when they are set and some do not.
    db.pragma_update_and_check(None, pragma, value, |_| Ok(())).optional()?;
    let is: rusqlite::types::Value = db.pragma_query_value(None, pragma, |row| row.get(0))?;
    let is = match is {
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    if is == value {
        Ok(())
    } else {
        Err(LogError::Unsafe { pragma, is, should: value.to_owned() })
    }
}

fn create_or_check(db: &mut Connection) -> Result<(), LogError> {
    let number = |db: &Connection, pragma| -> Result<i64, LogError> {
        Ok(db.pragma_query_value(None, pragma, |row| row.get(0))?)
    };
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (number(db, "application_id")?, number(db, "user_version")?, tables) {
        (0, 0, 0) => {
            let commit = db.transaction()?;
            commit.execute_batch(TABLES)?;
            commit.pragma_update(None, "application_id", APPLICATION)?;
            commit.pragma_update(None, "user_version", VERSION)?;
            Ok(commit.commit()?)
        }
        (APPLICATION, 1, _) => {
            let commit = db.transaction()?;
            commit.execute_batch(TO_VERSION_2)?;
            commit.pragma_update(None, "user_version", VERSION)?;
            Ok(commit.commit()?)
        }
        (APPLICATION, VERSION, _) => Ok(()),
        (APPLICATION, version, _) => Err(LogError::Foreign(format!(
            "its version is {version}, and this program knows version {VERSION}; use a newer one"
        ))),
        (other, ..) => Err(LogError::Foreign(format!("its application id is {other:#x}"))),
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
        commit.execute("INSERT OR IGNORE INTO dirty VALUES (?1)", [json(derived)?])?;
    }
    Ok(())
}

fn set_run_state(commit: &Commit<'_>, run: EntryId, state: RunState) -> Result<(), LogError> {
    let update = "UPDATE entry SET state = ?2 WHERE id = ?1";
    commit.execute(update, params![run.0, json(&state)?])?;
    Ok(())
}

/// Id, the run that left it as a trace, change, state and component of an entry.
type EntryRow = (i64, Option<i64>, String, Option<String>, Option<String>);

/// The texts of a row of `tx`.
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

    fn parse(self) -> Result<Transaction, LogError> {
        let bundle: Digest = parse(&self.bundle)?;
        let boot: BootId = parse(&self.boot)?;
        let new = NewTransaction { bundle, plan: self.plan, boot, began: self.began };
        let (state, kept): (TxState, Vec<Kept>) = (parse(&self.state)?, parse(&self.kept)?);
        let removed: BTreeMap<Component, Removing> = parse(&self.removed)?;
        let first_part = self.first_part.as_deref().map(parse).transpose()?;
        Ok(Transaction { id: TxId(self.id), new, state, kept, removed, first_part })
    }
}

impl Log for SqliteLog {
    fn begin(&mut self, new: &NewTransaction) -> Result<TxId, LogError> {
        let insert =
            "INSERT INTO tx (bundle, plan, boot, began, state) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.commit(|commit| {
            let (bundle, boot) = (json(&new.bundle)?, json(&new.boot)?);
            let state = json(&TxState::Applying)?;
            commit.execute(insert, params![bundle, new.plan, boot, new.began, state])?;
            Ok(TxId(commit.last_insert_rowid()))
        })
    }

    fn set_state(&mut self, tx: TxId, state: TxState) -> Result<(), LogError> {
        self.commit(|commit| {
            let update = "UPDATE tx SET state = ?2 WHERE id = ?1";
            commit.execute(update, params![tx.0, json(&state)?])?;
            Ok(())
        })
    }

    fn set_first_part(&mut self, tx: TxId, boot: &BootId) -> Result<(), LogError> {
        self.commit(|commit| {
            let update = "UPDATE tx SET first_part = ?2 WHERE id = ?1";
            commit.execute(update, params![tx.0, json(boot)?])?;
            Ok(())
        })
    }

    fn close(&mut self, tx: TxId, kept: &[Kept]) -> Result<(), LogError> {
        self.commit(|commit| {
            let update = "UPDATE tx SET state = ?2, kept = ?3 WHERE id = ?1";
            let state = json(&TxState::Reverted)?;
            commit.execute(update, params![tx.0, state, json(&kept)?])?;
            Ok(())
        })
    }

    fn set_removal(
        &mut self,
        txs: &[TxId],
        components: &BTreeSet<Component>,
        state: &Removing,
        kept: &[Kept],
    ) -> Result<(), LogError> {
        self.commit(|commit| {
            for tx in txs {
                let select = "SELECT removed FROM tx WHERE id = ?1";
                let text: String = commit.query_row(select, [tx.0], |row| row.get(0))?;
                let mut removed: BTreeMap<Component, Removing> = parse(&text)?;
                state.note(&mut removed, components);
                let update = "UPDATE tx SET removed = ?2 WHERE id = ?1";
                commit.execute(update, params![tx.0, json(&removed)?])?;
            }
            let last = txs.last().map(|tx| tx.0);
            commit.execute("UPDATE tx SET kept = ?2 WHERE id = ?1", params![last, json(&kept)?])?;
            Ok(())
        })
    }

    fn transactions(&self) -> Result<Vec<Transaction>, LogError> {
        let mut select = self.db.prepare_cached(TxRow::SELECT)?;
        let rows: Vec<_> = select.query_map([], TxRow::read)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(TxRow::parse).collect()
    }

    fn next_entry(&self) -> Result<EntryId, LogError> {
        let select = "SELECT coalesce(max(id), 0) + 1 FROM entry";
        Ok(EntryId(self.db.query_row(select, [], |row| row.get(0))?))
    }

    fn append(&mut self, tx: TxId, new: &NewEntry<'_>) -> Result<EntryId, LogError> {
        let insert = "INSERT INTO entry (tx, change, state, before, component) \
                      VALUES (?1, ?2, ?3, ?4, ?5)";
        self.commit(|commit| {
            let state = new.before.map(|_| json(&RunState::Intended)).transpose()?;
            let before = new.before.map(json).transpose()?;
            let component = json(&new.component)?;
            commit.execute(insert, params![tx.0, json(new.change)?, state, before, component])?;
            let id = commit.last_insert_rowid();
            mark(commit, new.dirties)?;
            Ok(EntryId(id))
        })
    }

    fn advance(
        &mut self,
        run: EntryId,
        state: RunState,
        traces: &[Change],
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

    fn snapshot(
        &mut self,
        run: EntryId,
        state: RunState,
        before: &Snapshot,
    ) -> Result<(), LogError> {
        self.commit(|commit| {
            set_run_state(commit, run, state)?;
            let update = "UPDATE entry SET before = ?2 WHERE id = ?1";
            commit.execute(update, params![run.0, json(before)?])?;
            Ok(())
        })
    }

    fn entries(&self, tx: TxId) -> Result<Vec<Entry>, LogError> {
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
            let (change, component) =
                (parse(&change)?, component.as_deref().map(parse).transpose()?);
            entries.push(Entry { id: EntryId(id), by: by.map(EntryId), change, run, component });
        }
        Ok(entries)
    }

    fn seen_before(&self, run: EntryId) -> Result<Snapshot, LogError> {
        let select = "SELECT before FROM entry WHERE id = ?1";
        let text: Option<String> =
            self.db.query_row(select, [run.0], |row| row.get(0)).optional()?.flatten();
        text.as_deref().map_or_else(|| Ok(Snapshot::default()), parse)
    }

    fn mark(&mut self, dirties: &BTreeSet<Derived>) -> Result<(), LogError> {
        self.commit(|commit| mark(commit, dirties))
    }

    fn dirty(&self) -> Result<BTreeSet<Derived>, LogError> {
        let mut select = self.db.prepare_cached("SELECT what FROM dirty")?;
        let rows: Vec<String> =
            select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        rows.iter().map(|text| parse(text)).collect()
    }

    fn settled(&mut self, what: &Derived) -> Result<(), LogError> {
        self.commit(|commit| {
            commit.execute("DELETE FROM dirty WHERE what = ?1", [json(what)?])?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
