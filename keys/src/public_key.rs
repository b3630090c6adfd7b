use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Encoding};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

use crate::names::serde_as_text;
use crate::wire::{Malformed, Reader, put_string, show};

/// The name of the one algorithm that is accepted, for keys as for signatures.
pub(crate) const ED25519: &str = "ssh-ed25519";

/// An `ssh-ed25519` public key.
///
/// Its 32 bytes are the one canonical encoding of a point that an honest key can have. A key
/// outside of the subgroup of prime order, for which anybody could sign, is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Something is not a public key that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is a key of another type, or no key.
    #[error(
        "`{0}` is not accepted as a key type: only ssh-ed25519 is; make a key with `ssh-keygen -t ed25519`"
    )]
    OtherType(String),
    /// The text after the type is not exactly the base64 that OpenSSH writes.
    #[error("the base64 of the key is missing, damaged or not canonical")]
    Base64,
    /// The binary form of the key has the wrong length.
    #[error("the key {0}")]
    Malformed(Malformed),
    /// The 32 bytes are no point of the curve, or one that no honest key has.
    #[error("the key is not a point that an Ed25519 key can be")]
    NotAKey,
    /// The text is more than one line.
    #[error("a key is one line of text")]
    Lines,
}

impl From<Malformed> for KeyError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl PublicKey {
    /// The key with these 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAKey)?.to_edwards();
        let canonical = point.compress().to_bytes() == bytes;
        if canonical && point.is_torsion_free() && !point.is_small_order() {
            Ok(Self(bytes))
        } else {
            Err(KeyError::NotAKey)
        }
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Read the binary form: the type and the 32 bytes, each as a string (RFC 8709).
    pub fn from_wire(wire: &[u8]) -> Result<Self, KeyError> {
        let mut fields = Reader::new(wire);
        let algorithm = fields.string()?;
        if algorithm != ED25519.as_bytes() {
            return Err(KeyError::OtherType(show(algorithm)));
        }
        let bytes = fields.string()?;
        fields.end()?;
        Self::from_bytes(bytes.try_into().map_err(|_| KeyError::NotAKey)?)
    }

    /// The binary form.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(51);
        put_string(&mut wire, ED25519.as_bytes());
        put_string(&mut wire, &self.0);
        wire
    }

    /// What `ssh-keygen -l` shows for this key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_wire()).into())
    }

    /// Whether `signature` over `bytes` was made with this key. Malleable ones do not hold.
    pub(crate) fn holds(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads a line such as the `.pub` file has: `ssh-ed25519`, base64, and perhaps a comment,
    /// which is dropped.
    fn from_str(line: &str) -> Result<Self, KeyError> {
        let line = line.trim_matches([' ', '\t', '\n']);
        if line.contains(['\n', '\r']) {
            return Err(KeyError::Lines);
        }
        let (algorithm, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if algorithm != ED25519 {
            return Err(KeyError::OtherType(show(algorithm.as_bytes())));
        }
        let base64 = rest.trim_start_matches([' ', '\t']).split([' ', '\t']).next();
        let base64 = base64.unwrap_or_default();
        let key = Self::from_wire(&Base64::decode_vec(base64).map_err(|_| KeyError::Base64)?)?;
        if Base64::encode_string(&key.to_wire()) == base64 {
            Ok(key)
        } else {
            Err(KeyError::Base64)
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ED25519} {}", Base64::encode_string(&self.to_wire()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

serde_as_text!(PublicKey);

/// The SHA-256 of a public key, as OpenSSH shows it: `SHA256:` and 43 characters.
///
/// It is what people compare. It never stands for the key itself in a decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: expected `SHA256:` and 43 characters, as `ssh-keygen -l -f KEY` shows")]
pub struct ParseFingerprintError;

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let base64 = text.strip_prefix("SHA256:").ok_or(ParseFingerprintError)?;
        let mut hash = [0; 32];
        match Base64Unpadded::decode(base64, &mut hash) {
            Ok(decoded) if decoded.len() == 32 => {}
            _ => return Err(ParseFingerprintError),
        }
        let fingerprint = Self(hash);
        if fingerprint.to_string() == text { Ok(fingerprint) } else { Err(ParseFingerprintError) }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", Base64Unpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

serde_as_text!(Fingerprint);
