use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::Signature;

use crate::cli::commands::bundle::TRUSTED_KEYS;
use crate::cli::{Advise as _, Exit, Target};
use crate::host::OwnState;
use crate::host::real::read_outside;
use crate::trust;
use crate::ui::{Tone, Ui};

/// Replace the policy with a signed newer one.
///
/// The new policy must have the next version, keep all revocations, and be signed by the
/// thresholds of the current policy and of itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// New policy
    #[arg(value_name = "POLICY")]
    policy: Utf8PathBuf,
    /// Signatures of the policy, from `ssh-keygen -Y sign -n vgpu-policy`
    #[arg(value_name = "SIGNATURE", required = true)]
    signatures: Vec<Utf8PathBuf>,
}

impl Update {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let document = read_outside(&self.policy, 256 << 10)?;
        let signatures = self.signatures.iter().map(|path| read_signature(path));
        let signatures = signatures.collect::<anyhow::Result<Vec<_>>>()?;
        let next = policy.accept_successor(&document, &signatures).hint(TRUSTED_KEYS)?;
        let mut own = OwnState::of(&mut target.host);
        trust::save(&mut own, &next, &document)?;
        let what = format!("replace the policy by version {}", next.version());
        trust::record(&mut own, &what)?;
        let done = format!("the policy now has version {}", next.version());
        ui.say(ui.paint_talk(Tone::Good, &done));
        Ok(Exit::Done)
    }
}

fn read_signature(path: &Utf8Path) -> anyhow::Result<Signature> {
    let armor = read_outside(path, 4096)?;
    Signature::from_armor(&armor).with_context(|| format!("`{path}` is not a signature"))
}
