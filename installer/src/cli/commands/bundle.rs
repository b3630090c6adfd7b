use camino::Utf8PathBuf;
use vgpu_keys::Policy;
use vgpu_manifest::{Bundle, ReadError, Verified, VerifyError};

use crate::cli::Advise as _;
use crate::host::Look;
use crate::store::Known;
use crate::trust;
use crate::ui::Ui;

/// The bundle on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct BundleArg {
    /// Bundle, or the first of its parts
    #[arg(value_name = "BUNDLE")]
    pub(super) path: Utf8PathBuf,
}

/// The hint for a signature that does not count.
pub(super) const TRUSTED_KEYS: &str = "run `vgpu-installer trust list` to see the trusted keys";

impl BundleArg {
    /// Opens the bundle and verifies its signatures by the host's policy.
    pub(super) fn open(&self, look: &dyn Look) -> anyhow::Result<(Policy, Bundle<Verified>)> {
        let policy = trust::require(look)?;
        match Bundle::open(&self.path)?.verify(&policy) {
            Err(error @ VerifyError::Distrusted(_)) => Err(error).hint(TRUSTED_KEYS),
            verified => Ok((policy, verified?)),
        }
    }
}

/// Formats a bundle as `node-a 7 of channel stable, signed by alice and bob`.
pub(super) fn title(bundle: &Known) -> String {
    let Known { name, channel, sequence, signed_by, upstream: _ } = bundle;
    let signers: Vec<_> = signed_by.iter().map(ToString::to_string).collect();
    format!("{name} {sequence} of channel {channel}, signed by {}", signers.join(" and "))
}

/// Reads every byte of the payload and shows progress.
pub(super) fn check(bundle: &Bundle<Verified>, depth: Depth, ui: &Ui) -> Result<String, ReadError> {
    let total = bundle.manifest().items.iter().map(vgpu_manifest::Item::size).sum();
    let progress = ui.progress("checking", total);
    match depth {
        Depth::Chunks => bundle.check(&|bytes| progress.add(bytes))?,
        Depth::Whole => bundle.check_deep(&|bytes| progress.add(bytes))?,
    }
    Ok(progress.summary())
}

/// The digests to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Chunk digests only, which the store relies on.
    Chunks,
    /// Also whole-item digests, as `sha256sum` prints them.
    Whole,
}
