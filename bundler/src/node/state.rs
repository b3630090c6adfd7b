//! The state of a node, from the comparable part of its report.

use serde::Deserialize;
use vgpu_manifest::ProgramVersion;

use super::{Entry, Known};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct NodeState {
    pub(crate) program: ProgramVersion,
    pub(crate) state: HostState,
    /// The last applied bundle.
    pub(crate) applied: Option<Applied>,
    /// The judgement of that bundle on the node as it is now.
    pub(crate) fit: Option<Fit>,
    pub(crate) reboot_pending: bool,
    /// The number of earlier bundles that are still applied.
    pub(crate) earlier: usize,
    pub(crate) trust: Option<Trust>,
    pub(crate) machine: Machine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostState {
    Nothing,
    InSync,
    Pending,
    Drifted,
    Interrupted,
    Failed,
    Running,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Applied {
    /// The digest of the bundle's `SHA256SUMS`.
    pub(crate) digest: String,
    pub(crate) bundle: Option<Known>,
    pub(crate) steps: Vec<CheckedStep>,
    pub(crate) changes: Vec<ChangedPath>,
    pub(crate) packages: Vec<Package>,
    pub(crate) modules: Vec<Module>,
    /// The components that were removed later.
    #[serde(default)]
    pub(crate) removed: Vec<String>,
    /// The objections that the operator has overridden.
    #[serde(default)]
    pub(crate) overridden: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CheckedStep {
    pub(crate) summary: String,
    pub(crate) state: StepState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepState {
    InSync,
    Pending,
    Drifted,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChangedPath {
    pub(crate) path: String,
    /// The target state.
    pub(crate) becomes: Becomes,
    /// The current state, if it differs.
    pub(crate) is: Option<Becomes>,
}

/// The state of a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Becomes {
    Node(Entry),
    /// The rest of the file belongs to the node.
    WithWords(Vec<String>),
    Nothing,
}

impl std::fmt::Display for Becomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(entry) => entry.fmt(f),
            Self::WithWords(words) => write!(f, "file with {}", words.join(" ")),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) package: String,
    pub(crate) is: Option<PackageIs>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PackageIs {
    pub(crate) version: String,
    pub(crate) state: String,
}

/// A DKMS module.
#[derive(Debug, Deserialize)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) state: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Fit {
    pub(crate) driver: Option<String>,
    pub(crate) kernel: Option<String>,
    pub(crate) objections: Vec<String>,
}

/// A summary of the node's policy.
#[derive(Debug, Deserialize)]
pub(crate) struct Trust {
    pub(crate) version: u64,
    pub(crate) threshold: usize,
    pub(crate) channels: Vec<String>,
    pub(crate) signers: Vec<String>,
    pub(crate) revoked: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Machine {
    pub(crate) os: Os,
    pub(crate) kernel: Option<String>,
    pub(crate) boot_loader: Option<String>,
    pub(crate) secure_boot: String,
    pub(crate) gpus: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Os {
    pub(crate) pve: Option<String>,
    pub(crate) debian: Option<String>,
}

/// The checks of a host.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Proof {
    pub(crate) findings: Vec<Found>,
    #[serde(default)]
    pub(crate) types: Vec<OfferedType>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) check: String,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum Finding {
    Good { says: String },
    Missing { reason: String, remedy: String },
    NotAsked { why: String },
}

/// A vGPU type that the node offers.
#[derive(Debug, Deserialize)]
pub(crate) struct OfferedType {
    pub(crate) gpu: String,
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) framebuffer: Option<String>,
    pub(crate) available: u32,
}
