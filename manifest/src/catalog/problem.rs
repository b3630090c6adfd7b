//! What can be wrong with rows that are each well formed.

/// Something in a catalogue that contradicts something else in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A row says nothing about where it comes from.
    #[error("{row} has no evidence")]
    NoEvidence {
        /// The row.
        row: String,
    },
    /// A row that calls itself unproven has only one source.
    #[error("{row} is unproven, but names fewer than two pieces of evidence")]
    OneSided {
        /// The row.
        row: String,
    },
    /// A row names another that does not exist.
    #[error("{row} names the {kind} `{name}`, which does not exist")]
    Unknown {
        /// The row.
        row: String,
        /// What should exist.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Two rows have the same name.
    #[error("{row} is there twice")]
    Twice {
        /// The row.
        row: String,
    },
    /// A piece of evidence or a reason that no row names.
    #[error("no row names {row}")]
    Unused {
        /// The piece of evidence or reason.
        row: String,
    },
    /// Two ranges that should exclude each other do not.
    #[error("{row} overlaps: {first} and {second}")]
    Overlap {
        /// The row, or the kind of rows.
        row: String,
        /// One range.
        first: String,
        /// The other range.
        second: String,
    },
    /// A row contradicts what another one says.
    #[error("{row} contradicts {other}")]
    Contradiction {
        /// The row.
        row: String,
        /// What it contradicts.
        other: String,
    },
}
