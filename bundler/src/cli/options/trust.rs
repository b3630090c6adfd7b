use std::num::NonZeroUsize;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use vgpu_keys::Policy;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::{Bundle, Verified};

use crate::dirs;
use crate::trust::{self, TrustError};
use crate::ui::Advise as _;

/// Trust options.
#[derive(Debug, clap::Args)]
pub(crate) struct TrustArgs {
    /// Allowed signers file [default: $XDG_CONFIG_HOME/vgpu-offline/allowed_signers]
    #[arg(long, value_name = "FILE", env = "VGPU_SIGNERS")]
    signers: Option<Utf8PathBuf>,

    /// Revoked keys, one public key a line [default: $XDG_CONFIG_HOME/vgpu-offline/revoked_keys,
    /// if it exists]
    #[arg(long, value_name = "FILE", env = "VGPU_REVOKED")]
    revoked: Option<Utf8PathBuf>,

    /// Number of principals that must have signed
    #[arg(long, value_name = "N", default_value = "1")]
    threshold: NonZeroUsize,
}

pub(crate) fn default_signers() -> anyhow::Result<Utf8PathBuf> {
    Ok(dirs::config()?.join("allowed_signers"))
}

impl TrustArgs {
    pub(crate) fn resolve(&self) -> anyhow::Result<Policy> {
        let path = self.signers.clone().map_or_else(default_signers, Ok)?;
        let revoked = match &self.revoked {
            Some(path) => trust::revoked(path)?
                .with_context(|| format!("there is no list of revoked keys at `{path}`"))?,
            None => trust::revoked(&dirs::config()?.join("revoked_keys"))?.unwrap_or_default(),
        };
        let is_revoking = revoked.iter().next().is_some();
        let policy = trust::policy(&path, self.threshold, revoked);
        if is_revoking && let Err(TrustError::Policy { .. }) = &policy {
            return policy
                .exit(Exit::Untrusted)
                .hint("revoked keys never count; create a key with `vgpu-bundler key generate`, or list another signer");
        }
        policy.hint("`vgpu-bundler key generate` writes one with your own key; for others, add a line `NAME namespaces=\"vgpu-bundle\" ssh-ed25519 …`")
    }

    /// Opens a bundle and verifies its signatures, without reading the payload.
    pub(crate) fn open(&self, bundle: &Utf8PathBuf) -> anyhow::Result<Bundle<Verified>> {
        let policy = self.resolve()?;
        let opened = Bundle::open(bundle).and_then(|opened| opened.verify(&policy));
        opened.map_err(|error| {
            anyhow::Error::new(error).context(format!("cannot use the bundle `{bundle}`"))
        })
    }
}
