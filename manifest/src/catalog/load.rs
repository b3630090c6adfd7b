//! The rows as TOML, and the ones that this program was built with.

use super::{Catalog, Problem, Rows};

/// The files of the catalogue, with their names.
const FILES: [(&str, &str); 9] = [
    ("evidence.toml", include_str!("../../catalog/evidence.toml")),
    ("architectures.toml", include_str!("../../catalog/architectures.toml")),
    ("gpus.toml", include_str!("../../catalog/gpus.toml")),
    ("branches.toml", include_str!("../../catalog/branches.toml")),
    ("drivers.toml", include_str!("../../catalog/drivers.toml")),
    ("patches.toml", include_str!("../../catalog/patches.toml")),
    ("unlock.toml", include_str!("../../catalog/unlock.toml")),
    ("kernels.toml", include_str!("../../catalog/kernels.toml")),
    ("rules.toml", include_str!("../../catalog/rules.toml")),
];

/// The rows are not a catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A file is not the TOML that it should be.
    #[error("catalogue file {file} cannot be read")]
    Syntax {
        /// The file.
        file: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The rows do not fit each other.
    #[error("the catalogue contradicts itself: {}", list(.0))]
    Problems(Vec<Problem>),
}

/// How many problems are told; one mistake can spoil every row.
const TOLD: usize = 5;

fn list(problems: &[Problem]) -> String {
    let told: Vec<_> = problems.iter().take(TOLD).map(ToString::to_string).collect();
    let more = problems.len() - told.len();
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    told.join("; ") + &more
}

impl Rows {
    /// Add the rows of one TOML file, which is called `file` in errors.
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
        self.rules.extend(more.rules);
        Ok(())
    }

    /// The rows that this program was built with.
    pub fn embedded() -> Result<Self, CatalogError> {
        let mut rows = Self::default();
        FILES.iter().try_for_each(|(file, text)| rows.add_toml(file, text))?;
        Ok(rows)
    }
}

impl Catalog {
    /// The catalogue that this program was built with.
    ///
    /// Reading it takes some milliseconds; keep it.
    ///
    /// # Panics
    /// Never: a test reads it.
    #[must_use]
    pub fn embedded() -> Self {
        Rows::embedded()
            .and_then(Self::new)
            .unwrap_or_else(|error| unreachable!("the embedded catalogue is tested: {error}"))
    }
}
