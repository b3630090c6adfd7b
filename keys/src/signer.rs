#[cfg(feature = "sign")]
use crate::AgentError;
use crate::{MessageDigest, PublicKey, Role, Signature, SignatureError};

/// Something that holds the private half of a key.
pub trait Signer {
    /// The public half of the key.
    fn public_key(&self) -> &PublicKey;

    /// Sign `message` for `role`.
    ///
    /// The same key, role and message always give the same signature. It is checked before it
    /// is returned.
    fn sign(&self, role: Role, message: &[u8]) -> Result<Signature, SignError> {
        self.sign_digest(role, &MessageDigest::of(message))
    }

    /// As [`sign`](Self::sign), for a message that need not be in memory.
    fn sign_digest(&self, role: Role, message: &MessageDigest) -> Result<Signature, SignError>;
}

/// Why something could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The ssh-agent did not sign.
    #[cfg(feature = "sign")]
    #[error("the ssh-agent did not sign")]
    Agent(#[from] AgentError),
    /// What was made does not hold. The agent or the memory of this machine is broken.
    #[error("a signature was made, but it does not hold")]
    Broken(#[from] SignatureError),
}
