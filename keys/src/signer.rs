#[cfg(feature = "sign")]
use crate::AgentError;
use crate::{MessageDigest, PublicKey, Role, Signature, SignatureError};

/// A holder of a private key.
pub trait Signer {
    /// Returns the public key.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` for `role`.
    ///
    /// The same key, role and message always give the same signature, except on a security key, which
    /// counts its signatures. The signature is verified before it is returned.
    fn sign(&self, role: Role, message: &[u8]) -> Result<Signature, SignError> {
        self.sign_digest(role, &MessageDigest::of(message))
    }

    /// Signs the same as [`sign`](Self::sign) for a message that is not in memory.
    fn sign_digest(&self, role: Role, message: &MessageDigest) -> Result<Signature, SignError>;
}

/// A message could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The ssh-agent did not sign.
    #[cfg(feature = "sign")]
    #[error("the ssh-agent did not sign")]
    Agent(#[from] AgentError),
    /// The new signature is invalid: the agent or the memory of this machine is faulty.
    #[error("the new signature is invalid; check the ssh-agent and the memory of this machine")]
    Broken(#[from] SignatureError),
}
