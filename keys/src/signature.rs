use crate::armor::{self, ArmorError, Label};
use crate::public_key::ED25519;
use crate::wire::{Malformed, Reader, put_string, show};
use crate::{KeyError, MessageDigest, PublicKey, Role};

/// A signature in the form of `ssh-keygen -Y sign`: by an Ed25519 key, over the SHA-512 of a message,
/// for a [`Role`].
///
/// Parsing does not verify it; [`Signature::verify`] does. Every value has exactly one text, so no
/// change of the text gives the same signature (the format is `PROTOCOL.sshsig` of OpenSSH).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    role: Role,
    bytes: [u8; 64],
}

/// A signature is unusable or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It has no armor.
    #[error("not an armored signature")]
    Armor(#[from] ArmorError),
    /// The signature is not in the canonical form of `ssh-keygen`.
    #[error(
        "the armor is not as `ssh-keygen -Y sign` writes it: its lines were rewrapped, or spaces, carriage returns or other bytes were added or removed"
    )]
    NotCanonical,
    /// The binary signature has the wrong length.
    #[error("the signature {0}")]
    Malformed(Malformed),
    /// It does not start with `SSHSIG`.
    #[error("the armor does not contain an SSH signature")]
    Magic,
    /// It has another version of the format.
    #[error("the signature has format {0}, and only format 1 is supported")]
    Version(u32),
    /// Its key is of another type, or invalid.
    #[error("the signature was made with a key that is not accepted")]
    Key(#[source] KeyError),
    /// It is for another purpose, such as a file or a commit.
    #[error("the signature has the wrong namespace: `{0}` is unknown")]
    Namespace(String),
    /// The reserved field is not empty.
    #[error("the reserved field of the signature is not empty")]
    Reserved,
    /// It uses another hash of the message.
    #[error(
        "the signature uses the hash `{0}`, and only sha512 is accepted; sign without `-O hashalg`"
    )]
    Hash(String),
    /// The key is an Ed25519 key, but the signature is of another type.
    #[error("the signature has type `{0}`, but its key is an ssh-ed25519 key")]
    Algorithm(String),
    /// It is for another role than expected.
    #[error("the signature has the wrong namespace: it is for {found}, not for {expected}")]
    WrongRole {
        /// The expected role.
        expected: Role,
        /// The role of the signature.
        found: Role,
    },
    /// It was not made with its key over this message.
    #[error("the signature is invalid: it or the signed bytes were changed")]
    Invalid,
}

impl From<Malformed> for SignatureError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Signature {
    /// Parses a `.sig` file, which must be byte for byte as `ssh-keygen -Y sign` writes it.
    pub fn from_armor(armor: &[u8]) -> Result<Self, SignatureError> {
        let signature = Self::from_blob(&armor::decode(LABEL, armor)?)?;
        if signature.to_armor().as_bytes() == armor {
            Ok(signature)
        } else {
            Err(SignatureError::NotCanonical)
        }
    }

    /// Returns the text as `ssh-keygen -Y sign` writes it.
    #[must_use]
    pub fn to_armor(&self) -> String {
        armor::encode(LABEL, &self.to_blob()).to_string()
    }

    /// Returns the key that it names.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns the role that it names.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Checks that it was made for `role` over `message` with its own key.
    ///
    /// [`Policy::judge`](crate::Policy::judge) decides whether that key is trusted.
    pub fn verify(&self, role: Role, message: &[u8]) -> Result<(), SignatureError> {
        self.verify_digest(role, &MessageDigest::of(message))
    }

    /// Verifies the same as [`verify`](Self::verify) for a message that is not in memory.
    pub fn verify_digest(&self, role: Role, message: &MessageDigest) -> Result<(), SignatureError> {
        if self.role != role {
            return Err(SignatureError::WrongRole { expected: role, found: self.role });
        }
        if self.key.holds(&to_be_signed(role, message), &self.bytes) {
            Ok(())
        } else {
            Err(SignatureError::Invalid)
        }
    }

    /// Returns the signature that `sign` makes with `key`, after verifying it.
    #[cfg(feature = "sign")]
    pub(crate) fn make<E: From<SignatureError>>(
        key: PublicKey,
        role: Role,
        message: &MessageDigest,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        let bytes = sign(&to_be_signed(role, message))?;
        let signature = Self { key, role, bytes };
        signature.verify_digest(role, message)?;
        Ok(signature)
    }

    fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        let mut fields = Reader::new(blob.strip_prefix(MAGIC).ok_or(SignatureError::Magic)?);
        let version = fields.u32()?;
        if version != VERSION {
            return Err(SignatureError::Version(version));
        }
        let key = PublicKey::from_wire(fields.string()?).map_err(SignatureError::Key)?;
        let namespace = fields.string()?;
        let role = Role::from_namespace(namespace)
            .ok_or_else(|| SignatureError::Namespace(show(namespace)))?;
        if !fields.string()?.is_empty() {
            return Err(SignatureError::Reserved);
        }
        let hash = fields.string()?;
        if hash != HASH {
            return Err(SignatureError::Hash(show(hash)));
        }
        let bytes = raw_signature(fields.string()?)?;
        fields.end()?;
        Ok(Self { key, role, bytes })
    }

    fn to_blob(&self) -> Vec<u8> {
        let mut signature = Vec::new();
        put_string(&mut signature, ED25519.as_bytes());
        put_string(&mut signature, &self.bytes);

        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&VERSION.to_be_bytes());
        put_string(&mut blob, &self.key.to_wire());
        put_string(&mut blob, self.role.namespace().as_bytes());
        put_string(&mut blob, RESERVED);
        put_string(&mut blob, HASH);
        put_string(&mut blob, &signature);
        blob
    }
}

const LABEL: Label = Label("SSH SIGNATURE");
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const RESERVED: &[u8] = b"";
const HASH: &[u8] = b"sha512";

/// Returns the bytes that the key signs.
fn to_be_signed(role: Role, message: &MessageDigest) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    put_string(&mut bytes, role.namespace().as_bytes());
    put_string(&mut bytes, RESERVED);
    put_string(&mut bytes, HASH);
    put_string(&mut bytes, message.as_bytes());
    bytes
}

/// Parses SSH's frame around the 64 bytes of a signature: type and length.
pub(crate) fn raw_signature(wire: &[u8]) -> Result<[u8; 64], SignatureError> {
    let mut fields = Reader::new(wire);
    let algorithm = fields.string()?;
    if algorithm != ED25519.as_bytes() {
        return Err(SignatureError::Algorithm(show(algorithm)));
    }
    let bytes = fields.string()?;
    fields.end()?;
    bytes.try_into().map_err(|_| match bytes.len() {
        ..64 => Malformed::Truncated.into(),
        _ => Malformed::Trailing.into(),
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use sha2::{Digest as _, Sha512};

    use super::*;

    /// A signature without a random part, which only the holder of the key can make and a lax check
    /// accepts: its first half is the neutral point.
    #[test]
    fn a_first_half_of_small_order_is_refused() {
        let secret = SigningKey::from_bytes(&[1; 32]);
        let key = PublicKey::from_bytes(secret.verifying_key().to_bytes()).unwrap();
        let message = to_be_signed(Role::Bundle, &MessageDigest::of(b"message"));
        let mut neutral = [0; 32];
        neutral[0] = 1;

        let hash = Sha512::new().chain_update(neutral).chain_update(key.as_bytes());
        let hash: [u8; 64] = hash.chain_update(&message).finalize().into();
        let scalar = secret.to_scalar();
        let one = scalar * scalar.invert();
        let hash = hash.iter().rev().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let hash = hash.fold(one - one, |sum, bit| {
            let double = sum + sum;
            if bit == 1 { double + one } else { double }
        });
        let bytes: [u8; 64] = [neutral, (hash * scalar).to_bytes()].concat().try_into().unwrap();

        let raw = ed25519_dalek::Signature::from_bytes(&bytes);
        let lax = ed25519_dalek::Verifier::verify(&secret.verifying_key(), &message, &raw);
        assert!(lax.is_ok(), "not the signature that this test is about");
        let signature = Signature { key, role: Role::Bundle, bytes };
        assert_eq!(signature.verify(Role::Bundle, b"message"), Err(SignatureError::Invalid));
    }
}
