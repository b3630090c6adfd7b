//! Whether a GPU, a driver and a host go together: one pure function, with reasons.
//!
//! [`judge`] is what the bundler asks before anything is carried and what the installer asks on
//! the node. It knows only its arguments. Where sources contradict each other it does not choose:
//! the case is suitable, but *unproven*, with both sources and with what decides.

mod assess;
mod case;
mod contents;
mod nearest;
mod notes;
mod outcome;
mod packages;
mod purpose;
mod recipe;
mod render;
mod statement;
mod suitability;
mod support;
mod target;
mod together;

pub use self::case::{Case, Compiled, Export, Findings, Goal, Listing, PoolFeatures, Target};
pub use self::contents::Contents;
pub use self::outcome::{
    Change, Choice, Config, GpuName, Install, Mode, RebootFor, Suitable, Unlock, Unsuitable,
    Verdict,
};
pub use self::purpose::{Purpose, Targets};
pub use self::statement::{Doubt, Statement};
pub use self::suitability::{Judged, Suitability};
pub use self::support::{Sharing, Support};
pub use self::together::together;

use self::statement::Subject;
use crate::catalog::{Card, Catalog, State};

/// Whether the case works: how and with what doubts, or why not and what does instead.
#[must_use]
pub fn judge<'c>(catalog: &'c Catalog, case: &Case) -> Verdict<'c> {
    let subject = Subject::of(catalog, case);
    match assess::assess(catalog, case) {
        Ok(found) => Verdict::Suitable(Box::new(recipe::suitable(subject, &found))),
        Err(point) => Verdict::Unsuitable(Box::new(Unsuitable {
            gpu: subject.card.map(recipe::gpu_name),
            reason: subject.refusal(point),
            nearest: nearest::nearest(catalog, case, point.rule),
        })),
    }
}

/// The verdict in one word, for tables of many cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Summary {
    /// It works, or nothing that is known speaks against it.
    Suitable(Mode, State),
    /// It does not, by this rule.
    Unsuitable(crate::catalog::Rule),
}

/// What [`judge`] says, without its reasons and choices.
///
/// All GPUs × drivers × kernels of the catalogue are 557,960 cases. Optimised, this takes 0.1 s of
/// one core's time for all of them, and [`judge`], with every reason, its evidence and the search
/// for choices, 1.3 s.
#[must_use]
pub fn summarize(catalog: &Catalog, case: &Case) -> Summary {
    match assess::assess(catalog, case) {
        Ok(found) if found.doubts.is_empty() => {
            Summary::Suitable(recipe::mode(&found), State::Settled)
        }
        Ok(found) => Summary::Suitable(recipe::mode(&found), State::Unproven),
        Err(point) => Summary::Unsuitable(point.rule),
    }
}

impl Verdict<'_> {
    /// The verdict in one word.
    #[must_use]
    pub fn summary(&self) -> Summary {
        match self {
            Self::Suitable(it) => Summary::Suitable(it.mode, it.state),
            Self::Unsuitable(it) => Summary::Unsuitable(it.rule()),
        }
    }
}

/// What is known of a GPU, for tables.
#[must_use]
pub fn describe(card: Card<'_>) -> GpuName {
    recipe::gpu_name(card)
}

#[cfg(test)]
mod tests;
