use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, MAIN_DB, params_from_iter};
use serde::Serialize;
use serde_json::{Map, Value};

use super::schema::{self, Table};
use super::{APPLICATION_ID, DatabaseError, DriverConfig, SCHEMA, drivers, gpu_info};
use crate::catalog::Catalog;

/// The bytes of a SQLite file with this catalogue, and with what the drivers of a bundle say. Equal
/// catalogues and drivers give equal bytes.
///
/// It is made in memory, so that it leaves no journal and depends on no file system.
pub fn write(catalog: &Catalog, configs: &[DriverConfig]) -> Result<Vec<u8>, DatabaseError> {
    let mut connection = Connection::open_in_memory()?;
    // What is left over in a page is overwritten, so that no byte depends on earlier memory.
    connection.execute_batch(&format!(
        "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; PRAGMA auto_vacuum = 0;
         PRAGMA secure_delete = 1; PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {SCHEMA}; BEGIN;"
    ))?;
    schema::create(&connection)?;
    let rows = catalog.rows();
    insert(&connection, &schema::EVIDENCE, &rows.evidence)?;
    insert(&connection, &schema::ARCHITECTURES, &rows.architectures)?;
    for gpu in &rows.gpus {
        let mut fields = fields(&schema::GPUS, gpu)?;
        fields.extend(gpu_info::derived(catalog, gpu));
        insert_fields(&connection, &schema::GPUS, fields)?;
    }
    insert(&connection, &schema::BRANCHES, &rows.branches)?;
    insert(&connection, &schema::DRIVERS, &rows.drivers)?;
    insert(&connection, &schema::PATCHES, &rows.patches)?;
    insert(&connection, &schema::IDENTITIES, &rows.identities)?;
    insert(&connection, &schema::LIBRARIES, &rows.libraries)?;
    insert(&connection, &schema::LAYOUTS, &rows.layouts)?;
    insert(&connection, &schema::KERNELS, &rows.kernels)?;
    insert(&connection, &schema::REASONS, &rows.reasons)?;
    insert(&connection, &schema::RULES, &rows.rules)?;
    let (types, gpus) = drivers::rows(configs);
    insert(&connection, &schema::VGPU_TYPES, &types)?;
    insert(&connection, &schema::VGPU_GPUS, &gpus)?;
    connection.execute_batch("COMMIT; VACUUM;")?;
    Ok(connection.serialize(MAIN_DB)?.to_vec())
}

fn insert<T: Serialize>(
    connection: &Connection,
    table: &Table,
    rows: &[T],
) -> Result<(), DatabaseError> {
    rows.iter().try_for_each(|row| insert_fields(connection, table, fields(table, row)?))
}

/// What stands in a row, by the names of its columns.
fn fields(table: &Table, row: &impl Serialize) -> Result<Map<String, Value>, DatabaseError> {
    let wrong = |source| DatabaseError::Row { table: table.name, source };
    let value = serde_json::to_value(row).map_err(wrong)?;
    let Value::Object(fields) = value else {
        return Err(wrong(serde::ser::Error::custom("it has no fields")));
    };
    let column = |(field, value): (String, Value)| {
        let column = table.columns.iter().find(|column| column.field() == field);
        match column {
            Some(column) => Ok((column.name.to_owned(), value)),
            None => Err(DatabaseError::NoColumn { table: table.name, field }),
        }
    };
    fields.into_iter().map(column).collect()
}

fn insert_fields(
    connection: &Connection,
    table: &Table,
    mut fields: Map<String, Value>,
) -> Result<(), DatabaseError> {
    let values = table.columns.iter().map(|column| match fields.remove(column.name) {
        None | Some(Value::Null) => SqlValue::Null,
        Some(Value::String(text)) => SqlValue::Text(text),
        Some(Value::Number(number)) if number.is_i64() => {
            SqlValue::Integer(number.as_i64().unwrap_or_default())
        }
        Some(list) => SqlValue::Text(list.to_string()),
    });
    let values: Vec<_> = values.collect();
    let places = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT INTO \"{}\" VALUES ({places})", table.name);
    connection.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(())
}
