//! The end of trust in a key: until it is trusted again, or permanently.

use std::num::NonZeroUsize;
use std::str::FromStr;

use camino::Utf8PathBuf;
use vgpu_keys::{AllowedSigners, Fingerprint, ParseNameError, Policy, Principal, PublicKey};

use super::Draft;
use super::add::read_key;
use crate::cli::{Exit, Refused, Target};
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

/// A principal, or one key, as named on the command line.
#[derive(Debug, Clone)]
enum Subject {
    Principal(Principal),
    Key(Fingerprint),
}

impl FromStr for Subject {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A fingerprint contains a colon, and a principal cannot.
        match text.parse() {
            Ok(fingerprint) => Ok(Self::Key(fingerprint)),
            Err(_) => text.parse().map(Self::Principal),
        }
    }
}

impl Subject {
    /// Returns the matching keys in `policy`, at least one.
    fn keys(&self, policy: &Policy) -> Result<Vec<(Principal, PublicKey)>, Refused> {
        let mut keys = Vec::new();
        for signer in policy.allowed_signers().iter() {
            let is_meant = match self {
                Self::Principal(principal) => signer.principal() == principal,
                Self::Key(fingerprint) => signer.key().fingerprint() == *fingerprint,
            };
            if is_meant {
                keys.push((signer.principal().clone(), *signer.key()));
            }
        }
        if keys.is_empty() {
            let text = format!("{self} is not trusted on this host");
            return Err(Refused::Senseless(text));
        }
        Ok(keys)
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Principal(principal) => principal.fmt(f),
            Self::Key(fingerprint) => fingerprint.fmt(f),
        }
    }
}
