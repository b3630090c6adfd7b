use rusqlite::params;

use super::{Acts, Log, LogError};

impl<A: Acts> Log<A> {
    /// Returns a journal in memory with one row in each table, of these columns.
    pub(crate) fn with_rows(columns: &[&str]) -> Result<Self, LogError> {
        let log = Self::in_memory()?;
        let column = |at: usize| columns.get(at).copied().unwrap_or_default();
        let tx = "INSERT INTO tx (id, bundle, plan, boot, began, state, kept, removed, first_part) \
                  VALUES (1, ?1, ?2, ?3, 0, ?4, ?5, ?6, ?7)";
        let [a, b, c, d, e, f, g] = [0, 1, 2, 3, 4, 5, 6].map(column);
        log.db.execute(tx, params![a, b, c, d, e, f, (!g.is_empty()).then_some(g)])?;
        let entry = "INSERT INTO entry (tx, change, state, component) VALUES (1, ?1, ?2, ?3)";
        let [change, state, component] = [7, 8, 9].map(column);
        log.db.execute(entry, params![change, (!state.is_empty()).then_some(state), component])?;
        log.db.execute("INSERT INTO dirty VALUES (?1)", [column(10)])?;
        Ok(log)
    }
}
