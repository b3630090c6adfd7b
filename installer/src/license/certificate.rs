//! The licence server's certificates for the web: a root of the node's own, and what it signs.
//!
//! Guests are told the root once, and touched never again: another address needs only another
//! certificate below it. Everything follows from the two keys, the names and the last day, also the
//! signatures (RFC 6979), so whether a certificate is the wanted one is seen by making it again.

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use vgpu_manifest::Digest;
use zeroize::Zeroizing;

use super::address::GuestHost;

/// The first year in which certificates hold.
///
/// It is always this one, because a node without a network may have a clock that is years
/// behind, and a certificate that is not valid yet would be of no use to its guests.
const FIRST_YEAR: i32 = 2020;

/// For how many years after the bundle was made its certificates hold.
const YEARS: i32 = 10;

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The kernel gave no random numbers.
    #[error("no random numbers from the operating system")]
    Random(#[source] getrandom::Error),
    /// A key file holds something else.
    #[error(
        "it is not a P-256 key in PKCS #8; take it from a backup: `vgpu-installer license restore`"
    )]
    Key(#[source] p256::pkcs8::Error),
    /// A key cannot be written down.
    #[error("a key cannot be written as PKCS #8")]
    Encode(#[source] p256::pkcs8::Error),
    /// A name is none that a certificate can have.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
}

/// A secret key, which signs certificates or serves with one.
pub struct Key {
    secret: SecretKey,
    point: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A new one.
    pub fn generate() -> Result<Self, CertificateError> {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(&mut *bytes).map_err(CertificateError::Random)?;
            // All numbers but a few in 2^128 are keys.
            if let Ok(secret) = SecretKey::from_slice(&*bytes) {
                return Ok(Self::of(secret));
            }
        }
    }

    /// The key in a PEM file.
    pub fn parse(pem: &str) -> Result<Self, CertificateError> {
        SecretKey::from_pkcs8_pem(pem).map(Self::of).map_err(CertificateError::Key)
    }

    /// The PEM file of it, which only its owner may read.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, CertificateError> {
        self.secret.to_pkcs8_pem(LineEnding::LF).map_err(CertificateError::Encode)
    }

    fn of(secret: SecretKey) -> Self {
        let point = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
        Self { secret, point }
    }

    /// What tells it from other keys, in certificates: the first 20 bytes of its digest.
    fn identifier(&self) -> [u8; 20] {
        first(Digest::of(&self.point))
    }
}

/// The first bytes of a digest.
fn first<const N: usize>(digest: Digest) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest.as_bytes()[..N]);
    bytes
}

impl PublicKeyData for &Key {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for &Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = SigningKey::from(&self.secret).sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// The last year in which certificates hold that come from a bundle made in `year`.
#[must_use]
pub fn last_year(year: i32) -> i32 {
    year.max(FIRST_YEAR) + YEARS
}

/// The certificate of the root, in PEM.
pub fn root(key: &Key, last_year: i32) -> Result<String, CertificateError> {
    Ok(root_params(key, last_year)?.self_signed(&key)?.pem())
}

/// The certificate for a server at `names`, signed by the root, in PEM.
pub fn web(
    root: &Key,
    key: &Key,
    names: &[GuestHost],
    last_year: i32,
) -> Result<String, CertificateError> {
    let mut params = params(key, last_year)?;
    let common = names.first().map_or_else(|| "licence server".to_owned(), ToString::to_string);
    params.distinguished_name.push(DnType::CommonName, common);
    params.subject_alt_names = names.iter().map(san).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let text = format!("{names:?} {last_year} {:?} {:?}", root.identifier(), key.identifier());
    params.serial_number = Some(serial(&text));
    let ca = root_params(root, last_year)?;
    Ok(params.signed_by(&key, &Issuer::from_params(&ca, &root))?.pem())
}

fn root_params(key: &Key, last_year: i32) -> Result<CertificateParams, CertificateError> {
    let mut params = params(key, last_year)?;
    let name = format!("vgpu-offline licence root {}", &Digest::of(&key.point).to_string()[..8]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.serial_number = Some(serial(&format!("{last_year} {:?}", key.identifier())));
    Ok(params)
}

fn params(key: &Key, last_year: i32) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = date_time_ymd(FIRST_YEAR, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier().to_vec());
    Ok(params)
}

/// A number of a certificate: positive, of at most 20 bytes, and the same for the same certificate.
fn serial(text: &str) -> SerialNumber {
    let mut bytes: [u8; 16] = first(Digest::of(text.as_bytes()));
    bytes[0] &= 0x7f;
    bytes[0] |= 0x40;
    SerialNumber::from_slice(&bytes)
}

fn san(host: &GuestHost) -> Result<SanType, rcgen::Error> {
    Ok(match host {
        GuestHost::Address(address) => SanType::IpAddress(*address),
        GuestHost::Name(name) => SanType::DnsName(name.as_str().try_into()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<GuestHost> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_certificate_follows_from_keys_names_and_last_year() {
        let [root_key, key] = [Key::generate().unwrap(), Key::generate().unwrap()];
        let here = names(&["192.0.2.10", "dls.example"]);
        let first = web(&root_key, &key, &here, 2036).unwrap();
        assert_eq!(web(&root_key, &key, &here, 2036).unwrap(), first);
        let copy = Key::parse(&root_key.to_pem().unwrap()).unwrap();
        assert_eq!(web(&copy, &key, &here, 2036).unwrap(), first);
        assert_eq!(root(&copy, 2036).unwrap(), root(&root_key, 2036).unwrap());
        for other in [
            web(&root_key, &key, &here, 2037),
            web(&root_key, &key, &names(&["192.0.2.11"]), 2036),
            web(&root_key, &root_key, &here, 2036),
            web(&key, &key, &here, 2036),
        ] {
            assert_ne!(other.unwrap(), first);
        }
    }

    #[test]
    fn another_file_is_no_key() {
        let certificate = root(&Key::generate().unwrap(), 2036).unwrap();
        for text in ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", &certificate] {
            let error = Key::parse(text).unwrap_err().to_string();
            assert!(error.contains("license restore"), "{error}");
        }
        assert_eq!(format!("{:?}", Key::generate().unwrap()), "Key");
    }

    #[test]
    fn certificates_outlive_clocks_that_are_behind() {
        assert_eq!(last_year(2026), 2036);
        assert_eq!(last_year(1970), 2030);
    }
}
