use crate::{Distrust, Fingerprint, Policy, PolicyError, Role, Signature};

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

impl Policy {
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
    ) -> Result<Self, SuccessorError> {
        // The document is parsed only after the old signers have consented to it.
        self.judge(Role::Policy, document, signatures).map_err(SuccessorError::Old)?;
        let next = Self::parse(document)?;
        next.judge(Role::Policy, document, signatures).map_err(SuccessorError::New)?;

        if self.version().checked_add(1) != Some(next.version()) {
            return Err(SuccessorError::Version { have: self.version(), found: next.version() });
        }
        if let Some(key) = next.revoked_keys().missing(self.revoked_keys()).next() {
            return Err(SuccessorError::Unrevoked(key.fingerprint()));
        }
        Ok(next)
    }
}
