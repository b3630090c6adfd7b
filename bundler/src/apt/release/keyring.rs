//! The keys that may sign an archive: those of a keyring file whose fingerprints are pinned.

use std::fs;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::package::Fingerprint;

use super::openpgp::{self, Key, Malformed, PUBLIC_KEY, PUBLIC_SUBKEY, Signature};
use super::verify::Verifier;

/// Certificates with pinned keys, and the program that checks signatures by them.
#[derive(Debug)]
pub(crate) struct Keyring {
    certs: Vec<Cert>,
    pinned: Vec<Fingerprint>,
    pub(super) verifier: Verifier,
}

/// A public key with its user IDs, subkeys and their signatures: RFC 9580, 10.1.
#[derive(Debug)]
pub(super) struct Cert {
    /// Its packets.
    pub(super) bytes: Vec<u8>,
    pub(super) primary: Key,
    subkeys: Vec<Key>,
}

/// A file does not give the keys that are pinned, or there is nothing to check signatures with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[error("cannot read the keyring `{path}`")]
    Read { path: Utf8PathBuf, source: std::io::Error },
    #[error(
        "`{path}` is not a keyring: expected OpenPGP certificates, armored or not, as `gpg --export` writes them ({why})"
    )]
    Form { path: Utf8PathBuf, why: String },
    #[error("the keyring `{path}` has no key {wanted}; it has {}", list(.found))]
    NoKey {
        path: Utf8PathBuf,
        /// The pinned fingerprints.
        wanted: Fingerprint,
        /// The fingerprints in the file.
        found: Vec<String>,
    },
    #[error(
        "signatures of package archives cannot be checked: neither `gpgv` nor `sqv` is installed"
    )]
    NoVerifier,
}

/// The largest keyring that is read, in bytes. Debian's has 60 KiB.
const MAX_KEYRING: u64 = 4 << 20;

/// The most certificates that an error lists.
const MAX_LISTED: usize = 12;

fn list(found: &[String]) -> String {
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

impl Keyring {
    /// Reads the certificates in a file that have a pinned key.
    pub(crate) fn read(path: &Utf8Path, pinned: &[Fingerprint]) -> Result<Self, KeyringError> {
        let read = |source| KeyringError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(read)?;
        file.take(MAX_KEYRING + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > MAX_KEYRING {
            return Err(read(std::io::Error::other("it is larger than a keyring may be")));
        }
        Self::of_bytes(path.to_owned(), &bytes, pinned)
    }

    /// Parses the certificates of the file at `path` that have a pinned key.
    pub(crate) fn of_bytes(
        path: Utf8PathBuf,
        bytes: &[u8],
        pinned: &[Fingerprint],
    ) -> Result<Self, KeyringError> {
        let form = |why: String| KeyringError::Form { path: path.clone(), why };
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(form("it is a keybox of GnuPG".to_owned()));
        }
        let mut certs = parse(bytes).map_err(|error| form(error.to_string()))?;
        let missing = pinned.iter().find(|wanted| !certs.iter().any(|cert| cert.has(wanted)));
        if let Some(wanted) = missing {
            let found = certs.iter().take(MAX_LISTED).map(|cert| cert.primary.fingerprint.clone());
            let (wanted, found) = (wanted.clone(), found.collect());
            return Err(KeyringError::NoKey { path, wanted, found });
        }
        certs.retain(|cert| pinned.iter().any(|wanted| cert.has(wanted)));
        let verifier = Verifier::find().ok_or(KeyringError::NoVerifier)?;
        Ok(Self { certs, pinned: pinned.to_vec(), verifier })
    }

    /// Returns the key that a signature claims to be by, with its certificate.
    pub(super) fn issuer(&self, signature: &Signature) -> Option<(&Cert, &Key)> {
        let keys = self.certs.iter().flat_map(|cert| cert.keys().map(move |key| (cert, key)));
        keys.into_iter().find(|(_, key)| key.is_issuer(signature))
    }

    /// Returns whether a key of a certificate may sign: it is pinned, or the whole certificate is.
    pub(super) fn is_pinned(&self, cert: &Cert, key: &Key) -> bool {
        let may = [&cert.primary.fingerprint, &key.fingerprint];
        self.pinned.iter().any(|pinned| may.iter().any(|it| *it == pinned.as_str()))
    }
}

impl Cert {
    fn keys(&self) -> impl Iterator<Item = &Key> {
        [&self.primary].into_iter().chain(&self.subkeys)
    }

    fn has(&self, wanted: &Fingerprint) -> bool {
        self.keys().any(|key| key.fingerprint == wanted.as_str())
    }
}

/// Splits a keyring into certificates. Those of versions that cannot be pinned are skipped.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Cert>, Malformed> {
    let bytes = openpgp::binary(bytes, "PGP PUBLIC KEY BLOCK")?;
    let packets = openpgp::packets(&bytes)?;
    if packets.first().is_none_or(|packet| packet.tag != PUBLIC_KEY) {
        return Err(Malformed("it does not begin with a public key"));
    }
    let mut certs = Vec::new();
    for cert in packets.chunk_by(|_, next| next.tag != PUBLIC_KEY) {
        // Signature, trust, user ID and user attribute, marker and padding.
        let known = |tag| [2, 10, 12, 13, 17, 21, PUBLIC_KEY, PUBLIC_SUBKEY].contains(&tag);
        if !cert.iter().all(|packet| known(packet.tag)) {
            return Err(Malformed("it contains data other than public keys"));
        }
        let Some(primary) = Key::parse(cert[0].body) else { continue };
        let subkeys = cert.iter().filter(|packet| packet.tag == PUBLIC_SUBKEY);
        certs.push(Cert {
            bytes: cert.iter().flat_map(|packet| packet.whole).copied().collect(),
            primary,
            subkeys: subkeys.filter_map(|packet| Key::parse(packet.body)).collect(),
        });
    }
    Ok(certs)
}
