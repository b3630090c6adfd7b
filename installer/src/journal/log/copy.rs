//! The copy of the journal: a second database, in which every commit is durable before it returns.
//!
//! Without its journal, a host cannot be reverted. So each row is written twice, and either database
//! alone is sufficient: an entry is in both before its change is made. A power cut between the two
//! leaves the copy one commit behind, and the change of that commit was not made.
//!
//! The tables of the copy have other names, so that it is never taken for the journal. Temporary
//! triggers write it; SQLite has no other hook that works for every statement.

use camino::Utf8Path;
use rusqlite::{Connection, OptionalExtension as _};

use super::{LogError, database, seal};

/// "vGPC" in ASCII, in the header of the copy.
const APPLICATION: i64 = 0x7647_5043;

/// The tables, in an order that respects references.
const TABLES: [&str; 5] = ["tx", "entry", "dirty", "given_up", "commits"];

const TRIGGERS: &str = "
    CREATE TEMP TRIGGER tx_new AFTER INSERT ON main.tx BEGIN
        INSERT OR REPLACE INTO tx_copy SELECT * FROM tx WHERE id = NEW.id; END;
    CREATE TEMP TRIGGER tx_changed AFTER UPDATE ON main.tx BEGIN
        INSERT OR REPLACE INTO tx_copy SELECT * FROM tx WHERE id = NEW.id; END;
    CREATE TEMP TRIGGER entry_new AFTER INSERT ON main.entry BEGIN
        INSERT OR REPLACE INTO entry_copy SELECT * FROM entry WHERE id = NEW.id; END;
    CREATE TEMP TRIGGER entry_changed AFTER UPDATE ON main.entry BEGIN
        INSERT OR REPLACE INTO entry_copy SELECT * FROM entry WHERE id = NEW.id; END;
    CREATE TEMP TRIGGER dirty_new AFTER INSERT ON main.dirty BEGIN
        INSERT OR REPLACE INTO dirty_copy VALUES (NEW.what); END;
    CREATE TEMP TRIGGER dirty_gone AFTER DELETE ON main.dirty BEGIN
        DELETE FROM dirty_copy WHERE what = OLD.what; END;
    CREATE TEMP TRIGGER given_up_new AFTER INSERT ON main.given_up BEGIN
        INSERT OR REPLACE INTO given_up_copy VALUES (NEW.path, NEW.entry); END;
    CREATE TEMP TRIGGER commits_changed AFTER UPDATE ON main.commits BEGIN
        INSERT OR REPLACE INTO commits_copy VALUES (NEW.id, NEW.count); END;
";

/// The copy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CopyError {
    /// The journal is older than the copy.
    #[error("the journal is damaged: it lacks the last {0} commits that its copy has")]
    JournalBehind(i64),
    /// The copy is damaged.
    #[error("the copy of {0}")]
    Copy(#[from] LogError),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Copy(error.into())
    }
}

/// Attaches the copy at `path`, makes it equal to the journal, and keeps it equal.
pub(super) fn attach(db: &mut Connection, path: &Utf8Path) -> Result<(), CopyError> {
    let attached = open(db, path).and_then(|()| follow(db));
    if attached.is_err() {
        // If this fails, too, the first error counts.
        let _ = db.execute_batch("DETACH DATABASE copy");
    }
    attached
}

/// Fills the empty tables of the journal from the copy at `path`.
pub(super) fn restore(db: &mut Connection, path: &Utf8Path) -> Result<(), LogError> {
    open(db, path).map_err(|error| match error {
        CopyError::Copy(error) => error,
        CopyError::JournalBehind(_) => LogError::Damaged(error.to_string()),
    })?;
    let commit = db.transaction()?;
    for table in TABLES {
        let rows = format!("INSERT OR REPLACE INTO main.{table} SELECT * FROM copy.{table}_copy");
        commit.execute_batch(&rows)?;
    }
    commit.commit()?;
    Ok(db.execute_batch("DETACH DATABASE copy")?)
}

/// Returns the number of commits that the copy with these bytes has, and the journal has not.
pub(super) fn commits_beyond(journal: &Connection, copy: &[u8]) -> Result<i64, LogError> {
    let copy = database::deserialize(copy)?;
    let count = |db: &Connection, table| -> Result<i64, LogError> {
        Ok(db.query_row(&format!("SELECT count FROM {table}"), [], |row| row.get(0))?)
    };
    Ok(count(&copy, "commits_copy")?.saturating_sub(count(journal, "commits")?).max(0))
}

/// Opens or creates the copy, and checks it.
fn open(db: &mut Connection, path: &Utf8Path) -> Result<(), CopyError> {
    db.execute("ATTACH DATABASE ?1 AS copy", [path.as_str()])?;
    for (pragma, value) in [("journal_mode", "wal"), ("synchronous", "2")] {
        let set = format!("PRAGMA copy.{pragma} = {value}");
        db.query_row(&set, [], |_| Ok(())).optional()?;
    }
    let number = |pragma: &str| -> Result<i64, LogError> {
        Ok(db.query_row(&format!("PRAGMA copy.{pragma}"), [], |row| row.get(0))?)
    };
    let tables: i64 =
        db.query_row("SELECT count(*) FROM copy.sqlite_schema", [], |row| row.get(0))?;
    match (number("application_id")?, tables) {
        (0, 0) => {
            let create = database::tables("_copy").replace("CREATE TABLE ", "CREATE TABLE copy.");
            db.execute_batch(&format!(
                "BEGIN; {create} PRAGMA copy.application_id = {APPLICATION}; COMMIT;"
            ))?;
        }
        (APPLICATION, _) => {}
        (other, _) => {
            let text = format!("its application id is {other:#x}");
            return Err(LogError::Foreign(text).into());
        }
    }
    database::check_integrity(db, "copy")?;
    Ok(seal::check(db, "_copy")?)
}

/// Makes the copy equal to the journal, unless it is ahead, and keeps it equal.
fn follow(db: &mut Connection) -> Result<(), CopyError> {
    let count = |table: &str| -> Result<i64, LogError> {
        Ok(db.query_row(&format!("SELECT count FROM {table}"), [], |row| row.get(0))?)
    };
    let (journal, copy) = (count("main.commits")?, count("copy.commits_copy")?);
    if copy > journal {
        return Err(CopyError::JournalBehind(copy - journal));
    }
    if copy < journal {
        let commit = db.transaction()?;
        for table in TABLES.iter().rev() {
            commit.execute_batch(&format!("DELETE FROM copy.{table}_copy"))?;
        }
        for table in TABLES {
            let rows = format!("INSERT INTO copy.{table}_copy SELECT * FROM main.{table}");
            commit.execute_batch(&rows)?;
        }
        commit.commit()?;
    }
    Ok(db.execute_batch(TRIGGERS)?)
}
