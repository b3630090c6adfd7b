use anyhow::Context as _;
use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_keys::{Fingerprint, Role, SignedPolicy};

use super::read_text;
use super::show::{Consent, consent};
use crate::cli::commands::Context;
use crate::cli::options::SignerArgs;
use crate::outfile;
use crate::ui::print_json;

/// Add a signature to a policy, in place.
///
/// The signatures follow the document in the same file. Enough signers of the policy itself and of
/// the one that it replaces must sign.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {
    /// Policy to sign
    #[arg(value_name = "POLICY")]
    policy: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    signer: SignerArgs,
}

/// A policy with a further signature.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report {
    /// The version of the policy.
    version: u64,
    /// The key that signed it.
    signed_by: Fingerprint,
    /// The judgement of its own signers.
    own_signers: Consent,
}

impl Sign {
    pub(super) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let path = &self.policy;
        let what = || format!("cannot sign the policy `{path}`");
        let text = read_text(path).with_context(what)?;
        let mut draft = SignedPolicy::parse(&text).with_context(what)?;
        let policy = vgpu_keys::Policy::parse(draft.document()).with_context(what)?;
        for signature in draft.signatures() {
            signature.verify(Role::Policy, draft.document()).with_context(what)?;
        }
        let signer = self.signer.resolve(&context.ui)?;
        draft.check_unsigned_by(signer.public_key()).with_context(what)?;
        let signature = signer.sign(Role::Policy, draft.document()).with_context(what)?;
        draft.add(signature).with_context(what)?;
        outfile::replace(path, &draft.to_bytes(), 0o644)
            .with_context(|| format!("cannot write `{path}`"))?;

        let signed_by = signer.public_key().fingerprint();
        let own_signers = consent(&policy, &draft);
        let version = policy.version();
        context.ui.note(format_args!("policy {version} is signed by {signed_by}"));
        context.ui.note(format_args!("its own signers: {own_signers}"));
        if self.json {
            print_json(&Report { version, signed_by, own_signers })?;
        }
        Ok(())
    }
}
