//! The verdict on whether a GPU, a driver and a host work together: a pure function, with reasons.
//!
//! The bundler calls [`judge`] before it builds a bundle, the installer on the node. It depends on
//! its arguments only. Where sources contradict each other, the case is suitable but *unproven*
//! (unverified), and the verdict cites both sources and names the check that decides.

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
mod target;

pub use self::case::{Case, Compiled, Export, Findings, Goal, Listing, PoolFeatures, Target};
pub use self::contents::Contents;
pub use self::outcome::{
    Change, Choice, Config, GpuName, Install, Mode, RebootFor, Suitable, Unlock, Unsuitable,
    Verdict,
};
pub use self::purpose::{Purpose, Targets};
pub use self::statement::{Doubt, Statement};
pub use self::suitability::{Judged, Suitability};

use std::collections::BTreeSet;

use self::statement::Subject;
use crate::catalog::{Card, Catalog, Gpu, State};
use crate::words;

/// Judges a case: the mode and the doubts, or the violated rule and the alternatives.
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

/// A verdict without reasons, for tables of many cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Summary {
    /// It works, or no known fact prevents it.
    Suitable(Mode, State),
    /// It does not work, by this rule.
    Unsuitable(crate::catalog::Rule),
}

/// Judges a case without reasons and choices.
///
/// All GPUs × drivers × kernels of the catalog are 557,960 cases. Optimized, they take 0.1 s on one
/// core, and 1.3 s with [`judge`], which adds reasons, evidence and choices.
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
    /// Returns the verdict without reasons.
    #[must_use]
    pub fn summary(&self) -> Summary {
        match self {
            Self::Suitable(it) => Summary::Suitable(it.mode, it.state),
            Self::Unsuitable(it) => Summary::Unsuitable(it.rule()),
        }
    }
}

/// Returns the name of a GPU, for tables.
#[must_use]
pub fn describe(card: Card<'_>) -> GpuName {
    recipe::gpu_name(card)
}

/// The best mode of a GPU over all drivers, whatever the machine, for tables.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Support {
    /// The mode.
    pub sharing: Sharing,
    /// The branches with at least one release that supports it, in ascending order.
    pub branches: BTreeSet<u8>,
}

words! {
    /// The mode of a GPU, with the values of the Bash script's `gpu_info.db`.
    Sharing, "a kind of vGPU support", {
        /// Supported by NVIDIA.
        Native = "Native",
        /// Unlocked.
        Yes = "Yes",
        /// Sources disagree.
        Unknown = "Unknown",
        /// No vGPU.
        No = "No",
    }
}

impl Support {
    /// Summarizes the verdicts on `gpu`. The best mode hides the branches of others: a Tesla P4 is
    /// native on 16.x, so that it can be unlocked on 17.x does not count.
    #[must_use]
    pub fn of(catalog: &Catalog, gpu: &Gpu) -> Self {
        let [mut native, mut unlock, mut doubtful] = [const { BTreeSet::new() }; 3];
        for driver in catalog.drivers() {
            let branch = driver.release.branch();
            match summarize(catalog, &Case::new(gpu.pci_id(), driver.release)) {
                Summary::Suitable(Mode::Native, State::Settled) => native.insert(branch),
                Summary::Suitable(Mode::Unlock, State::Settled) => unlock.insert(branch),
                Summary::Suitable(..) => doubtful.insert(branch),
                Summary::Unsuitable(_) => false,
            };
        }
        let ways =
            [(Sharing::Native, native), (Sharing::Yes, unlock), (Sharing::Unknown, doubtful)];
        let best = ways.into_iter().find(|(_, branches)| !branches.is_empty());
        let (sharing, branches) = best.unwrap_or((Sharing::No, BTreeSet::new()));
        Self { sharing, branches }
    }
}

#[cfg(test)]
mod tests;
