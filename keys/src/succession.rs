use crate::{Distrust, Fingerprint, Policy, PolicyError, Role, Signature};

/// Why a policy does not replace another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessorError {
    /// It cannot be read.
    #[error("the new policy cannot be read")]
    Policy(#[from] PolicyError),
    /// It does not have the next version.
    #[error("the policy here has version {have}, and only {} can follow it; this one is {found}", have.saturating_add(1))]
    Version {
        /// The version of the policy that would be replaced.
        have: u64,
        /// The version of the new one.
        found: u64,
    },
    /// It takes back what was revoked.
    #[error(
        "the new policy does not revoke {0}, which is revoked here; a revoked key stays revoked"
    )]
    Unrevoked(Fingerprint),
    /// Those who are trusted now have not signed it.
    #[error("the new policy is not signed by enough of those whom the policy here trusts")]
    Old(#[source] Distrust),
    /// Those whom it trusts have not signed it, so nobody knows whether they have their keys.
    #[error("the new policy is not signed by enough of those whom it trusts itself")]
    New(#[source] Distrust),
}

impl Policy {
    /// Read the policy that is to replace this one.
    ///
    /// It must have the next version and revoke all that is revoked here. `signatures`, for
    /// [`Role::Policy`] over the bytes of `document`, must satisfy the threshold of this policy
    /// *and* that of the new one: the old signers consent, and the new ones have shown that they
    /// hold their keys.
    pub fn accept_successor(
        &self,
        document: &[u8],
        signatures: &[Signature],
    ) -> Result<Self, SuccessorError> {
        // Until the old signers have consented, nothing is parsed.
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
