use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Encoding};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

use crate::names::serde_as_text;
use crate::security_key::{Application, Assertion, SK_ED25519};
use crate::wire::{Malformed, Reader, put_string, show};

/// The algorithm of keys in files, and of their signatures.
pub(crate) const ED25519: &str = "ssh-ed25519";

/// An Ed25519 public key: `ssh-ed25519`, or `sk-ssh-ed25519@openssh.com` on a FIDO2 security key.
///
/// Its 32 bytes are the only canonical encoding of a point in the subgroup of prime order. Keys
/// outside of this subgroup are refused because signatures for them can be forged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(try_from = "String", into = "String", extend("pattern" = "^(sk-)?ssh-ed25519(@openssh\\.com)? "))
)]
pub struct PublicKey {
    point: [u8; 32],
    /// The application of a key on a security key.
    application: Option<Application>,
}

/// A value is not an accepted public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is a key of another type, or not a key.
    #[error(
        "key type `{0}` is not accepted, only ssh-ed25519 and {SK_ED25519}; make a key with `ssh-keygen -t ed25519`, or with `-t ed25519-sk` on a security key"
    )]
    OtherType(String),
    /// The type before the base64 differs from the one in it.
    #[error("the type of the key is `{0}`, but its base64 contains a key of another type")]
    TypesDiffer(&'static str),
    /// The application of a key on a security key is not one of SSH.
    #[error(
        "the application of the security key must be `ssh:`, or `ssh:` and up to 60 printable characters"
    )]
    Application,
    /// The text after the type is not canonical base64.
    #[error("the base64 of the key is missing, damaged or not canonical")]
    Base64,
    /// The binary form of the key has the wrong length.
    #[error("the key {0}")]
    Malformed(Malformed),
    /// The 32 bytes are not a point of the curve in the subgroup of prime order.
    #[error("the key is not a valid Ed25519 point")]
    NotAKey,
    /// There is no key.
    #[error("the key is missing")]
    Missing,
    /// The text is more than one line.
    #[error("a key is one line of text, without carriage returns")]
    Lines,
}

impl From<Malformed> for KeyError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl PublicKey {
    /// Returns the `ssh-ed25519` key with these 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAKey)?.to_edwards();
        // All points with a second encoding are outside of the subgroup, as a test confirms.
        if point.is_torsion_free() && !point.is_small_order() {
            Ok(Self { point: bytes, application: None })
        } else {
            Err(KeyError::NotAKey)
        }
    }

    /// Returns the 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.point
    }

    /// Checks whether the private key is on a security key, which signs only when it is touched.
    #[must_use]
    pub fn is_on_security_key(&self) -> bool {
        self.application.is_some()
    }

    /// Returns the type of the key and of its signatures.
    pub(crate) fn algorithm(&self) -> &'static str {
        if self.is_on_security_key() { SK_ED25519 } else { ED25519 }
    }

    /// Parses the binary form: the type and the 32 bytes, each as a string (RFC 8709), and for a key
    /// on a security key the application as a third one (`PROTOCOL.u2f`).
    pub fn from_wire(wire: &[u8]) -> Result<Self, KeyError> {
        let mut fields = Reader::new(wire);
        let algorithm = fields.string()?;
        let is_on_security_key = algorithm == SK_ED25519.as_bytes();
        if !is_on_security_key && algorithm != ED25519.as_bytes() {
            return Err(KeyError::OtherType(show(algorithm)));
        }
        let bytes = fields.string()?;
        let application = if is_on_security_key { Some(fields.string()?) } else { None };
        fields.end()?;
        let key = Self::from_bytes(bytes.try_into().map_err(|_| KeyError::NotAKey)?)?;
        Ok(Self { application: application.map(Application::parse).transpose()?, ..key })
    }

    /// Returns the binary form.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(51);
        put_string(&mut wire, self.algorithm().as_bytes());
        put_string(&mut wire, &self.point);
        if let Some(application) = &self.application {
            put_string(&mut wire, application.as_bytes());
        }
        wire
    }

    /// Returns the fingerprint, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_wire()).into())
    }

    /// Checks whether `signature` was made with this key for `message`, with the assertion of a
    /// security key if it is on one. Malleable signatures are refused.
    pub(crate) fn holds(
        &self,
        message: &[u8],
        signature: &[u8; 64],
        assertion: Option<Assertion>,
    ) -> bool {
        let holds = |bytes: &[u8]| {
            let signature = ed25519_dalek::Signature::from_bytes(signature);
            VerifyingKey::from_bytes(&self.point)
                .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
        };
        match (&self.application, assertion) {
            (None, None) => holds(message),
            (Some(application), Some(it)) => holds(&it.signed_data(application, message)),
            // The same 32 bytes are another key with the other type.
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Parses a line of a `.pub` file: the type, base64, and an optional comment, which is dropped.
    fn from_str(line: &str) -> Result<Self, KeyError> {
        let line = line.trim_matches([' ', '\t', '\n']);
        if line.is_empty() {
            return Err(KeyError::Missing);
        }
        if line.contains(['\n', '\r']) {
            return Err(KeyError::Lines);
        }
        let (algorithm, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if ![ED25519, SK_ED25519].contains(&algorithm) {
            return Err(KeyError::OtherType(show(algorithm.as_bytes())));
        }
        let base64 = rest.trim_start_matches([' ', '\t']).split([' ', '\t']).next();
        let base64 = base64.unwrap_or_default();
        // This decoder accepts canonical base64 only.
        let key = Self::from_wire(&Base64::decode_vec(base64).map_err(|_| KeyError::Base64)?)?;
        match key.algorithm() {
            inner if inner == algorithm => Ok(key),
            ED25519 => Err(KeyError::TypesDiffer(SK_ED25519)),
            _ => Err(KeyError::TypesDiffer(ED25519)),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm(), Base64::encode_string(&self.to_wire()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

serde_as_text!(PublicKey);

/// The SHA-256 of a public key in OpenSSH's form: `SHA256:` and 43 characters.
///
/// It is for comparison by people. Decisions use the key itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(try_from = "String", into = "String", extend("pattern" = "^SHA256:[A-Za-z0-9+/]{43}$"))
)]
pub struct Fingerprint([u8; 32]);

/// A text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a fingerprint: expected `SHA256:` and 43 characters, as `ssh-keygen -l -f KEY` prints"
)]
pub struct ParseFingerprintError;

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        let base64 = text.strip_prefix("SHA256:").ok_or(ParseFingerprintError)?;
        let mut hash = [0; 32];
        match Base64Unpadded::decode(base64, &mut hash) {
            Ok(decoded) if decoded.len() == 32 => Ok(Self(hash)),
            _ => Err(ParseFingerprintError),
        }
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

#[cfg(test)]
mod tests;
