use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Serialize;
use vgpu_keys::{Channel, Fingerprint, Policy, Upstream};
use vgpu_manifest::inventory::{Cpu, Inventory, Label, Os};
use vgpu_manifest::mapping::NodeMapping;
use vgpu_manifest::platform::{BootLoader, KernelRelease, PciId, SecureBoot};
use vgpu_manifest::{Digest, Holding, ProgramVersion};

use super::{HostState, Standpoint};
use crate::date::Date;
use crate::status::proof::Proof;

/// The schema version of reports.
pub(crate) const SCHEMA: u32 = 1;

/// A report: facts that are equal on identical nodes, and facts of this node only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document {
    /// The schema version: [`SCHEMA`].
    pub(crate) schema: u32,
    /// The digest of `comparable` as compact JSON; equal on identical nodes.
    pub(crate) digest: Digest,
    /// The comparable part, without names and times.
    pub(crate) comparable: Comparable,
    /// The part that is never compared.
    pub(crate) this_node: ThisNode,
}

/// The facts that are compared between nodes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Comparable {
    /// The version of vgpu-installer.
    pub(crate) program: ProgramVersion,
    /// The state of the node.
    pub(crate) state: HostState,
    /// The applied bundle, with its steps and paths.
    #[serde(flatten)]
    pub(crate) found: Standpoint,
    /// The trusted keys.
    pub(crate) trust: Option<Trust>,
    /// The machine.
    pub(crate) machine: MachineKind,
}

/// A summary of the policy.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trust {
    /// The version of the policy.
    version: u64,
    /// The number of principals that must sign a bundle.
    threshold: usize,
    /// The accepted channels.
    channels: BTreeSet<Channel>,
    /// The trusted keys, each with its principal and namespaces.
    signers: Vec<String>,
    /// The revoked keys.
    revoked: Vec<Fingerprint>,
    /// Whether Debian packages need the signatures of their archives.
    upstream: Upstream,
}

/// The facts that identical nodes share.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct MachineKind {
    /// The operating system.
    os: Os,
    /// The processor.
    cpu: Cpu,
    /// The running kernel.
    kernel: Option<KernelRelease>,
    /// The boot loader.
    boot_loader: Option<BootLoader>,
    /// The state of Secure Boot.
    secure_boot: SecureBoot,
    /// The PCI ids of the GPUs.
    gpus: Vec<PciId>,
}

/// The facts of this node only.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ThisNode {
    /// The unit name.
    pub(crate) host_name: Option<Label>,
    /// The time of the report, by the node's clock.
    pub(crate) written: String,
    /// The contents of the store, which a delta bundle may leave out.
    pub(crate) store: Vec<Holding>,
    /// The devices of its GPUs with vGPUs, for mappings of the cluster.
    pub(crate) mappings: Vec<NodeMapping>,
    /// The checks of the host; absent if there was nothing to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<Proof>,
}

/// Assembles a report as of `now`.
///
/// # Errors
///
/// The report cannot be serialized as JSON.
pub(crate) fn document(
    found: Standpoint,
    policy: Option<&Policy>,
    facts: Inventory,
    store: Vec<Holding>,
    now: SystemTime,
) -> Result<Document, serde_json::Error> {
    let host_name = facts.identity.as_ref().and_then(|identity| identity.host_name.clone());
    let mappings = found.used.mappings.clone();
    let proof = Some(found.proof.clone()).filter(|proof| !proof.findings.is_empty());
    let comparable = Comparable {
        program: ProgramVersion::current(),
        state: found.state(),
        found,
        trust: policy.map(trust),
        machine: kind(facts),
    };
    let digest = Digest::of(&serde_json::to_vec(&comparable)?);
    let written = Date::from(now).to_string();
    let this_node = ThisNode { host_name, written, store, mappings, proof };
    Ok(Document { schema: SCHEMA, digest, comparable, this_node })
}

fn trust(policy: &Policy) -> Trust {
    Trust {
        version: policy.version(),
        threshold: policy.threshold().get(),
        channels: policy.channels().clone(),
        signers: policy.allowed_signers().iter().map(ToString::to_string).collect(),
        revoked: policy.revoked_keys().iter().map(vgpu_keys::PublicKey::fingerprint).collect(),
        upstream: policy.upstream(),
    }
}

fn kind(facts: Inventory) -> MachineKind {
    MachineKind {
        os: facts.os,
        cpu: facts.cpu,
        kernel: facts.kernels.running,
        boot_loader: facts.boot.loader,
        secure_boot: facts.boot.secure_boot,
        gpus: facts.gpus.into_iter().map(|gpu| gpu.id).collect(),
    }
}
