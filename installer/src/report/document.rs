use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Serialize;
use vgpu_keys::{Channel, Fingerprint, Policy};
use vgpu_manifest::inventory::{Cpu, Inventory, Label, Os};
use vgpu_manifest::platform::{BootLoader, KernelRelease, PciId, SecureBoot};
use vgpu_manifest::{Digest, ProgramVersion};

use super::{Standing, Standpoint};
use crate::ui::Date;

/// The version of the report's shape.
pub const SCHEMA: u32 = 1;

/// A report: what is to be the same on equal nodes, and what is this node's own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// The version of this document's shape: [`SCHEMA`].
    pub schema: u32,
    /// The digest of `comparable` as compact JSON: equal on nodes that are the same.
    pub digest: Digest,
    /// Free of names and times.
    pub comparable: Comparable,
    /// Never compared.
    pub this_node: ThisNode,
}

/// What is compared between nodes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparable {
    /// The program that wrote the report.
    pub program: ProgramVersion,
    /// Where the node stands.
    pub standing: Standing,
    /// What was applied, step by step and path by path.
    #[serde(flatten)]
    pub found: Standpoint,
    /// Whom the node trusts.
    pub trust: Option<Trust>,
    /// What kind of machine it is.
    pub machine: MachineKind,
}

/// The policy, in short.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trust {
    version: u64,
    threshold: usize,
    channels: BTreeSet<Channel>,
    signers: Vec<String>,
    revoked: Vec<Fingerprint>,
}

/// What nodes of one kind have in common.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachineKind {
    os: Os,
    cpu: Cpu,
    kernel: Option<KernelRelease>,
    boot_loader: Option<BootLoader>,
    secure_boot: SecureBoot,
    gpus: Vec<PciId>,
}

/// What is this node's own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ThisNode {
    /// Its name.
    pub host_name: Option<Label>,
    /// When the report was written, by the node's clock.
    pub written: String,
}

/// Put a report together, as of `now`.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn document(
    found: Standpoint,
    policy: Option<&Policy>,
    facts: Inventory,
    now: SystemTime,
) -> Result<Document, serde_json::Error> {
    let host_name = facts.identity.as_ref().and_then(|identity| identity.host_name.clone());
    let comparable = Comparable {
        program: ProgramVersion::current(),
        standing: found.standing(),
        found,
        trust: policy.map(trust),
        machine: kind(facts),
    };
    let digest = Digest::of(&serde_json::to_vec(&comparable)?);
    let this_node = ThisNode { host_name, written: Date::from(now).to_string() };
    Ok(Document { schema: SCHEMA, digest, comparable, this_node })
}

fn trust(policy: &Policy) -> Trust {
    Trust {
        version: policy.version(),
        threshold: policy.threshold().get(),
        channels: policy.channels().clone(),
        signers: policy.allowed_signers().iter().map(ToString::to_string).collect(),
        revoked: policy.revoked_keys().iter().map(vgpu_keys::PublicKey::fingerprint).collect(),
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
