//! The steps that take a host to its target state, computed before any change.

mod apply;
mod concerns;
mod diff;
mod planner;
mod propose;
mod rehearse;
mod replaced;
mod resume_unit;
mod review;
mod rollback;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
pub(crate) use self::apply::apply;
pub(crate) use self::apply::{
    Applied, ApplyError, Applying, Origin, Phase, Reboot, apply_until, runs_commands,
};
pub(crate) use self::concerns::Concern;
#[cfg(test)]
pub(crate) use self::planner::plan;
pub(crate) use self::planner::{Choices, GuestTools, Surroundings, Unsuitable, plan_with};
pub(crate) use self::propose::{InstalledHeaders, Proposed, Source};
pub(crate) use self::rehearse::{Rehearsal, RehearseError, rehearse};
pub(crate) use self::replaced::{Created, Files, Replaced};
pub(crate) use self::resume_unit::{Resume, enabled};
pub(crate) use self::review::{Basis, MAX_REVIEW, Review, Reviewed};
pub(crate) use self::rollback::{Rollback, rollback};

use serde::{Deserialize, Serialize};
use vgpu_manifest::printable;

use crate::step::Step;

/// The version of the stored form of a plan, and the only one that this program reads.
const VERSION: u32 = 1;

/// The steps for a host, as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Plan {
    version: u32,
    /// The steps before the reboot, in order; all steps if the plan needs no reboot in between.
    pub(crate) before_reboot: Vec<Step>,
    /// The steps that need the effect of phase 1, in order.
    pub(crate) after_reboot: Vec<Step>,
    /// The objections of the judgement that the operator has overridden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) overridden: Vec<String>,
}

/// A stored plan cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PlanError {
    /// It has another version.
    #[error(
        "the plan has version {0}, and this program reads version {VERSION}; use the program that made it"
    )]
    Version(u32),
    /// It is not a plan that this program writes.
    #[error("the plan is malformed: {}", printable(&.0.to_string()))]
    Syntax(#[from] serde_json::Error),
}

impl Plan {
    /// Returns a plan of these steps.
    #[must_use]
    pub(crate) fn new(before_reboot: Vec<Step>, after_reboot: Vec<Step>) -> Self {
        Self { version: VERSION, before_reboot, after_reboot, overridden: Vec::new() }
    }

    /// Returns all steps, in order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.before_reboot.iter().chain(&self.after_reboot)
    }

    /// Parses the stored form.
    pub(crate) fn parse(text: &str) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Preamble {
            version: u32,
        }
        let Preamble { version } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(PlanError::Version(version));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Returns the stored form. Equal plans give equal texts.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| unreachable!("a plan is plain data"))
    }
}
