use camino::Utf8PathBuf;
use vgpu_keys::{Policy, Successor};
use vgpu_manifest::{Bundle, ReadError, Verified, VerifyError};

use crate::cli::{Advise as _, Target};
use crate::host::{Look, OwnState};
use crate::journal;
use crate::store::{Known, missing};
use crate::trust;
use crate::ui::{Tone, Ui, printable};

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
    /// Opens the bundle and verifies its signatures by the host's policy, or by the last of the
    /// policies in the bundle that replace it.
    pub(super) fn open(&self, look: &dyn Look) -> anyhow::Result<(Policy, Bundle<Verified>)> {
        let policy = trust::require(look)?;
        let bundle = Bundle::open(&self.path)?;
        let newer = bundle.successors(&policy)?.pop();
        let is_skipped = newer.is_none() && bundle.claims_policies();
        let policy = newer.map_or(policy, |last| last.policy);
        match bundle.verify(&policy) {
            // After a change on the host itself, its versions differ from those of other hosts.
            Err(error @ VerifyError::Distrusted(_)) if is_skipped => Err(error).hint(format!(
                "the policies in the bundle are not newer than policy {} of this host; if that was \
                    changed on this host (`trust.log`), get the next signed policy, or run \
                    `vgpu-installer trust add`",
                policy.version()
            )),
            Err(error @ VerifyError::Distrusted(_)) => Err(error).hint(TRUSTED_KEYS),
            verified => Ok((policy, verified?)),
        }
    }

    /// Returns the policies in the bundle that replace the host's policy.
    fn successors(&self, policy: &Policy) -> anyhow::Result<Vec<Successor>> {
        Ok(Bundle::open(&self.path)?.successors(policy)?)
    }

    /// Describes these policies. Takes none.
    pub(super) fn tell_successors(&self, look: &dyn Look, ui: &Ui) -> anyhow::Result<()> {
        let policy = trust::require(look)?;
        let successors = self.successors(&policy)?;
        tell(&policy, &successors, ui);
        if let Some(Successor { policy, .. }) = successors.last() {
            let version = policy.version();
            ui.say(format_args!(
                "`apply` takes policy {version} before anything else; the bundle is judged by it"
            ));
        }
        Ok(())
    }

    /// Makes the last of these policies the policy of the host.
    ///
    /// They come before everything else: also if the bundle is refused, the plan is declined or the
    /// bundle is reverted, a revocation must stay.
    pub(super) fn take_successors(&self, target: &mut Target, ui: &Ui) -> anyhow::Result<()> {
        if self.successors(&trust::require(&target.host)?)?.is_empty() {
            return Ok(());
        }
        let _lock = target.lock()?;
        // Another run may have replaced the policy before this one had the lock.
        let policy = trust::require(&target.host)?;
        let successors = self.successors(&policy)?;
        tell(&policy, &successors, ui);
        trust::take(&mut OwnState::of(&mut target.host), &successors)?;
        let version = trust::require(&target.host)?.version();
        let done = format!("the policy now has version {version}; a revert does not undo this");
        ui.say(ui.paint_talk(Tone::Good, &done));
        Ok(())
    }
}

fn tell(policy: &Policy, successors: &[Successor], ui: &Ui) {
    for line in trust::describe(policy, successors) {
        ui.say(printable(&line));
    }
}

/// Formats a bundle as `node-a 7 of channel stable, signed by alice and bob`.
pub(crate) fn title(bundle: &Known) -> String {
    let Known { name, channel, sequence, signed_by, upstream: _ } = bundle;
    let signers: Vec<_> = signed_by.iter().map(ToString::to_string).collect();
    let signed_by = match signers.join(" and ") {
        // The list of bundles was rebuilt from the manifests, which do not name them.
        none if none.is_empty() => "of unknown signers".to_owned(),
        names => format!("signed by {names}"),
    };
    format!("{name} {sequence} of channel {channel}, {signed_by}")
}

/// Checks that the store has every item that the bundle leaves out. As everywhere, an item is hashed
/// when it is used.
pub(super) fn check_left_out(look: &dyn Look, bundle: &Bundle<Verified>) -> anyhow::Result<()> {
    let missing = missing(look, bundle.manifest(), journal::Depth::Sizes)?;
    Ok(missing.check_left_out()?)
}

/// Reads every byte of the payload in the bundle and shows progress.
pub(super) fn check(bundle: &Bundle<Verified>, depth: Depth, ui: &Ui) -> Result<String, ReadError> {
    let total = bundle.manifest().carried_bytes();
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
