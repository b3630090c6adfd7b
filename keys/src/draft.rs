use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::{
    AllowedSigner, AllowedSigners, AllowedSignersError, Channel, Fingerprint, ParseNameError,
    Policy, PolicyError, Principal, PublicKey, RevokedKeys, Role, SignerLineError, Upstream,
};

/// A policy that is being written. [`PolicyDraft::finish`] checks it.
#[derive(Debug, Clone)]
pub struct PolicyDraft {
    /// The version.
    pub version: u64,
    /// The number of principals that must sign.
    pub threshold: NonZeroUsize,
    /// The number of principals that must sign the next policy, if it differs.
    pub policy_threshold: Option<NonZeroUsize>,
    /// The channels of accepted bundles.
    pub channels: BTreeSet<Channel>,
    /// The allowed signers.
    pub signers: AllowedSigners,
    /// Whether packages need the signatures of their archives.
    pub upstream: Upstream,
    revoked: RevokedKeys,
}

/// A change of a policy is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// The key is revoked.
    #[error("the key {0} is revoked permanently")]
    Revoked(Fingerprint),
    /// The policy has no such signer.
    #[error("{0} is not trusted by this policy")]
    NotTrusted(Subject),
    /// The new line is invalid.
    #[error(transparent)]
    Line(#[from] SignerLineError),
    /// The new line contradicts another one.
    #[error(transparent)]
    Signers(#[from] AllowedSignersError),
}

impl PolicyDraft {
    /// Returns the first policy, still without signers and channels.
    #[must_use]
    pub fn first() -> Self {
        Self {
            version: 1,
            threshold: NonZeroUsize::MIN,
            policy_threshold: None,
            channels: BTreeSet::new(),
            signers: AllowedSigners::default(),
            upstream: Upstream::default(),
            revoked: RevokedKeys::default(),
        }
    }

    /// Returns the policy after `policy`, still without changes.
    #[must_use]
    pub fn after(policy: &Policy) -> Self {
        let next = Self::of(policy);
        Self { version: next.version.saturating_add(1), ..next }
    }

    fn of(policy: &Policy) -> Self {
        Self {
            version: policy.version(),
            threshold: policy.threshold(),
            policy_threshold: policy.own_policy_threshold(),
            channels: policy.channels().clone(),
            signers: policy.allowed_signers().clone(),
            upstream: policy.upstream(),
            revoked: policy.revoked_keys().clone(),
        }
    }

    /// Allows `key` of `principal` to sign for `roles`, in addition to those that it has.
    pub fn trust(
        &mut self,
        principal: &Principal,
        roles: &[Role],
        key: PublicKey,
    ) -> Result<(), DraftError> {
        if self.revoked.contains(&key) {
            return Err(DraftError::Revoked(key.fingerprint()));
        }
        let mut roles: BTreeSet<Role> = roles.iter().copied().collect();
        let mut signers = AllowedSigners::default();
        for signer in self.signers.iter() {
            if *signer.key() == key && signer.principal() == principal {
                roles.extend(signer.roles());
            } else {
                signers.add(signer.clone())?;
            }
        }
        signers.add(AllowedSigner::new(principal.clone(), roles, key)?)?;
        self.signers = signers;
        Ok(())
    }

    /// Removes signers, which can be trusted again later. Returns their principals and keys.
    pub fn distrust(
        &mut self,
        subject: &Subject,
    ) -> Result<Vec<(Principal, PublicKey)>, DraftError> {
        let found = self.find(subject)?;
        let mut signers = AllowedSigners::default();
        for signer in self.signers.iter() {
            if !found.iter().any(|(_, key)| key == signer.key()) {
                signers.add(signer.clone())?;
            }
        }
        self.signers = signers;
        Ok(found)
    }

    /// Returns the principals and keys of the signers that `subject` names, at least one.
    pub fn find(&self, subject: &Subject) -> Result<Vec<(Principal, PublicKey)>, DraftError> {
        let is_meant = |signer: &&AllowedSigner| match subject {
            Subject::Principal(principal) => signer.principal() == principal,
            Subject::Key(fingerprint) => signer.key().fingerprint() == *fingerprint,
        };
        let found = self.signers.iter().filter(is_meant);
        let found: Vec<_> =
            found.map(|signer| (signer.principal().clone(), *signer.key())).collect();
        if found.is_empty() { Err(DraftError::NotTrusted(subject.clone())) } else { Ok(found) }
    }

    /// Revokes `key` permanently. Returns `false` if it was already revoked.
    pub fn revoke(&mut self, key: PublicKey) -> bool {
        self.revoked.revoke(key)
    }

    /// Returns the policy.
    ///
    /// # Errors
    ///
    /// If it could never trust a bundle.
    pub fn finish(self) -> Result<Policy, PolicyError> {
        let Self { version, threshold, policy_threshold, channels, signers, upstream, revoked } =
            self;
        Ok(Policy::new(version, threshold, channels, signers, revoked)?
            .with_policy_threshold(policy_threshold)
            .with_upstream(upstream))
    }
}

/// A principal, or one key, as named on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All keys of a principal.
    Principal(Principal),
    /// One key.
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

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(principal) => principal.fmt(f),
            Self::Key(fingerprint) => fingerprint.fmt(f),
        }
    }
}
