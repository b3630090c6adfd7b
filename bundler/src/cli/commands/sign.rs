use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_keys::Fingerprint;
use vgpu_manifest::Digest;

use super::Context;
use super::verify::{Depth, check};
use crate::cli::options::{SignerArgs, TrustArgs};
use crate::ui::print_json;

/// Add a signature to a bundle, in place.
///
/// The bundle must be trusted already. Verifies every byte first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bundle, or the first of its parts
    bundle: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        let signer = self.signer.resolve(&context.ui)?;
        check(context, &bundle, &self.bundle, Depth::Deep)?;
        let slot = bundle
            .cosign(&*signer)
            .with_context(|| format!("cannot sign the bundle `{}`", self.bundle))?;
        let key = signer.public_key().fingerprint();
        context.ui.note(format_args!("signed by {key}, in slot {slot} of 8"));
        if self.json {
            print_json(&Report {
                bundle: &self.bundle,
                digest: bundle.digest(),
                signed_by: key,
                slot,
            })?;
        }
        Ok(())
    }
}

/// A bundle with a further signature.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report<'s> {
    /// The file of the bundle.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    bundle: &'s Utf8Path,
    /// The digest of its signed root.
    digest: Digest,
    /// The key that signed it.
    signed_by: Fingerprint,
    /// The slot, from 1, as in `dd bs=512 skip=N count=1`.
    slot: usize,
}
