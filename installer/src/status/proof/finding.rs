use serde::Serialize;

use super::OfferedType;

/// A check of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// The module is built for the running kernel.
    Module,
    /// The module is built for the kernel of the next boot.
    NextKernel,
    /// The module is signed, where Secure Boot requires it.
    Signature,
    /// The module is loaded, in the installed version.
    Loaded,
    /// `nvidia-smi` reaches the driver.
    Tool,
    /// NVIDIA's daemons run.
    Services,
    /// The unlock library is loaded into the daemons.
    Preload,
    /// The virtual functions exist.
    Functions,
    /// The host offers vGPU types.
    Types,
}

impl Check {
    /// The label in a table.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::NextKernel => "next kernel",
            Self::Signature => "signature",
            Self::Loaded => "loaded",
            Self::Tool => "nvidia-smi",
            Self::Services => "services",
            Self::Preload => "preload",
            Self::Functions => "functions",
            Self::Types => "vGPU types",
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum Finding {
    /// Passed.
    Good {
        /// The observation, in one line.
        says: String,
    },
    /// Failed.
    Missing {
        /// The problem.
        reason: String,
        /// The next step.
        remedy: String,
    },
    /// Not applicable.
    NotAsked {
        /// The reason.
        why: String,
    },
}

impl Finding {
    pub(super) fn good(says: impl Into<String>) -> Self {
        Self::Good { says: says.into() }
    }

    pub(super) fn missing(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Missing { reason: reason.into(), remedy: remedy.into() }
    }

    pub(super) fn not_asked(why: impl Into<String>) -> Self {
        Self::NotAsked { why: why.into() }
    }

    /// Not checked: commands do not run here.
    pub(super) fn no_commands() -> Self {
        Self::not_asked("commands do not run here")
    }

    #[cfg(test)]
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

/// A check and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Found {
    pub(crate) check: Check,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

/// The results of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Proof {
    /// The findings; empty if there was nothing to confirm.
    pub(crate) findings: Vec<Found>,
    /// The vGPU types that the host offers.
    pub(crate) types: Vec<OfferedType>,
    /// The outlook of the daemons.
    #[serde(skip)]
    pub(super) daemons: Daemons,
}

/// Whether NVIDIA's daemons can still announce something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Daemons {
    /// They run or start, or their state is unknown.
    #[default]
    MayAnnounce,
    /// One has failed or cannot start.
    Failed,
}

impl Proof {
    /// Replaces the findings of these checks, and adds those of new ones.
    pub(super) fn renew<const N: usize>(&mut self, findings: [(Check, Finding); N]) {
        for (check, finding) in findings {
            match self.findings.iter_mut().find(|found| found.check == check) {
                Some(found) => found.finding = finding,
                None => self.findings.push(Found { check, finding }),
            }
        }
    }

    /// Checks whether everything that is missing may still appear without any action.
    #[must_use]
    pub(crate) fn may_come(&self) -> bool {
        let comes = |check| matches!(check, Check::Services | Check::Functions | Check::Types);
        self.daemons == Daemons::MayAnnounce
            && !self.holds()
            && self.missing().all(|(check, ..)| comes(check))
    }

    /// Checks whether no check failed.
    #[must_use]
    pub(crate) fn holds(&self) -> bool {
        self.missing().next().is_none()
    }

    /// Returns each failed check with its reason and the next step.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (Check, &str, &str)> {
        self.findings.iter().filter_map(|found| match &found.finding {
            Finding::Missing { reason, remedy } => Some((found.check, &**reason, &**remedy)),
            _ => None,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the host does not show what was installed: {}", .0.iter().map(|check| check.name()).collect::<Vec<_>>().join(", "))]
pub(crate) struct Unproven(pub Vec<Check>);
