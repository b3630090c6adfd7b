//! Signed policies in a bundle, which a host takes before it judges the bundle itself.
//!
//! They are read before anything is trusted, so that a bundle can bring the policy that trusts its
//! signers. No unsigned byte leaves this module: a policy is returned only if the signers of its
//! predecessor and its own signers have signed it.

use vgpu_keys::{
    FollowError, MAX_POLICIES, Policy, SignedPolicies, SignedPoliciesError, Successor,
};

use super::header::Header;
use super::parts::Parts;
use super::{Unverified, VerifyError, read_member};
use crate::types::POLICIES;
use crate::{Bundle, Manifest, Verified};

/// The signed policies of a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoliciesError {
    /// The text is malformed.
    #[error("the signed policies in the bundle are malformed")]
    Malformed(#[from] SignedPoliciesError),
    /// They are not accepted.
    #[error("the signed policies in the bundle are not accepted")]
    Follow(#[from] FollowError),
    /// They are not the signed ones.
    #[error("the signed policies in the bundle are damaged; copy the bundle again")]
    Damaged,
}

/// Reads the policies whose header would be at `at`. Returns `None` if another member is there.
///
/// This is the third size that is read from a header before the signatures are verified.
/// Verification compares the header and the digest later, as for every member.
pub(super) fn read_policies(parts: &Parts, at: u64) -> Result<Option<Vec<u8>>, VerifyError> {
    let mut header: Header = [0; 512];
    // An archive that ends here has no items, or is truncated; verification tells which.
    if parts.read_exact_at(&mut header, at).is_err() {
        return Ok(None);
    }
    let (name, rest) = header[..100].split_at(POLICIES.len());
    if name != POLICIES.as_bytes() || rest.iter().any(|&byte| byte != 0) {
        return Ok(None);
    }
    read_member(parts, at, POLICIES, MAX_POLICIES).map(Some)
}

/// Checks the policies that were read against the verified manifest.
pub(super) fn check_policies(
    manifest: &Manifest,
    policies: Option<&[u8]>,
) -> Result<Option<SignedPolicies>, PoliciesError> {
    // The caller has compared the headers, so both are there or none.
    let (Some(item), Some(text)) = (manifest.policies(), policies) else { return Ok(None) };
    if crate::Digest::of(text) != item.sha256() {
        return Err(PoliciesError::Damaged);
    }
    let policies = SignedPolicies::parse(text)?;
    policies.check()?;
    Ok(Some(policies))
}

impl Bundle<Unverified> {
    /// Checks whether the bundle claims to have signed policies, for a hint.
    #[must_use]
    pub fn claims_policies(&self) -> bool {
        self.state.policies.is_some()
    }

    /// Returns the policies in the bundle that replace `policy`, the oldest first.
    ///
    /// The last of them, if any, is the one to [`verify`](Self::verify) the bundle with.
    ///
    /// # Errors
    ///
    /// If the host cannot take one of them; a bundle must not be used then. Otherwise, withholding a
    /// signature would be enough to keep a revocation from a host.
    pub fn successors(&self, policy: &Policy) -> Result<Vec<Successor>, VerifyError> {
        let Some(text) = &self.state.policies else { return Ok(Vec::new()) };
        let policies = SignedPolicies::parse(text).map_err(PoliciesError::from)?;
        Ok(policy.follow(&policies).map_err(PoliciesError::from)?)
    }
}

impl Bundle<Verified> {
    /// Returns the signed policies in the bundle.
    #[must_use]
    pub fn policies(&self) -> Option<&SignedPolicies> {
        self.state.policies.as_ref()
    }
}
