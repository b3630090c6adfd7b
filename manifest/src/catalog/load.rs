//! The rows in TOML, and those that are embedded in this program.

use super::{Catalog, Rows};

const FILES: [(&str, &str); 10] = [
    ("evidence.toml", include_str!("../../catalog/evidence.toml")),
    ("architectures.toml", include_str!("../../catalog/architectures.toml")),
    ("gpus.toml", include_str!("../../catalog/gpus.toml")),
    ("branches.toml", include_str!("../../catalog/branches.toml")),
    ("drivers.toml", include_str!("../../catalog/drivers.toml")),
    ("patches.toml", include_str!("../../catalog/patches.toml")),
    ("unlock.toml", include_str!("../../catalog/unlock.toml")),
    ("kernels.toml", include_str!("../../catalog/kernels.toml")),
    ("bulletins.toml", include_str!("../../catalog/bulletins.toml")),
    ("rules.toml", include_str!("../../catalog/rules.toml")),
];

/// Rows are not a valid catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A file is not valid TOML, or has an invalid row.
    #[error("catalog file {file} is invalid")]
    Syntax {
        /// The name of the file.
        file: String,
        /// The position and the fault.
        source: Box<toml::de::Error>,
    },
    /// The rows contradict each other.
    #[error("the catalog contradicts itself: {}", list(.0))]
    Problems(Vec<String>),
}

/// The number of problems in a message; one mistake can affect every row.
const LISTED: usize = 5;

pub(super) fn list(problems: &[String]) -> String {
    let (listed, more) = problems.split_at(problems.len().min(LISTED));
    let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
    listed.join("; ") + &more
}

impl Rows {
    /// Adds the rows of one TOML file. Errors name it `file`.
    pub fn add_toml(&mut self, file: &str, text: &str) -> Result<(), CatalogError> {
        let more: Self = toml::from_str(text).map_err(|source| CatalogError::Syntax {
            file: file.to_owned(),
            source: Box::new(source),
        })?;
        self.evidence.extend(more.evidence);
        self.architectures.extend(more.architectures);
        self.gpus.extend(more.gpus);
        self.branches.extend(more.branches);
        self.drivers.extend(more.drivers);
        self.patches.extend(more.patches);
        self.identities.extend(more.identities);
        self.libraries.extend(more.libraries);
        self.layouts.extend(more.layouts);
        self.kernels.extend(more.kernels);
        self.reasons.extend(more.reasons);
        self.bulletins.extend(more.bulletins);
        self.rules.extend(more.rules);
        Ok(())
    }

    /// Returns the rows that are embedded in this program.
    pub fn embedded() -> Result<Self, CatalogError> {
        let mut rows = Self::default();
        FILES.iter().try_for_each(|(file, text)| rows.add_toml(file, text))?;
        Ok(rows)
    }
}

impl Catalog {
    /// Returns the catalog that is embedded in this program.
    ///
    /// Parsing takes a few milliseconds, so callers keep the result.
    ///
    /// # Panics
    ///
    /// Never: a test reads it.
    #[must_use]
    pub fn embedded() -> Self {
        Rows::embedded()
            .and_then(Self::new)
            .unwrap_or_else(|error| unreachable!("the embedded catalog is tested: {error}"))
    }
}
