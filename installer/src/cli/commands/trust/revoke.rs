use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use vgpu_keys::{Policy, PublicKey};

use super::Draft;
use super::add::read_key;
use super::subject::Subject;
use crate::cli::{Exit, Target};
use crate::trust;
use crate::ui::Ui;

/// Revoke a key permanently.
///
/// No later policy can undo a revocation.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// Principal, or the fingerprint of one key
    #[arg(value_name = "PRINCIPAL|FINGERPRINT", required_unless_present = "key")]
    subject: Option<Subject>,
    /// Public key file; the key need not be trusted here
    #[arg(long, value_name = "KEYFILE", conflicts_with = "subject")]
    key: Option<Utf8PathBuf>,
    /// Number of principals that must sign a bundle from now on
    #[arg(long, value_name = "N")]
    threshold: Option<NonZeroUsize>,
}

impl Revoke {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let mut draft = Draft::after(&policy);
        let mut revoked = Vec::new();
        for key in self.keys(&policy)? {
            if draft.revoked.revoke(key) {
                revoked.push(key.fingerprint().to_string());
            }
        }
        if revoked.is_empty() {
            ui.say("revoked already");
            return Ok(Exit::Done);
        }
        draft.threshold = self.threshold.unwrap_or(draft.threshold);
        draft.enact(&mut target, &format!("revoke {}", revoked.join(" ")))?;
        for fingerprint in revoked {
            ui.say(format_args!("{fingerprint} is revoked"));
        }
        Ok(Exit::Done)
    }

    fn keys(&self, policy: &Policy) -> anyhow::Result<Vec<PublicKey>> {
        let mut keys = Vec::new();
        if let Some(path) = &self.key {
            keys.push(read_key(path)?);
        }
        if let Some(subject) = &self.subject {
            keys.extend(subject.keys(policy)?.into_iter().map(|(_, key)| key));
        }
        Ok(keys)
    }
}
