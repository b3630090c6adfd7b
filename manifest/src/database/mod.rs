//! The catalog as a SQLite file: the form in which a bundle includes it.
//!
//! `schema.sql` has a table of `(id, json)` for each kind of row, and the views for people that
//! `docs/CATALOG.md` describes. [`read`] accepts only what [`write`] could have written, and
//! parses it into the same types as the TOML.

use std::fmt::Write as _;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};

use crate::catalog::{Catalog, CatalogError, DriverVersion, Rows};
use crate::driver::{GpuSupport, VgpuConfig, VgpuType};
use crate::limits::{MAX_CATALOG, MAX_ROWS};
use crate::types::object::Object;
use crate::verdict::Support;

/// The mark of a catalog among SQLite files, its `application_id`: `vGPU` in ASCII.
const APPLICATION_ID: i32 = 0x7647_5055;

/// The version of `schema.sql`, SQLite's `user_version`. It rises with every change of a table.
const SCHEMA: i32 = 4;

/// The contents of a driver's `vgpuConfig.xml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverConfig {
    /// The version of the driver.
    pub driver: DriverVersion,
    /// The vGPU types and GPUs of the file.
    pub config: VgpuConfig,
}

/// A file is not a catalog that this program can use, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file is too large.
    #[error("the catalog has {0} bytes; the limit is {MAX_CATALOG}")]
    Size(u64),
    /// The file is not a catalog.
    #[error("not a catalog: {0}")]
    Kind(&'static str),
    /// Another version of the program wrote the file.
    #[error(
        "the catalog has schema {0}, and this program reads schema {SCHEMA}; use the program that came with the bundle"
    )]
    Schema(i32),
    /// The tables are not those of `schema.sql`.
    #[error("the catalog's tables are not those of schema {SCHEMA}")]
    Tables,
    /// The file is corrupt, or its rows contradict each other.
    #[error("the catalog is damaged: {}", .0.escape_debug())]
    Damaged(String),
    /// A table is too long.
    #[error("the catalog has {count} rows in `{table}`; the limit is {MAX_ROWS}")]
    TooMany {
        /// The name of the table.
        table: &'static str,
        /// The number of its rows.
        count: usize,
    },
    /// A row does not follow the grammar of its kind.
    #[error("the catalog's table `{table}` has an invalid row")]
    Row {
        /// The name of the table.
        table: &'static str,
        /// The fault.
        source: serde_json::Error,
    },
    /// The rows contradict each other.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// SQLite fails.
    #[error("SQLite cannot process the catalog")]
    Sqlite(#[from] rusqlite::Error),
}

/// Defines how the rows of a catalog are written and read: a table, and the fields that name a row.
macro_rules! tables {
    ($($table:ident by $($field:ident)+;)+) => {
        fn insert_rows(connection: &Connection, rows: &Rows) -> Result<(), DatabaseError> {
            $(for row in &rows.$table {
                let id = [$(row.$field.to_string()),+].join(" ");
                insert(connection, stringify!($table), &id, row)?;
            })+
            Ok(())
        }

        fn select_rows(connection: &Connection) -> Result<Rows, DatabaseError> {
            let mut rows = Rows::default();
            $(for (id, row) in select(connection, stringify!($table))? {
                rows.$table.push(row);
                let row = &rows.$table[rows.$table.len() - 1];
                same_id(stringify!($table), &id, &[$(row.$field.to_string()),+].join(" "))?;
            })+
            Ok(rows)
        }
    };
}

tables! {
    evidence by id;
    architectures by id;
    gpus by id;
    branches by major;
    drivers by release;
    patches by host;
    identities by id;
    libraries by id;
    layouts by releases;
    kernels by pve series;
    reasons by id;
    bulletins by id;
    rules by id;
}

/// Returns a SQLite file with this catalog and the configuration of the drivers of a bundle.
/// Equal arguments give equal bytes.
///
/// The file is made in memory, so it leaves no journal and depends on no file system.
pub fn write(catalog: &Catalog, configs: &[DriverConfig]) -> Result<Vec<u8>, DatabaseError> {
    let mut connection = Connection::open_in_memory()?;
    // `secure_delete` overwrites unused parts of a page, so that no byte depends on earlier memory.
    connection.execute_batch(&format!(
        "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; PRAGMA auto_vacuum = 0;
         PRAGMA secure_delete = 1; PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {SCHEMA}; BEGIN;"
    ))?;
    connection.execute_batch(include_str!("schema.sql"))?;
    insert_rows(&connection, catalog.rows())?;
    for gpu in catalog.gpus() {
        let Support { sharing, branches } = Support::of(catalog, gpu);
        // The newest branch first, as in the Bash script's gpu_info.db.
        let driver: Vec<_> = branches.iter().rev().map(u8::to_string).collect();
        let summary = Summary { vgpu: sharing.to_string(), driver: driver.join(";") };
        insert(&connection, "support", &gpu.id.to_string(), &summary)?;
    }
    for DriverConfig { driver, config } in configs {
        for vgpu_type in &config.types {
            insert(&connection, "driver_types", &type_id(driver, vgpu_type), vgpu_type)?;
        }
        for gpu in &config.gpus {
            insert(&connection, "driver_gpus", &gpu_id(driver, gpu), gpu)?;
        }
    }
    connection.execute_batch("COMMIT; VACUUM;")?;
    Ok(connection.serialize(MAIN_DB)?.to_vec())
}

/// Two columns that the Bash script's `gpu_info.db` has and that no row of the catalog states.
#[derive(Serialize)]
struct Summary {
    vgpu: String,
    driver: String,
}

fn insert(
    connection: &Connection,
    table: &'static str,
    id: &str,
    row: &impl Serialize,
) -> Result<(), DatabaseError> {
    let json = serde_json::to_string(row).map_err(|source| DatabaseError::Row { table, source })?;
    let sql = format!("INSERT INTO {table} VALUES (?, ?)");
    connection.prepare_cached(&sql)?.execute([id, &json])?;
    Ok(())
}

/// Reads a catalog that another version of the program may have written.
///
/// The file is read in memory: it cannot change meanwhile, and SQLite writes nothing next to it.
/// It must be a complete SQLite file in rollback mode, undamaged, with exactly the tables and views
/// of `schema.sql`, and its rows must not contradict each other.
pub fn read(bytes: &[u8]) -> Result<Catalog, DatabaseError> {
    Ok(Catalog::new(select_rows(&open(bytes)?)?)?)
}

/// Reads the configuration of the bundle's drivers, from the same file as [`read`] and with the
/// same checks.
pub fn read_configs(bytes: &[u8]) -> Result<Vec<DriverConfig>, DatabaseError> {
    let connection = open(bytes)?;
    let mut configs: Vec<DriverConfig> = Vec::new();
    for (id, vgpu_type) in select::<VgpuType>(&connection, "driver_types")? {
        let DriverConfig { driver, config } = config_of(&mut configs, "driver_types", &id)?;
        same_id("driver_types", &id, &type_id(driver, &vgpu_type))?;
        if config.types.last().is_some_and(|last| last.id >= vgpu_type.id) {
            return Err(DatabaseError::Damaged("the vGPU types are not sorted by id".to_owned()));
        }
        config.types.push(vgpu_type);
    }
    let mut held = 0;
    for (id, gpu) in select::<GpuSupport>(&connection, "driver_gpus")? {
        let DriverConfig { driver, config } = config_of(&mut configs, "driver_gpus", &id)?;
        same_id("driver_gpus", &id, &gpu_id(driver, &gpu))?;
        let known = |id| config.types.binary_search_by_key(&id, |it| it.id).is_ok();
        if let Some(unknown) = gpu.types.iter().find(|held| !known(held.id)) {
            let fault = format!("GPU {} lists the unknown vGPU type {}", gpu.device, unknown.id);
            return Err(DatabaseError::Damaged(fault));
        }
        held += gpu.types.len();
        config.gpus.push(gpu);
    }
    within("vgpu_gpus", held)?;
    Ok(configs)
}

fn type_id(driver: &DriverVersion, vgpu_type: &VgpuType) -> String {
    format!("{driver}/{}", vgpu_type.id)
}

fn gpu_id(driver: &DriverVersion, gpu: &GpuSupport) -> String {
    let board = gpu.subsystem.map_or_else(String::new, |board| format!("/{board}"));
    format!("{driver}/{}{board}", gpu.device)
}

/// Returns the configuration that the row `id` belongs to, and adds it if it is new.
fn config_of<'c>(
    configs: &'c mut Vec<DriverConfig>,
    table: &'static str,
    id: &str,
) -> Result<&'c mut DriverConfig, DatabaseError> {
    let driver = id.split('/').next().unwrap_or_default().parse::<DriverVersion>();
    let driver = driver
        .map_err(|fault| DatabaseError::Row { table, source: serde_json::Error::custom(fault) })?;
    let known = configs.iter().position(|it| it.driver == driver);
    let at = known.unwrap_or_else(|| {
        configs.push(DriverConfig { driver, config: VgpuConfig::default() });
        configs.len() - 1
    });
    Ok(&mut configs[at])
}

fn open(bytes: &[u8]) -> Result<Connection, DatabaseError> {
    check_header(bytes)?;
    let mut connection = Connection::open_in_memory()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), true)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA cell_size_check = 1;")?;
    // The schema first: `integrity_check` evaluates constraints and indexes that a file defines.
    let expected = Connection::open_in_memory()?;
    expected.execute_batch(include_str!("schema.sql"))?;
    if schema(&connection).map_err(damaged)? != schema(&expected)? {
        return Err(DatabaseError::Tables);
    }
    let fault: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if fault == "ok" { Ok(connection) } else { Err(DatabaseError::Damaged(fault)) }
}

/// Checks the first hundred bytes before SQLite reads any: <https://sqlite.org/fileformat.html>.
fn check_header(bytes: &[u8]) -> Result<(), DatabaseError> {
    let size = bytes.len() as u64;
    if size > MAX_CATALOG {
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
        return Err(DatabaseError::Schema(number(60)));
    }
    if header[18..20] != [1, 1] {
        return Err(DatabaseError::Kind("it needs a write-ahead log"));
    }
    Ok(())
}

/// Returns every table, index and view as SQLite has recorded it.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let lines = statement.query_map([], |row| {
        let mut line = String::new();
        for at in 0..4 {
            let text: Option<String> = row.get(at)?;
            // Writing to a `String` cannot fail.
            let _ = write!(line, "{text:?} ");
        }
        Ok(line)
    })?;
    lines.collect()
}

/// Converts an error of SQLite. SQLite reports no fault of its own while it reads from memory, so
/// the file is at fault.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` passes it")]
fn damaged(error: rusqlite::Error) -> DatabaseError {
    DatabaseError::Damaged(error.to_string())
}

/// Returns the rows of a table in their order, each with its id.
fn select<T: DeserializeOwned>(
    connection: &Connection,
    table: &'static str,
) -> Result<Vec<(String, T)>, DatabaseError> {
    let sql = format!("SELECT count(*) FROM {table}");
    let count: u32 = connection.query_row(&sql, [], |row| row.get(0)).map_err(damaged)?;
    within(table, count as usize)?;
    let invalid = |source| DatabaseError::Row { table, source };
    let sql = format!("SELECT id, json FROM {table} ORDER BY rowid");
    let mut statement = connection.prepare(&sql).map_err(damaged)?;
    let mut found = statement.query([]).map_err(damaged)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(damaged)? {
        let text = |at| {
            let text = row.get_ref(at).map_err(damaged)?.as_str();
            text.map_err(|fault| invalid(serde_json::Error::custom(fault)))
        };
        let Object(parsed) = serde_json::from_str(text(1)?).map_err(invalid)?;
        rows.push((text(0)?.to_owned(), parsed));
    }
    Ok(rows)
}

fn within(table: &'static str, count: usize) -> Result<(), DatabaseError> {
    if count > MAX_ROWS { Err(DatabaseError::TooMany { table, count }) } else { Ok(()) }
}

/// Checks that the id by which views find a row is the one that the row itself states.
fn same_id(table: &str, id: &str, stated: &str) -> Result<(), DatabaseError> {
    if id == stated {
        return Ok(());
    }
    Err(DatabaseError::Damaged(format!("the row `{id}` of `{table}` describes `{stated}`")))
}

#[cfg(test)]
mod tests;
