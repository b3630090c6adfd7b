use std::fs;
use std::num::NonZeroUsize;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{Channel, PolicyDraft, Principal, PublicKey, Role, Subject};

use super::{read, write};
use crate::cli::commands::Context;
use crate::cli::options::default_signers;
use crate::trust;
use crate::ui::Advise as _;

/// Write the first policy, from the allowed signers of this machine.
///
/// Prints its SHA-256, which `vgpu-installer trust update --sha256` needs on a new node.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// File to create
    #[arg(long, short, value_name = "FILE", default_value = "policy-1.toml")]
    output: Utf8PathBuf,

    /// Allowed signers file [default: $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
    #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
    signers: Option<Utf8PathBuf>,

    /// Channel of accepted bundles (repeatable)
    #[arg(long = "channel", value_name = "CHANNEL", default_value = "stable")]
    channels: Vec<Channel>,

    #[command(flatten)]
    thresholds: Thresholds,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Thresholds {
    /// Number of principals that must sign a bundle
    #[arg(long, value_name = "N")]
    threshold: Option<NonZeroUsize>,

    /// Number of principals that must sign a policy [default: the same]
    #[arg(long, value_name = "N")]
    policy_threshold: Option<NonZeroUsize>,
}

impl Thresholds {
    fn set(&self, draft: &mut PolicyDraft) {
        draft.threshold = self.threshold.unwrap_or(draft.threshold);
        draft.policy_threshold = self.policy_threshold.or(draft.policy_threshold);
    }
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let path = self.signers.clone().map_or_else(default_signers, Ok)?;
        let signers = trust::read(&path)?;
        let signers = signers
            .with_context(|| format!("there are no allowed signers at `{path}`"))
            .hint("`vgpu-bundler key generate` writes them; add a line for each other signer")?;
        let channels = self.channels.iter().cloned().collect();
        let mut draft = PolicyDraft::first();
        (draft.signers, draft.channels) = (signers, channels);
        self.thresholds.set(&mut draft);
        write(context, &self.output, &draft.finish()?, self.json.into())
    }
}

/// Write the next policy.
///
/// POLICY is the one that it replaces: of `policy init` or `policy edit`, signed or not, or
/// `/etc/vgpu-offline/policy.toml` of a node.
#[derive(Debug, clap::Args)]
pub(super) struct Edit {
    /// Policy to replace
    #[arg(value_name = "POLICY")]
    policy: Utf8PathBuf,

    /// File to create [default: policy-N.toml beside POLICY]
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,

    /// Trust a key of a principal (repeatable)
    #[arg(long, value_name = "NAME=KEYFILE")]
    trust: Vec<NewSigner>,

    /// Namespaces that the keys of `--trust` may sign
    #[arg(long = "for", value_name = "LIST", value_delimiter = ',')]
    #[arg(default_value = "vgpu-bundle,vgpu-policy")]
    roles: Vec<Role>,

    /// Stop trusting a principal or key, which can be trusted again later (repeatable)
    #[arg(long, value_name = "PRINCIPAL|FINGERPRINT")]
    remove: Vec<Subject>,

    /// Revoke the keys of a principal, or one key, permanently (repeatable)
    #[arg(long, value_name = "PRINCIPAL|FINGERPRINT")]
    revoke: Vec<Subject>,

    /// Revoke the key in this file, which need not be trusted (repeatable)
    #[arg(long, value_name = "KEYFILE")]
    revoke_key: Vec<Utf8PathBuf>,

    #[command(flatten)]
    thresholds: Thresholds,

    /// Channel to accept (repeatable)
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<Channel>,

    /// Channel to accept no longer (repeatable)
    #[arg(long = "remove-channel", value_name = "CHANNEL")]
    removed_channels: Vec<Channel>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A principal and the file of its public key.
#[derive(Debug, Clone)]
struct NewSigner {
    principal: Principal,
    key: Utf8PathBuf,
}

impl FromStr for NewSigner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, key) = text.split_once('=').ok_or("expected NAME=KEYFILE")?;
        let principal = name.parse().map_err(|error: vgpu_keys::ParseNameError| error.to_string());
        Ok(Self { principal: principal?, key: key.into() })
    }
}

impl Edit {
    pub(super) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let (_, before) = read(&self.policy)?;
        let mut draft = PolicyDraft::after(&before);
        self.amend(&mut draft)?;
        let next =
            draft.finish().hint("trust another key with `--trust`, or lower `--threshold`")?;
        let changes = next.changes_since(&before);
        if changes.is_empty() {
            bail!("the new policy would be the same as `{}`", self.policy);
        }
        for change in changes {
            context.ui.note(change);
        }
        let output = self.output.clone().unwrap_or_else(|| {
            let folder = self.policy.parent().unwrap_or(Utf8Path::new(""));
            folder.join(format!("policy-{}.toml", next.version()))
        });
        write(context, &output, &next, self.json.into())
    }

    fn amend(&self, draft: &mut PolicyDraft) -> anyhow::Result<()> {
        // First, so that a principal who is replaced by a new key keeps the new one.
        for subject in &self.revoke {
            for (_, key) in draft.find(subject)? {
                draft.revoke(key);
            }
            draft.distrust(subject)?;
        }
        for path in &self.revoke_key {
            draft.revoke(read_key(path)?);
        }
        for subject in &self.remove {
            draft.distrust(subject)?;
        }
        for NewSigner { principal, key } in &self.trust {
            draft.trust(principal, &self.roles, read_key(key)?)?;
        }
        self.thresholds.set(draft);
        draft.channels.extend(self.channels.iter().cloned());
        for channel in &self.removed_channels {
            if !draft.channels.remove(channel) {
                bail!("the policy does not accept the channel `{channel}`");
            }
        }
        Ok(())
    }
}

fn read_key(path: &Utf8Path) -> anyhow::Result<PublicKey> {
    let what = || format!("cannot use the public key `{path}`");
    let text = fs::read_to_string(path).with_context(what)?;
    text.parse().with_context(what)
}
