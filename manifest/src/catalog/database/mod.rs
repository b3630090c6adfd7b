//! The catalogue as a SQLite file: the form in which it travels in a bundle.
//!
//! Every table has the rows of one kind, in the words and the order of `catalog/*.toml`; lists are
//! JSON. `docs/CATALOG.md` describes it for people who query it with `sqlite3`. [`read`] takes only
//! what [`write`] could have written, and reads it with the very types that read the TOML.

mod drivers;
mod gpu_info;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use self::drivers::DriverConfig;
pub use self::read::{read, read_configs};
pub use self::write::write;

use super::CatalogError;

/// What marks a SQLite file as a catalogue: `vGPU` in ASCII.
pub const APPLICATION_ID: i32 = 0x7647_5055;

/// The version of the tables, SQLite's `user_version`. It rises with every change of a table.
pub const SCHEMA: i32 = 2;

/// The largest file that is read, in bytes: 16 MiB. Ours has less than one.
pub const MAX_DATABASE: u64 = 16 << 20;

/// The most rows of one kind that are read. pci.ids has some 1,500 GPUs of NVIDIA's, and the GPUs of a
/// driver hold some thousands of vGPU types together.
pub const MAX_ROWS: u32 = 50_000;

/// A file is not a catalogue that this program can use, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It has the wrong length.
    #[error("the catalogue has {0} bytes, and none is larger than {MAX_DATABASE}")]
    Size(u64),
    /// It is something else.
    #[error("this is not a catalogue: {0}")]
    Kind(&'static str),
    /// It comes from another version of the program.
    #[error(
        "the catalogue has schema {found}, and this program reads {SCHEMA}; use the program that came with the bundle"
    )]
    Schema {
        /// Its schema.
        found: i32,
    },
    /// Its tables are not those of its schema.
    #[error("the catalogue's tables are not those of schema {SCHEMA}")]
    Tables,
    /// SQLite finds it damaged.
    #[error("the catalogue is damaged: {}", .0.escape_debug())]
    Damaged(String),
    /// It has more rows than any catalogue.
    #[error("the catalogue has {count} rows in `{table}`, and none has more than {MAX_ROWS}")]
    TooMany {
        /// The table.
        table: &'static str,
        /// How many rows.
        count: u32,
    },
    /// A row does not say what a row of its kind says.
    #[error("a row of the catalogue's table `{table}` is wrong")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A field of a row has no column.
    #[error("the table `{table}` has no column for `{field}`")]
    NoColumn {
        /// The table.
        table: &'static str,
        /// The field.
        field: String,
    },
    /// The rows do not fit each other.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// SQLite fails.
    #[error("SQLite cannot work on the catalogue")]
    Sqlite(#[from] rusqlite::Error),
}
