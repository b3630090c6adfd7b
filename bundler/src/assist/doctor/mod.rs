//! Checks of this machine for missing tools, before an hour of downloads.
//!
//! [`needs`] lists the needs of a recipe, [`laptop`] inspects this machine, and [`checks`] compares
//! the two: a pure function, so that tests can use any machine.

mod checks;
mod inputs;
mod laptop;
mod needs;

use serde::Serialize;

pub(crate) use self::checks::examine;
pub(crate) use self::inputs::inputs;
pub(crate) use self::laptop::{Laptop, Places};
pub(crate) use self::needs::Needs;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Finding {
    /// The tool, file or setting.
    pub(crate) what: &'static str,
    /// Its state.
    pub(crate) state: State,
    /// A sentence about it.
    pub(crate) says: String,
    /// The purpose.
    pub(crate) needed_for: &'static str,
    /// The fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Good,
    /// Missing, and without a recipe it is unknown whether that matters.
    Absent,
    /// Works, but needs attention.
    Doubtful,
    /// Needed, and missing or unusable.
    Missing,
}
