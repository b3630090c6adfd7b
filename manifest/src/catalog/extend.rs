//! Catalogs that are extended by files of the operator, with the same tables and the same rules as
//! the embedded rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::list;
use super::{Catalog, Rows, validate};

/// The files of a catalog that added rows, by the kind and the name of each row: `driver 19.7`.
pub(super) type Added = BTreeMap<String, String>;

/// A file cannot extend the catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` line {line}: {what}")]
pub struct ExtensionError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The row and the fault.
    pub what: String,
}

/// Adds the rows of each table of `$more`, each with the kind and name that the validator uses.
macro_rules! add_tables {
    ($merge:ident, $rows:ident, $more:ident; $($table:ident: $row:ident => $name:expr;)+) => {
        $($merge.add(stringify!($table), &mut $rows.$table, $more.$table, |$row| $name)?;)+
    };
}

impl Catalog {
    /// Returns the catalog with the rows of a TOML file. Rows that it already has are passed over.
    ///
    /// # Errors
    ///
    /// A row that the catalog has with other contents, that does not follow the grammar of its
    /// table, or that contradicts the catalog.
    pub fn extended(&self, file: &str, text: &str) -> Result<Self, ExtensionError> {
        let wrong = |error: toml::de::Error| ExtensionError {
            file: file.to_owned(),
            line: line_of(text, error.span().unwrap_or_default().start),
            what: error.message().replace('\n', ", "),
        };
        let more: Rows = toml::from_str(text).map_err(wrong)?;
        let document = DeTable::parse(text).map_err(wrong)?;
        let mut merge = Merge { file, text, document: document.get_ref(), added: Vec::new() };
        let mut rows = self.rows().clone();
        add_tables! { merge, rows, more;
            evidence: row => format!("evidence {}", row.id);
            architectures: row => format!("architecture {}", row.id);
            gpus: row => format!("gpu {}", row.id);
            branches: row => format!("branch {}", row.major);
            drivers: row => format!("driver {}", row.release);
            patches: row => format!("patch {}", row.host);
            identities: row => format!("identity {}", row.id);
            libraries: row => format!("library {}", row.id);
            layouts: row => format!("layout {}", row.releases);
            kernels: row => format!("kernel {} on PVE {}", row.series, row.pve);
            reasons: row => format!("reason {}", row.id);
            bulletins: row => format!("bulletin {}", row.id);
            rules: row => format!("rule {}", row.id);
        }
        let problems = validate(&rows);
        if !problems.is_empty() {
            return Err(merge.blame(&problems));
        }
        let names = merge.added.into_iter().map(|(name, _)| (name, file.to_owned()));
        let names: Vec<_> = names.collect();
        let mut catalog = Self::new(rows).map_err(|error| ExtensionError {
            file: file.to_owned(),
            line: 1,
            what: error.to_string(),
        })?;
        catalog.added = self.added.clone();
        catalog.added.extend(names);
        Ok(catalog)
    }

    /// Returns the file that added a row, by its kind and name, such as `driver 19.7`; `None` if it
    /// is embedded.
    #[must_use]
    pub fn added_by(&self, row: &str) -> Option<&str> {
        self.added.get(row).map(String::as_str)
    }
}

struct Merge<'t> {
    file: &'t str,
    text: &'t str,
    document: &'t DeTable<'t>,
    /// The new rows, each with its line.
    added: Vec<(String, usize)>,
}

impl Merge<'_> {
    fn add<T: Serialize>(
        &mut self,
        table: &str,
        known: &mut Vec<T>,
        more: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(), ExtensionError> {
        let names: Vec<_> =
            if more.is_empty() { Vec::new() } else { known.iter().map(&name).collect() };
        for (at, row) in more.into_iter().enumerate() {
            let name = name(&row);
            let Some(known_at) = names.iter().position(|known| *known == name) else {
                self.added.push((name, self.line(table, at, None)));
                known.push(row);
                continue;
            };
            // The first line that differs; a missing field has none.
            let position = |it: &Difference| self.field(table, at, &it.field).unwrap_or(usize::MAX);
            let differences = differing(&known[known_at], &row);
            if let Some(Difference { field, found, recorded }) =
                differences.into_iter().min_by_key(position)
            {
                let line = self.line(table, at, Some(&field));
                let what = format!("{name} has `{field}` {found}, but the catalog has {recorded}");
                return Err(self.error(line, what));
            }
        }
        Ok(())
    }

    /// Returns the error for contradictions, at the line of the first new row that one names.
    fn blame(&self, problems: &[String]) -> ExtensionError {
        let names = |problem: &String, name: &str| {
            let rest = problem.split_once(name).map(|(_, rest)| rest);
            rest.is_some_and(|rest| {
                !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            })
        };
        let of = |problem| self.added.iter().find(|(name, _)| names(problem, name));
        let line = problems.iter().find_map(of).map_or(1, |(_, line)| *line);
        self.error(line, list(problems))
    }

    fn error(&self, line: usize, what: String) -> ExtensionError {
        ExtensionError { file: self.file.to_owned(), line, what }
    }

    /// Returns the line of a row, or of a field of it.
    fn line(&self, table: &str, at: usize, field: Option<&str>) -> usize {
        let start = || self.row(table, at).map(|row| row.span().start);
        let key = field.and_then(|field| self.field(table, at, field));
        line_of(self.text, key.or_else(start).unwrap_or(0))
    }

    /// Returns the position of a field of a row.
    fn field(&self, table: &str, at: usize, field: &str) -> Option<usize> {
        let DeValue::Table(fields) = self.row(table, at)?.get_ref() else { return None };
        fields.iter().find(|(key, _)| key.get_ref() == field).map(|(key, _)| key.span().start)
    }

    fn row(&self, table: &str, at: usize) -> Option<&Spanned<DeValue<'_>>> {
        let (_, rows) = self.document.iter().find(|(key, _)| key.get_ref() == table)?;
        let DeValue::Array(rows) = rows.get_ref() else { return None };
        rows.get(at)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}

/// A field of two rows with different contents.
struct Difference {
    field: String,
    found: Shown,
    recorded: Shown,
}

/// The value of a field; `None` if it is absent.
struct Shown(Option<Value>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("no value"),
            Some(value) => write!(f, "{value}"),
        }
    }
}

/// Returns the fields in which the rows differ.
fn differing(recorded: &impl Serialize, found: &impl Serialize) -> Vec<Difference> {
    let fields = |row: Result<Value, _>| match row {
        Ok(Value::Object(fields)) => fields,
        // Rows are structs with text as keys.
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let recorded = fields(serde_json::to_value(recorded));
    let found = fields(serde_json::to_value(found));
    let names: BTreeSet<_> = found.keys().chain(recorded.keys()).collect();
    let differ = names.into_iter().filter(|field| found.get(*field) != recorded.get(*field));
    let value = |of: &serde_json::Map<_, _>, field: &String| Shown(of.get(field).cloned());
    let difference = |field: &String| Difference {
        field: field.clone(),
        found: value(&found, field),
        recorded: value(&recorded, field),
    };
    differ.map(difference).collect()
}
