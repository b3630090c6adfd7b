//! The seals: a digest of each row, so that a changed byte in a text is not taken for the text.
//!
//! SQLite checks the structure of its pages, but not their content.

use rusqlite::{Connection, Transaction as Commit, params};
use vgpu_manifest::Digest;

use super::LogError;

/// The sealed tables, and their columns besides the seal.
const SEALED: [(&str, &str); 2] = [
    ("tx", "id, bundle, plan, boot, began, state, kept, removed, first_part"),
    ("entry", "id, tx, run, change, state, before, component"),
];

/// Seals the rows that a commit has written, and counts the commit.
pub(super) fn complete(commit: &Commit<'_>) -> Result<(), LogError> {
    for (table, columns) in SEALED {
        let select = format!("SELECT id, json_array({columns}) FROM {table} WHERE seal IS NULL");
        let update = format!("UPDATE {table} SET seal = ?2 WHERE id = ?1");
        let mut select = commit.prepare_cached(&select)?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let mut update = commit.prepare_cached(&update)?;
        for (id, row) in rows {
            update.execute(params![id, seal(&row)])?;
        }
    }
    commit.prepare_cached("UPDATE commits SET count = count + 1")?.execute([])?;
    Ok(())
}

/// Checks all seals of the tables whose names have this suffix.
pub(super) fn check(db: &Connection, suffix: &str) -> Result<(), LogError> {
    for (table, columns) in SEALED {
        let select = format!("SELECT id, seal, json_array({columns}) FROM {table}{suffix}");
        let mut select = db.prepare(&select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (id, is): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
            if is != Some(seal(&row.get::<_, String>(2)?)) {
                let text = format!("row {id} of its table `{table}` is not what was written");
                return Err(LogError::Damaged(text));
            }
        }
    }
    Ok(())
}

fn seal(row: &str) -> String {
    Digest::of(row.as_bytes()).to_string()
}
