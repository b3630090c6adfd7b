use std::collections::BTreeSet;

use crate::{
    Distrust, Fingerprint, Policy, PolicyError, Principal, Role, Signature, SignedPolicies,
    SignedPolicy,
};

/// A policy cannot replace another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessorError {
    /// It is not a valid policy.
    #[error("the new policy is invalid")]
    Policy(#[from] PolicyError),
    /// It does not have the next version.
    #[error("the current policy has version {have}, so the new one must have version {}, not {found}", have.saturating_add(1))]
    Version {
        /// The version of the current policy.
        have: u64,
        /// The version of the new one.
        found: u64,
    },
    /// It omits a revoked key.
    #[error(
        "the new policy does not revoke {0}, which the current policy revokes; a revoked key stays revoked"
    )]
    Unrevoked(Fingerprint),
    /// Too few signers of the current policy have signed it.
    #[error("too few signers of the current policy have signed the new policy")]
    Old(#[source] Distrust),
    /// Too few of its own signers have signed it, so they may not have their keys.
    #[error("too few signers of the new policy have signed it")]
    New(#[source] Distrust),
}

/// A policy that the signers of its predecessor and its own signers have accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// The policy.
    pub policy: Policy,
    /// Its document, byte for byte as it was signed.
    pub document: Vec<u8>,
    /// The principals of the predecessor that have signed it.
    pub signed_by: BTreeSet<Principal>,
}

/// A host cannot take the policies that a bundle or a file brings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// They start after the next version.
    #[error(
        "this host has policy {have}, and the first newer one here is policy {first}; policy {} is missing", have.saturating_add(1)
    )]
    Gap {
        /// The version of the current policy.
        have: u64,
        /// The first newer version.
        first: u64,
    },
    /// One of them is not accepted.
    #[error("this host cannot take policy {version}")]
    Refused {
        /// The version of the refused policy.
        version: u64,
        /// The reason.
        source: SuccessorError,
        /// Whether the predecessor lists enough principals that may sign a policy.
        can_be_succeeded: bool,
    },
}

impl Policy {
    /// Returns the policies that replace this one, one after the other, from those in `policies`.
    ///
    /// Policies up to the version of this one are skipped, so an older policy never comes back.
    /// Each of the others must be accepted by its predecessor, as
    /// [`accept_successor`](Self::accept_successor) says.
    pub fn follow(&self, policies: &SignedPolicies) -> Result<Vec<Successor>, FollowError> {
        let newer = policies.policies().iter().filter(|next| next.version() > self.version());
        let mut taken: Vec<Successor> = Vec::new();
        for next in newer {
            let current = taken.last().map_or(self, |last| &last.policy);
            taken.push(current.take(next)?);
        }
        Ok(taken)
    }

    fn take(&self, next: &SignedPolicy) -> Result<Successor, FollowError> {
        let (version, have) = (next.version(), self.version());
        if have.checked_add(1) != Some(version) {
            return Err(FollowError::Gap { have, first: version });
        }
        let can_be_succeeded = self.can_be_succeeded();
        let refused = |source| FollowError::Refused { version, source, can_be_succeeded };
        let (document, signatures) = (next.document(), next.signatures());
        self.accept_successor(document, signatures).map_err(refused)
    }

    /// Parses the policy that replaces this one.
    ///
    /// It must have the next version and revoke every key that this one revokes. `signatures`, for
    /// [`Role::Policy`] over the bytes of `document`, must satisfy the threshold of this policy *and*
    /// that of the new one: the old signers consent, and the new ones prove that they have their
    /// keys.
    pub fn accept_successor(
        &self,
        document: &[u8],
        signatures: &[Signature],
    ) -> Result<Successor, SuccessorError> {
        // The document is parsed only after the old signers have consented to it.
        let trusted =
            self.judge(Role::Policy, document, signatures).map_err(SuccessorError::Old)?;
        let next = Self::parse(document)?;
        next.judge(Role::Policy, document, signatures).map_err(SuccessorError::New)?;

        if self.version().checked_add(1) != Some(next.version()) {
            return Err(SuccessorError::Version { have: self.version(), found: next.version() });
        }
        if let Some(key) = next.revoked_keys().missing(self.revoked_keys()).next() {
            return Err(SuccessorError::Unrevoked(key.fingerprint()));
        }
        let (document, signed_by) = (document.to_vec(), trusted.principals);
        Ok(Successor { policy: next, document, signed_by })
    }
}

impl SignedPolicies {
    /// Checks all that does not depend on a host: that the policies can be parsed, and that each is
    /// signed by its own signers and, if its predecessor is here too, by those of its predecessor.
    pub fn check(&self) -> Result<(), FollowError> {
        let mut before: Option<Policy> = None;
        for next in self.policies() {
            let (version, can_be_succeeded) = (next.version(), true);
            let refused = |source| FollowError::Refused { version, source, can_be_succeeded };
            let policy = match before {
                Some(before) => before.take(next)?.policy,
                None => next.by_itself().map_err(refused)?,
            };
            before = Some(policy);
        }
        Ok(())
    }
}

impl SignedPolicy {
    /// Returns the policy, if enough of its own signers have signed it.
    pub fn by_itself(&self) -> Result<Policy, SuccessorError> {
        let policy = Policy::parse(self.document())?;
        let judged = policy.judge(Role::Policy, self.document(), self.signatures());
        judged.map_err(SuccessorError::New)?;
        Ok(policy)
    }
}
