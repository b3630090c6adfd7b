use serde::Serialize;

use super::OfferedType;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The module is built for the kernel that runs.
    Module,
    /// It is built for the kernel that the next boot takes.
    NextKernel,
    /// It is signed, where Secure Boot demands that.
    Signature,
    /// It is loaded, in the version that was installed.
    Loaded,
    /// `nvidia-smi` reaches it.
    Tool,
    /// NVIDIA's daemons are up.
    Services,
    /// The unlock library is in them.
    Preload,
    /// The virtual functions are there.
    Functions,
    /// There are vGPU types.
    Types,
}

impl Check {
    /// What it is about, for a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
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

/// What a check has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Finding {
    /// What it was looking for.
    Good {
        /// What that is, in a line.
        says: String,
    },
    /// Something else.
    Missing {
        /// What is not as it should be.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// It has nothing to look for here.
    NotAsked {
        /// Why.
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

    /// Only commands could say, and none run here.
    pub(super) fn no_commands() -> Self {
        Self::not_asked("commands do not run here")
    }

    /// Whether it speaks against the installation.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

/// A check with what it has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// The check.
    pub check: Check,
    /// What it has seen.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What all checks have seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// Check by check; none if nothing was to be proven.
    pub findings: Vec<Found>,
    /// The vGPU types that the host offers.
    pub types: Vec<OfferedType>,
}

impl Proof {
    /// Whether nothing speaks against the installation.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.missing().next().is_none()
    }

    /// What speaks against it: the check, the reason, and what to do.
    pub fn missing(&self) -> impl Iterator<Item = (Check, &str, &str)> {
        self.findings.iter().filter_map(|found| match &found.finding {
            Finding::Missing { reason, remedy } => Some((found.check, &**reason, &**remedy)),
            _ => None,
        })
    }
}

/// The host does not show what was installed.
#[derive(Debug, thiserror::Error)]
#[error("the host does not show what was installed: {}", .0.iter().map(|check| check.name()).collect::<Vec<_>>().join(", "))]
pub struct Unproven(pub Vec<Check>);
