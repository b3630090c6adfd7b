//! The end of trust in a key: until it is trusted again, or permanently.

use camino::Utf8PathBuf;
use vgpu_keys::{PolicyDraft, PublicKey, Subject};

use super::add::read_key;
use super::{Thresholds, enact};
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
    #[command(flatten)]
    thresholds: Thresholds,
}

impl Revoke {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let mut draft = PolicyDraft::after(&policy);
        let mut revoked = Vec::new();
        for key in self.keys(&draft)? {
            if draft.revoke(key) {
                revoked.push(key.fingerprint().to_string());
            }
        }
        if revoked.is_empty() {
            ui.say("revoked already");
            return Ok(Exit::Done);
        }
        self.thresholds.set(&mut draft);
        enact(draft, &mut target, &format!("revoke {}", revoked.join(" ")), ui)?;
        for fingerprint in revoked {
            ui.say(format_args!("{fingerprint} is revoked"));
        }
        Ok(Exit::Done)
    }

    fn keys(&self, draft: &PolicyDraft) -> anyhow::Result<Vec<PublicKey>> {
        let mut keys = Vec::new();
        if let Some(path) = &self.key {
            keys.push(read_key(path)?);
        }
        if let Some(subject) = &self.subject {
            keys.extend(draft.find(subject)?.into_iter().map(|(_, key)| key));
        }
        Ok(keys)
    }
}

/// Stop trusting a key; it can be trusted again later.
///
/// For a lost or stolen key, use `revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Principal, or the fingerprint of one key
    #[arg(value_name = "PRINCIPAL|FINGERPRINT")]
    subject: Subject,
    #[command(flatten)]
    thresholds: Thresholds,
}

impl Remove {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let mut draft = PolicyDraft::after(&policy);
        let keys = draft.distrust(&self.subject)?;
        self.thresholds.set(&mut draft);
        enact(draft, &mut target, &format!("stop trusting {}", self.subject), ui)?;
        for (principal, key) in keys {
            ui.say(format_args!("{principal} is no longer trusted with {}", key.fingerprint()));
        }
        Ok(Exit::Done)
    }
}
