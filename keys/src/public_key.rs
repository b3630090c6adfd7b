use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Encoding};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

use crate::names::serde_as_text;
use crate::wire::{Malformed, Reader, put_string, show};

/// The only accepted algorithm, for keys and signatures.
pub(crate) const ED25519: &str = "ssh-ed25519";

/// An `ssh-ed25519` public key.
///
/// Its 32 bytes are the only canonical encoding of a point in the subgroup of prime order. Keys
/// outside of this subgroup are refused because signatures for them can be forged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// A value is not an accepted public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is a key of another type, or not a key.
    #[error(
        "key type `{0}` is not accepted, only ssh-ed25519; make a key with `ssh-keygen -t ed25519`"
    )]
    OtherType(String),
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
    /// Returns the key with these 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAKey)?.to_edwards();
        // All points with a second encoding are outside of the subgroup, as a test confirms.
        if point.is_torsion_free() && !point.is_small_order() {
            Ok(Self(bytes))
        } else {
            Err(KeyError::NotAKey)
        }
    }

    /// Returns the 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses the binary form: the type and the 32 bytes, each as a string (RFC 8709).
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

    /// Returns the binary form.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(51);
        put_string(&mut wire, ED25519.as_bytes());
        put_string(&mut wire, &self.0);
        wire
    }

    /// Returns the fingerprint, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_wire()).into())
    }

    /// Checks whether `signature` over `bytes` was made with this key. Malleable ones are refused.
    pub(crate) fn holds(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Parses a line of a `.pub` file: `ssh-ed25519`, base64, and an optional comment, which is
    /// dropped.
    fn from_str(line: &str) -> Result<Self, KeyError> {
        let line = line.trim_matches([' ', '\t', '\n']);
        if line.is_empty() {
            return Err(KeyError::Missing);
        }
        if line.contains(['\n', '\r']) {
            return Err(KeyError::Lines);
        }
        let (algorithm, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if algorithm != ED25519 {
            return Err(KeyError::OtherType(show(algorithm.as_bytes())));
        }
        let base64 = rest.trim_start_matches([' ', '\t']).split([' ', '\t']).next();
        let base64 = base64.unwrap_or_default();
        // This decoder accepts canonical base64 only.
        Self::from_wire(&Base64::decode_vec(base64).map_err(|_| KeyError::Base64)?)
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

/// The SHA-256 of a public key in OpenSSH's form: `SHA256:` and 43 characters.
///
/// It is for comparison by people. Decisions use the key itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
mod tests {
    use super::*;

    /// The key that RFC 8032 derives from its first test secret, as OpenSSH writes it.
    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    #[test]
    fn a_line_is_read_with_its_comment_and_written_without() {
        let key: PublicKey = LINE.parse().unwrap();
        assert_eq!(key.to_string(), LINE);
        assert_eq!(format!("{LINE} alice@laptop and more\n").parse(), Ok(key));
        assert_eq!(PublicKey::from_wire(&key.to_wire()), Ok(key));
    }

    #[test]
    fn refuses_other_types_and_every_second_spelling() {
        for (bad, why) in [
            ("", KeyError::Missing),
            ("ssh-ed25519", KeyError::Malformed(Malformed::Truncated)),
            ("ssh-rsa AAAA", KeyError::OtherType("ssh-rsa".into())),
            (
                "sk-ssh-ed25519@openssh.com A",
                KeyError::OtherType("sk-ssh-ed25519@openssh.com".into()),
            ),
            (&LINE[..LINE.len() - 1], KeyError::Base64),
            (&LINE.replace("1Ea", "1AA"), KeyError::NotAKey),
            (&format!("{LINE}="), KeyError::Base64),
            (&format!("{LINE}\n{LINE}"), KeyError::Lines),
            (&format!("{LINE}\r"), KeyError::Lines),
            (&LINE.replace("AAAAINd", "AAAAIN d"), KeyError::Base64),
        ] {
            assert_eq!(bad.parse::<PublicKey>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn base64_whose_spare_bits_are_set_is_not_canonical() {
        // 35 bytes leave two spare bits in the last character.
        let wire = "AAAAC3NzaC1lZDI1NTE5AAAAENdamAGCsQq31Uv+08lkBzo=";
        let spare = wire.replace("Bzo=", "Bzp=");
        assert_eq!(format!("{ED25519} {wire}").parse::<PublicKey>(), Err(KeyError::NotAKey));
        assert_eq!(format!("{ED25519} {spare}").parse::<PublicKey>(), Err(KeyError::Base64));
    }

    #[test]
    fn points_that_no_honest_key_has_are_refused() {
        let hex = |text: &str| {
            let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
            std::array::from_fn::<u8, 32, _>(byte)
        };
        // The points of small order.
        for bad in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            // Not on the curve at all.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert_eq!(PublicKey::from_bytes(hex(bad)), Err(KeyError::NotAKey), "{bad}");
        }
    }

    #[test]
    fn a_coordinate_above_the_prime_is_refused() {
        // There are nineteen of them, each with both signs; the prime is 2^255 - 19.
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (low, high);
                assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::NotAKey), "{low:#x}");
            }
        }
    }

    #[test]
    fn a_good_key_with_a_point_of_small_order_added_is_refused() {
        let point = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).unwrap().to_edwards();
        let key: PublicKey = LINE.parse().unwrap();
        let order_four = point(&[0; 32]);
        let sum = |times: usize| {
            let sum = (0..times).fold(point(key.as_bytes()), |sum, _| sum + order_four);
            PublicKey::from_bytes(sum.compress().to_bytes())
        };
        for times in 1..4 {
            assert_eq!(sum(times), Err(KeyError::NotAKey), "{times}");
        }
        assert_eq!(sum(4), Ok(key));
    }

    #[test]
    fn a_fingerprint_has_one_spelling() {
        let fingerprint = LINE.parse::<PublicKey>().unwrap().fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.len(), "SHA256:".len() + 43);
        assert_eq!(text.parse(), Ok(fingerprint));
        // Two bits of the last character are spare, and zero.
        let mut spare = text.clone().into_bytes();
        *spare.last_mut().unwrap() += 1;
        let spare = String::from_utf8(spare).unwrap();
        assert_eq!(spare.parse::<Fingerprint>(), Err(ParseFingerprintError));
        for bad in [
            "",
            "SHA256:",
            &text[7..],
            &text[..49],
            &format!("{text}="),
            &format!("{text}A"),
            &text.replace("SHA256", "sha256"),
            &format!(" {text}"),
        ] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(ParseFingerprintError), "{bad:?}");
        }
    }
}
