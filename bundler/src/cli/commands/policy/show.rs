use std::fmt;

use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_keys::{Channel, Fingerprint, Policy, Principal, PublicKey, Role, SignedPolicy};
use vgpu_manifest::Digest;

use super::read;
use crate::ui::{print, print_json};

/// Show a policy and its signatures.
///
/// Of a file with several policies, shows the last one. With `--after`, shows also what it changes,
/// and whether enough signers of the policy that it replaces have signed it.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Policy
    #[arg(value_name = "POLICY")]
    policy: Utf8PathBuf,

    /// The policy that it replaces
    #[arg(long, value_name = "POLICY")]
    after: Option<Utf8PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A policy, and the effect of its signatures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Shown {
    /// The version of the policy.
    version: u64,
    /// The digest of its document.
    sha256: Digest,
    /// The number of principals that must sign a bundle.
    threshold: usize,
    /// The number of principals that must sign a policy.
    policy_threshold: usize,
    /// The accepted channels.
    channels: Vec<Channel>,
    /// The trusted keys.
    signers: Vec<Signer>,
    /// The revoked keys.
    revoked: Vec<Fingerprint>,
    /// The keys that have signed the policy.
    signatures: Vec<Fingerprint>,
    /// The judgement of its own signers.
    own_signers: Consent,
    /// With `--after`: the comparison with the earlier policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<After>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Signer {
    /// The signer.
    principal: Principal,
    /// The key.
    fingerprint: Fingerprint,
    /// The kinds of documents that it may sign.
    namespaces: Vec<Role>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct After {
    /// The version of the earlier policy.
    version: u64,
    /// A line for each change.
    changes: Vec<String>,
    /// The judgement of the earlier policy's signers.
    signers: Consent,
}

/// Whether enough signers of a policy have signed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Consent {
    /// Enough principals have signed.
    enough: bool,
    /// A sentence about it.
    says: String,
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

/// Asks `policy` whether enough of its signers have signed `signed`.
pub(super) fn consent(policy: &Policy, signed: &SignedPolicy) -> Consent {
    match policy.judge(Role::Policy, signed.document(), signed.signatures()) {
        Ok(trusted) => {
            let names: Vec<_> = trusted.principals.iter().map(Principal::as_str).collect();
            Consent { enough: true, says: format!("enough have signed ({})", names.join(", ")) }
        }
        Err(error) => Consent { enough: false, says: error.to_string() },
    }
}

impl Show {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let (signed, policy) = read(&self.policy)?;
        let after = self.after.as_ref().map(|path| read(path)).transpose()?;
        let after = after.map(|(_, before)| {
            let mut changes = policy.changes_since(&before);
            let (is, next) = (policy.version(), before.version().saturating_add(1));
            if is != next {
                changes.insert(0, format!("wrong version: the next one is {next}, not {is}"));
            }
            let signers = consent(&before, &signed);
            After { version: before.version(), changes, signers }
        });
        let shown = describe(&signed, &policy, after);
        if self.json { Ok(print_json(&shown)?) } else { Ok(print(lines(&shown))?) }
    }
}

fn describe(signed: &SignedPolicy, policy: &Policy, after: Option<After>) -> Shown {
    let signers = policy.allowed_signers().iter().map(|signer| Signer {
        principal: signer.principal().clone(),
        fingerprint: signer.key().fingerprint(),
        namespaces: signer.roles().iter().copied().collect(),
    });
    Shown {
        version: policy.version(),
        sha256: Digest::of(signed.document()),
        threshold: policy.threshold_for(Role::Bundle).get(),
        policy_threshold: policy.threshold_for(Role::Policy).get(),
        channels: policy.channels().iter().cloned().collect(),
        signers: signers.collect(),
        revoked: policy.revoked_keys().iter().map(PublicKey::fingerprint).collect(),
        signatures: signed.signatures().iter().map(|it| it.key().fingerprint()).collect(),
        own_signers: consent(policy, signed),
        after,
    }
}

fn lines(shown: &Shown) -> Vec<String> {
    let mut lines = vec![format!("policy {}, SHA-256 {}", shown.version, shown.sha256)];
    let Shown { threshold, policy_threshold, .. } = shown;
    lines.push(format!("must sign a bundle: {threshold}; a policy: {policy_threshold}; of"));
    for Signer { principal, fingerprint, namespaces } in &shown.signers {
        let roles: Vec<_> = namespaces.iter().map(|role| role.namespace()).collect();
        lines.push(format!("  {principal}  {fingerprint}  {}", roles.join(",")));
    }
    let channels: Vec<_> = shown.channels.iter().map(Channel::as_str).collect();
    lines.push(format!("channels: {}", channels.join(", ")));
    lines.extend(shown.revoked.iter().map(|key| format!("revoked: {key}")));
    lines.extend(shown.signatures.iter().map(|key| format!("signature by {key}")));
    lines.push(format!("its own signers: {}", shown.own_signers));
    if let Some(After { version, changes, signers }) = &shown.after {
        lines.push(format!("signers of policy {version}: {signers}"));
        lines.push(format!("changes since policy {version}:"));
        lines.extend(changes.iter().map(|change| format!("  {change}")));
    }
    lines
}
