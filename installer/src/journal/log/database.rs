use camino::Utf8Path;
use rusqlite::{Connection, MAIN_DB, OpenFlags, OptionalExtension as _};

use super::LogError;

/// "vGPU" in ASCII, at a fixed offset of the file's header, identifies the owner of the database.
pub(super) const APPLICATION: i64 = 0x7647_5055;

/// The version of the tables below.
const VERSION: i64 = 4;

/// The tables. The copy has the same ones, with `_copy` in place of `@`.
///
/// `seal` is the digest of the rest of the row; it is `NULL` only within a commit. `commits` counts
/// the commits, so that a database that has lost some is recognized.
const TABLES: &str = "
    CREATE TABLE tx@ (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        seal TEXT,
        bundle TEXT NOT NULL,
        plan TEXT NOT NULL,
        boot TEXT NOT NULL,
        began INTEGER NOT NULL,
        state TEXT NOT NULL,
        kept TEXT NOT NULL DEFAULT '[]',
        removed TEXT NOT NULL DEFAULT '{}',
        first_part TEXT
    ) STRICT;
    CREATE TABLE entry@ (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        seal TEXT,
        tx INTEGER NOT NULL REFERENCES tx@ (id),
        run INTEGER REFERENCES entry@ (id),
        change TEXT NOT NULL,
        state TEXT,
        before TEXT,
        component TEXT NOT NULL
    ) STRICT;
    CREATE TABLE dirty@ (what TEXT PRIMARY KEY) STRICT;
    CREATE TABLE given_up@ (path TEXT PRIMARY KEY, entry INTEGER NOT NULL) STRICT;
    CREATE TABLE commits@ (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
    INSERT INTO commits@ VALUES (1, 0);
";

/// The indexes of the journal. The copy is only written and read as a whole.
const INDEXES: &str = "
    CREATE INDEX entry_of_tx ON entry (tx);
    CREATE INDEX unsealed_tx ON tx (id) WHERE seal IS NULL;
    CREATE INDEX unsealed_entry ON entry (id) WHERE seal IS NULL;
";

/// Returns the statements that create the tables, with this suffix of their names.
pub(super) fn tables(suffix: &str) -> String {
    TABLES.replace('@', suffix)
}

/// Opens the database at `path`, or creates it.
///
/// Sets the durability pragmas and reads them back: a file system or SQLite build without them is
/// refused.
pub(super) fn open(path: &Utf8Path) -> Result<Connection, LogError> {
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
        // The triggers of the copy need no file in `/tmp`.
        ("temp_store", "2"),
    ] {
        require(&db, pragma, value)?;
    }
    create_or_check(&mut db)?;
    check_integrity(&db, "main")?;
    Ok(db)
}

/// Opens a copy of a database in memory. An empty one is that of a run that was interrupted before
/// its first commit.
pub(super) fn of_bytes(bytes: &[u8]) -> Result<Connection, LogError> {
    if bytes.is_empty() {
        return in_memory();
    }
    let mut db = deserialize(bytes)?;
    create_or_check(&mut db)?;
    check_integrity(&db, "main")?;
    Ok(db)
}

/// Opens the bytes of any database in memory.
pub(super) fn deserialize(bytes: &[u8]) -> Result<Connection, LogError> {
    let mut db = Connection::open_in_memory()?;
    db.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false)?;
    Ok(db)
}

/// Creates an in-memory database.
pub(super) fn in_memory() -> Result<Connection, LogError> {
    let mut db = Connection::open_in_memory()?;
    require(&db, "foreign_keys", "1")?;
    create_or_check(&mut db)?;
    Ok(db)
}

/// Lets SQLite check the structure of a database: that every page is what its parent expects.
pub(super) fn check_integrity(db: &Connection, schema: &str) -> Result<(), LogError> {
    let check = format!("PRAGMA {schema}.integrity_check(1)");
    let found: String = db.query_row(&check, [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(LogError::Damaged(found.replace('\n', "; "))) }
}

/// Sets a pragma, and checks that it is in force.
fn require(db: &Connection, pragma: &'static str, value: &str) -> Result<(), LogError> {
    // Some pragmas return a row when they are set and some do not.
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
            commit.execute_batch(&self::tables(""))?;
            commit.execute_batch(INDEXES)?;
            commit.pragma_update(None, "application_id", APPLICATION)?;
            commit.pragma_update(None, "user_version", VERSION)?;
            Ok(commit.commit()?)
        }
        (APPLICATION, VERSION, _) => Ok(()),
        (APPLICATION, version, _) => Err(LogError::Foreign(format!(
            "it has version {version}, but this program supports version {VERSION}; use the program that wrote it"
        ))),
        (other, ..) => Err(LogError::Foreign(format!("its application id is {other:#x}"))),
    }
}
