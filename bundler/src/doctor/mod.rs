//! What this laptop lacks, said before an hour of downloads shows it.
//!
//! [`needs`] says what a recipe needs, [`laptop`] looks at this machine, and [`checks`] holds the two
//! against each other: a pure function, so that tests can show laptops that nobody has.

mod checks;
mod laptop;
mod needs;

use serde::Serialize;

pub(crate) use self::checks::examine;
pub(crate) use self::laptop::{Laptop, Places};
pub(crate) use self::needs::Needs;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Finding {
    /// What it is about.
    pub(crate) what: &'static str,
    /// How it is.
    pub(crate) state: State,
    /// What was found.
    pub(crate) says: String,
    /// What it is needed for.
    pub(crate) needed_for: &'static str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// As it should be.
    Good,
    /// It is not there; without a recipe, nobody knows whether that matters.
    Absent,
    /// It works, but somebody should look at it.
    Doubtful,
    /// It is needed, and is not as it should be.
    Missing,
}
