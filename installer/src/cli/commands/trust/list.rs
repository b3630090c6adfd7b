use serde::Serialize;
use vgpu_keys::{Channel, Fingerprint, Policy, Principal, Role, Upstream};

use super::warn;
use crate::cli::{Exit, Target};
use crate::trust::{self, Floor, Floors};
use crate::ui::{Format, Tone, Ui};

/// List trusted keys, channels and floors
#[derive(Debug, clap::Args)]
pub(crate) struct List {}

/// The policy of this node.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'p> {
    /// The version of the policy.
    version: u64,
    /// The number of principals that must sign a bundle.
    threshold: usize,
    /// The number of principals that must sign a policy.
    policy_threshold: usize,
    /// The principals that may sign a policy.
    policy_signers: Vec<&'p Principal>,
    /// The accepted channels.
    channels: Vec<ChannelEntry<'p>>,
    /// The trusted keys.
    signers: Vec<SignerEntry<'p>>,
    /// The revoked keys.
    revoked: Vec<Fingerprint>,
    /// The requirement on Debian packages.
    upstream: Upstream,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct ChannelEntry<'p> {
    /// The name.
    name: &'p Channel,
    #[serde(flatten)]
    floor: Floor,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct SignerEntry<'p> {
    /// The signer.
    principal: &'p Principal,
    /// The key.
    fingerprint: Fingerprint,
    /// The kinds of documents that it may sign.
    namespaces: Vec<Role>,
    /// The key is revoked.
    revoked: bool,
}

impl List {
    pub(crate) fn run(target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let policy = trust::require(&target.host)?;
        let floors = Floors::load(&target.host)?;
        let document = describe(&policy, &floors);
        if ui.format() == Format::Json {
            ui.print_json(&document)?;
        } else {
            print(&document, ui)?;
            warn(&policy, ui);
        }
        Ok(Exit::Done)
    }
}

fn describe<'p>(policy: &'p Policy, floors: &Floors) -> Document<'p> {
    let channel = |name: &'p Channel| {
        let floor = floors.get(name).cloned().unwrap_or_default();
        ChannelEntry { name, floor }
    };
    let signer = |signer: &'p vgpu_keys::AllowedSigner| SignerEntry {
        principal: signer.principal(),
        fingerprint: signer.key().fingerprint(),
        namespaces: signer.roles().iter().copied().collect(),
        revoked: policy.revoked_keys().contains(signer.key()),
    };
    Document {
        version: policy.version(),
        threshold: policy.threshold_for(Role::Bundle).get(),
        policy_threshold: policy.threshold_for(Role::Policy).get(),
        policy_signers: policy.eligible(Role::Policy).into_iter().collect(),
        channels: policy.channels().iter().map(channel).collect(),
        signers: policy.allowed_signers().iter().map(signer).collect(),
        revoked: policy.revoked_keys().iter().map(vgpu_keys::PublicKey::fingerprint).collect(),
        upstream: policy.upstream(),
    }
}

fn print(document: &Document<'_>, ui: &Ui) -> std::io::Result<()> {
    let Document { version, threshold, channels, signers, revoked, upstream, .. } = document;
    ui.print(format_args!("policy version {version}; {threshold} of these must sign a bundle:"))?;
    let width = signers.iter().map(|s| s.principal.as_str().len()).max().unwrap_or(0);
    for SignerEntry { principal, fingerprint, namespaces, revoked } in signers {
        let roles = namespaces.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mark = if *revoked { ui.paint(Tone::Bad, "  REVOKED") } else { String::new() };
        ui.print(format_args!("  {:width$}  {fingerprint}  {roles}{mark}", principal.as_str()))?;
    }
    let must = document.policy_threshold;
    ui.print(format_args!("{must} of those with vgpu-policy must sign the next policy"))?;
    ui.print("channels:")?;
    for ChannelEntry { name, floor } in channels {
        let from = match floor.proven.last() {
            None if floor.sequence == 0 => "any sequence (no floor)".to_owned(),
            None => format!("from {} on", floor.sequence),
            Some(last) => format!("from {} on; last confirmed: {}", floor.sequence, last.sequence),
        };
        ui.print(format_args!("  {name}  {from}"))?;
    }
    for fingerprint in revoked {
        ui.print(format_args!("revoked: {fingerprint}"))?;
    }
    if *upstream == Upstream::Required {
        ui.print("Debian packages: signatures of their archives required")?;
    }
    Ok(())
}
