use crate::armor::{self, ArmorError, Label};
use crate::security_key::Assertion;
use crate::wire::{Malformed, Reader, put_string, show};
use crate::{KeyError, MessageDigest, PublicKey, Role};

/// A signature in the form of `ssh-keygen -Y sign`: by an Ed25519 key, on a security key or not, over
/// the SHA-512 of a message, for a [`Role`].
///
/// Parsing does not verify it; [`Signature::verify`] does. Every value has exactly one text, so no
/// change of the text gives the same signature (the format is `PROTOCOL.sshsig` of OpenSSH).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    role: Role,
    proof: Proof,
}

/// The part of a signature that only the holder of the private key can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The Ed25519 signature.
    pub(crate) bytes: [u8; 64],
    /// The statement of a security key, which is signed too.
    pub(crate) assertion: Option<Assertion>,
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
    /// The signature is not of the type of its key.
    #[error("the signature has type `{found}`, but its key is an {expected} key")]
    Algorithm {
        /// The type of the key.
        expected: &'static str,
        /// The type of the signature.
        found: String,
    },
    /// The security key has signed without being touched.
    #[error(
        "the security key has signed without being touched (flags 0x{0:02x}); make a key without `-O no-touch-required`"
    )]
    NotTouched(u8),
    /// The security key has set unknown flags.
    #[error(
        "the security key has set the flags 0x{0:02x}, but only 0x01 (touched) and 0x05 (touched, and user verified) are accepted"
    )]
    Flags(u8),
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
        let Proof { bytes, assertion } = &self.proof;
        if self.key.holds(&to_be_signed(role, message), bytes, *assertion) {
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
        sign: impl FnOnce(&[u8]) -> Result<Proof, E>,
    ) -> Result<Self, E> {
        let proof = sign(&to_be_signed(role, message))?;
        let signature = Self { key, role, proof };
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
        let proof = Proof::from_wire(fields.string()?, &key)?;
        fields.end()?;
        Ok(Self { key, role, proof })
    }

    fn to_blob(&self) -> Vec<u8> {
        let mut signature = Vec::new();
        put_string(&mut signature, self.key.algorithm().as_bytes());
        put_string(&mut signature, &self.proof.bytes);
        if let Some(assertion) = self.proof.assertion {
            signature.extend_from_slice(&assertion.to_wire());
        }

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

impl Proof {
    /// Parses SSH's frame around the 64 bytes of a signature, which must be of the type of `key`.
    pub(crate) fn from_wire(wire: &[u8], key: &PublicKey) -> Result<Self, SignatureError> {
        let mut fields = Reader::new(wire);
        let (expected, found) = (key.algorithm(), fields.string()?);
        if found != expected.as_bytes() {
            return Err(SignatureError::Algorithm { expected, found: show(found) });
        }
        let bytes = fields.string()?;
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| match bytes.len() {
            ..64 => Malformed::Truncated,
            _ => Malformed::Trailing,
        })?;
        let is_asserted = key.is_on_security_key();
        let assertion = is_asserted.then(|| Assertion::read(&mut fields)).transpose()?;
        fields.end()?;
        Ok(Self { bytes, assertion })
    }
}
