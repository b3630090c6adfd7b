//! The lease database, to which the server writes concurrently.

use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::backup::MAX_DATABASE;
use super::{LicenseError, data};
use crate::host::{Look as _, RealHost};
use crate::state::below_dir;

/// Returns a consistent copy of the lease database; `None` if there is none yet.
///
/// SQLite makes the copy in one read transaction, while the server keeps writing.
pub(crate) fn snapshot(host: &RealHost) -> Result<Option<Vec<u8>>, LicenseError> {
    let path = below_dir(&data::database(), "db.sqlite");
    let Some(stat) = host.stat(&path)? else { return Ok(None) };
    if stat.size > MAX_DATABASE {
        return Err(LicenseError::TooManyLeases { path, max: MAX_DATABASE >> 20 });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(host.locate(&path)?, flags)?;
    database.busy_timeout(Duration::from_secs(10))?;
    // The first query takes the lock; the end of the connection releases it.
    database.execute_batch("BEGIN")?;
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let copy = database.serialize("main")?.to_vec();
    Ok(Some(copy))
}
