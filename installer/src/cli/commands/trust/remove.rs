use std::num::NonZeroUsize;

use vgpu_keys::AllowedSigners;

use super::Draft;
use super::subject::Subject;
use crate::cli::{Exit, Target};
use crate::trust;
use crate::ui::Ui;

/// Stop trusting a key; it can be trusted again later.
///
/// For a lost or stolen key, use `revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Principal, or the fingerprint of one key
    #[arg(value_name = "PRINCIPAL|FINGERPRINT")]
    subject: Subject,
    /// Number of principals that must sign a bundle from now on
    #[arg(long, value_name = "N")]
    threshold: Option<NonZeroUsize>,
}

impl Remove {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let keys = self.subject.keys(&policy)?;
        let mut draft = Draft::after(&policy);
        let mut signers = AllowedSigners::default();
        for signer in policy.allowed_signers().iter() {
            if !keys.iter().any(|(_, key)| key == signer.key()) {
                signers.add(signer.clone())?;
            }
        }
        draft.signers = signers;
        draft.threshold = self.threshold.unwrap_or(draft.threshold);
        draft.enact(&mut target, &format!("stop trusting {}", self.subject))?;
        for (principal, key) in keys {
            ui.say(format_args!("{principal} is no longer trusted with {}", key.fingerprint()));
        }
        Ok(Exit::Done)
    }
}
