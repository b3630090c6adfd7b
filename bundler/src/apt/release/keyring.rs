//! The keys that may sign an archive: those in a file that are pinned by their fingerprints.

use std::fs;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use openpgp::Cert;
use openpgp::cert::CertParser;
use openpgp::parse::Parse as _;
use sequoia_openpgp as openpgp;
use vgpu_manifest::package::Fingerprint;

/// Certificates, and which of their keys count.
#[derive(Debug)]
pub(crate) struct Keyring {
    pub(super) certs: Vec<Cert>,
    pub(super) pinned: Vec<Fingerprint>,
}

/// A file does not give the keys that are pinned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// It cannot be read.
    #[error("cannot read the keyring `{path}`")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// It is no keyring.
    #[error(
        "`{path}` is not a keyring: expected OpenPGP certificates, armored or not, as `gpg --export` writes them ({why})"
    )]
    Form {
        /// The file.
        path: Utf8PathBuf,
        /// What the library said, safe to show.
        why: String,
    },
    /// A pinned key is not there.
    #[error("the keyring `{path}` has no key {wanted}; it has {}", list(.found))]
    NoKey {
        /// The file.
        path: Utf8PathBuf,
        /// What the recipe pins.
        wanted: Fingerprint,
        /// What is there.
        found: Vec<String>,
    },
}

/// The largest keyring that is read, in bytes. Debian's has 60 KiB.
const MAX_KEYRING: u64 = 4 << 20;

/// The most certificates that an error lists.
const MAX_LISTED: usize = 12;

fn list(found: &[String]) -> String {
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

impl Keyring {
    /// Read the certificates in a file, as far as one of their keys is pinned.
    pub(crate) fn read(path: &Utf8Path, pinned: &[Fingerprint]) -> Result<Self, KeyringError> {
        let read = |source| KeyringError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(read)?;
        file.take(MAX_KEYRING + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > MAX_KEYRING {
            return Err(read(std::io::Error::other("it is larger than any keyring")));
        }
        Self::parse(&bytes, path, pinned)
    }

    fn parse(bytes: &[u8], path: &Utf8Path, pinned: &[Fingerprint]) -> Result<Self, KeyringError> {
        let form = |why: String| KeyringError::Form { path: path.to_owned(), why };
        let mut all = Vec::new();
        for block in blocks(bytes) {
            let certs = CertParser::from_bytes(block).map_err(|error| form(word(&error)))?;
            for cert in certs {
                all.push(cert.map_err(|error| form(word(&error)))?);
            }
        }
        if all.is_empty() {
            return Err(form("there is none in it".to_owned()));
        }
        let has = |cert: &Cert, wanted: &Fingerprint| {
            cert.keys().any(|key| key.key().fingerprint().to_hex() == wanted.as_str())
        };
        if let Some(wanted) = pinned.iter().find(|wanted| !all.iter().any(|cert| has(cert, wanted)))
        {
            let found = all.iter().take(MAX_LISTED).map(|cert| cert.fingerprint().to_hex());
            let (wanted, found) = (wanted.clone(), found.collect());
            return Err(KeyringError::NoKey { path: path.to_owned(), wanted, found });
        }
        all.retain(|cert| pinned.iter().any(|wanted| has(cert, wanted)));
        Ok(Self { certs: all, pinned: pinned.to_vec() })
    }

    /// The pinned fingerprint that lets this key of this certificate sign, if there is one: its own
    /// or that of the certificate.
    pub(super) fn pin_of(&self, cert: &str, key: &str) -> Option<&Fingerprint> {
        self.pinned.iter().find(|pinned| [cert, key].contains(&pinned.as_str()))
    }
}

/// Armored keys may stand one after the other in a file; the library takes the first.
fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let is_begin =
        |at: &usize| bytes[*at..].starts_with(BEGIN) && (*at == 0 || bytes[*at - 1] == b'\n');
    let begins: Vec<usize> = (0..bytes.len()).filter(is_begin).collect();
    if begins.is_empty() {
        return vec![bytes];
    }
    let ends = begins.iter().skip(1).copied().chain([bytes.len()]);
    begins.iter().zip(ends).map(|(&begin, end)| &bytes[begin..end]).collect()
}

/// What the library says, in one line and safe to show.
pub(super) fn word(error: &anyhow::Error) -> String {
    let text: String = error.to_string().chars().take(160).collect();
    text.escape_debug().to_string()
}
