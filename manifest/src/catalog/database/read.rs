use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, Row};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::schema::{self, Holds, Table};
use super::{APPLICATION_ID, DatabaseError, DriverConfig, MAX_DATABASE, MAX_ROWS, SCHEMA, drivers};
use crate::catalog::{Catalog, Rows};

/// Read a catalogue that another version of the program may have written.
///
/// The bytes are looked at in memory, read-only: nothing else can change them meanwhile, and
/// nothing is written beside them. They must be a whole SQLite file in rollback mode, undamaged,
/// with just our tables, and their rows must fit each other.
pub fn read(bytes: &[u8]) -> Result<Catalog, DatabaseError> {
    check_header(bytes)?;
    let connection = open(bytes)?;
    check(&connection)?;
    let rows = Rows {
        evidence: rows(&connection, &schema::EVIDENCE)?,
        architectures: rows(&connection, &schema::ARCHITECTURES)?,
        gpus: rows(&connection, &schema::GPUS)?,
        branches: rows(&connection, &schema::BRANCHES)?,
        drivers: rows(&connection, &schema::DRIVERS)?,
        patches: rows(&connection, &schema::PATCHES)?,
        identities: rows(&connection, &schema::IDENTITIES)?,
        libraries: rows(&connection, &schema::LIBRARIES)?,
        layouts: rows(&connection, &schema::LAYOUTS)?,
        kernels: rows(&connection, &schema::KERNELS)?,
        reasons: rows(&connection, &schema::REASONS)?,
        rules: rows(&connection, &schema::RULES)?,
    };
    Ok(Catalog::new(rows)?)
}

/// Read what the drivers of the bundle say, from the same file as [`read`] and as carefully.
pub fn read_configs(bytes: &[u8]) -> Result<Vec<DriverConfig>, DatabaseError> {
    check_header(bytes)?;
    let connection = open(bytes)?;
    check(&connection)?;
    let types = rows(&connection, &schema::VGPU_TYPES)?;
    let gpus = rows(&connection, &schema::VGPU_GPUS)?;
    drivers::configs(types, gpus).map_err(|why| DatabaseError::Damaged(why.to_owned()))
}

/// What the first hundred bytes say, before SQLite sees any: <https://sqlite.org/fileformat.html>.
fn check_header(bytes: &[u8]) -> Result<(), DatabaseError> {
    let size = bytes.len() as u64;
    if size > MAX_DATABASE {
        return Err(DatabaseError::Size(size));
    }
    let Some(header) = bytes.first_chunk::<100>() else {
        return Err(DatabaseError::Kind("it is shorter than the header of a SQLite file"));
    };
    let number = |at: usize| {
        i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(DatabaseError::Kind("it is not a SQLite file"));
    }
    if number(68) != APPLICATION_ID {
        return Err(DatabaseError::Kind("it is the SQLite file of another program"));
    }
    if number(60) != SCHEMA {
        return Err(DatabaseError::Schema { found: number(60) });
    }
    if header[18..20] != [1, 1] {
        return Err(DatabaseError::Kind("it needs a write-ahead log"));
    }
    Ok(())
}

fn open(bytes: &[u8]) -> Result<Connection, DatabaseError> {
    let mut connection = Connection::open_in_memory()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), true)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA cell_size_check = 1;")?;
    Ok(connection)
}

/// Whether the file is whole, and has our tables and nothing else.
fn check(connection: &Connection) -> Result<(), DatabaseError> {
    let fault: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if fault != "ok" {
        return Err(DatabaseError::Damaged(fault));
    }
    let expected = Connection::open_in_memory()?;
    schema::create(&expected)?;
    if schema::written(connection).map_err(damaged)? != schema::written(&expected)? {
        return Err(DatabaseError::Tables);
    }
    Ok(())
}

/// Whatever SQLite complains about when it reads such a file is the file's fault.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` passes it")]
fn damaged(error: rusqlite::Error) -> DatabaseError {
    DatabaseError::Damaged(error.to_string())
}

/// The rows of a table, in their order.
fn rows<T: DeserializeOwned>(
    connection: &Connection,
    table: &Table,
) -> Result<Vec<T>, DatabaseError> {
    let sql = format!("SELECT count(*) FROM \"{}\"", table.name);
    let count: u32 = connection.query_row(&sql, [], |row| row.get(0)).map_err(damaged)?;
    if count > MAX_ROWS {
        return Err(DatabaseError::TooMany { table: table.name, count });
    }
    let sql = format!("SELECT * FROM \"{}\" ORDER BY rowid", table.name);
    let mut statement = connection.prepare(&sql).map_err(damaged)?;
    let mut found = statement.query([]).map_err(damaged)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(damaged)? {
        let wrong = |source| DatabaseError::Row { table: table.name, source };
        let fields = fields(table, row).map_err(wrong)?;
        rows.push(serde_json::from_value(Value::Object(fields)).map_err(wrong)?);
    }
    Ok(rows)
}

/// What stands in a row, by the names of its fields.
fn fields(table: &Table, row: &Row<'_>) -> Result<Map<String, Value>, serde_json::Error> {
    let mut fields = Map::new();
    for (at, column) in table.columns.iter().enumerate() {
        let value = match (column.holds, row.get_ref(at)) {
            (Holds::Derived, _) | (_, Ok(ValueRef::Null)) => continue,
            (Holds::Key | Holds::Text, Ok(ValueRef::Text(text))) => Value::from(utf8(text)?),
            (Holds::Integer, Ok(ValueRef::Integer(number))) => Value::from(number),
            (Holds::Json, Ok(ValueRef::Text(text))) => serde_json::from_str(utf8(text)?)?,
            _ => return Err(serde::de::Error::custom(format_args!("`{}` is wrong", column.name))),
        };
        fields.insert(column.field().to_owned(), value);
    }
    Ok(fields)
}

fn utf8(text: &[u8]) -> Result<&str, serde_json::Error> {
    std::str::from_utf8(text).map_err(serde::de::Error::custom)
}
