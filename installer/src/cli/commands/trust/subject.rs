use std::str::FromStr;

use vgpu_keys::{Fingerprint, ParseNameError, Policy, Principal, PublicKey};

use crate::cli::Refused;

/// A principal, or one key, as named on the command line.
#[derive(Debug, Clone)]
pub(super) enum Subject {
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
    pub(super) fn keys(&self, policy: &Policy) -> Result<Vec<(Principal, PublicKey)>, Refused> {
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
