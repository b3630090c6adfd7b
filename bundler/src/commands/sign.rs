use anyhow::Context as _;
use camino::Utf8PathBuf;

use super::Context;
use super::verify::{Depth, check};
use crate::options::{SignerArgs, TrustArgs};

/// Add a signature to a bundle, in place.
///
/// It must be trusted already, and every byte of it is read first: whoever signs says that it is
/// whole.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle, or the first of its parts
    bundle: Utf8PathBuf,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        let signer = self.signer.resolve()?;
        check(context, &bundle, &self.bundle, Depth::Deep)?;
        let slot = bundle
            .cosign(&*signer)
            .with_context(|| format!("cannot sign the bundle `{}`", self.bundle))?;
        let key = signer.public_key().fingerprint();
        context.ui.note(format_args!("signed by {key}, in slot {slot} of 8"));
        Ok(())
    }
}
