//! Keys, policies, and signatures that no honest program writes.

use std::error::Error;

use base64ct::{Base64, Encoding};
use vgpu_keys::{
    AllowedSigner, AllowedSigners, KeyFile, Policy, PublicKey, RevokedKeys, Role, Signature, Signer,
};

/// The message of most tests.
pub(crate) const MESSAGE: &[u8] = b"0123  MANIFEST.json\n";

/// Returns a key from a fixed seed.
pub(crate) fn key(seed: u8) -> KeyFile {
    KeyFile::from_seed(&[seed; 32], "test").unwrap()
}

pub(crate) fn public(seed: u8) -> PublicKey {
    *key(seed).public_key()
}

pub(crate) fn sign(seed: u8, role: Role) -> Signature {
    key(seed).sign(role, MESSAGE).unwrap()
}

/// A line: the principal, the seed of the key, and its roles.
pub(crate) type Line<'a> = (&'a str, u8, &'a [Role]);

pub(crate) fn signers(lines: &[Line<'_>]) -> AllowedSigners {
    let mut signers = AllowedSigners::default();
    for &(principal, seed, roles) in lines {
        let roles = roles.iter().copied();
        let line = AllowedSigner::new(principal.parse().unwrap(), roles, public(seed)).unwrap();
        signers.add(line).unwrap();
    }
    signers
}

pub(crate) fn policy(version: u64, threshold: usize, lines: &[Line<'_>], revoked: &[u8]) -> Policy {
    let revoked: RevokedKeys = revoked.iter().map(|&seed| public(seed)).collect();
    let channels = ["stable".parse().unwrap()];
    Policy::new(version, threshold.try_into().unwrap(), channels, signers(lines), revoked).unwrap()
}

/// Returns an error and all its causes, as programs print them.
pub(crate) fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Checks that `result` is an error whose text contains `words`.
#[track_caller]
pub(crate) fn refused<T, E: Error>(result: Result<T, E>, words: &str) {
    let Err(error) = result else { panic!("accepted, but should say {words:?}") };
    let said = said(&error);
    assert!(said.contains(words), "{said:?} lacks {words:?}");
    assert!(!said.contains(char::is_control), "{said:?} has control characters");
}

/// The parts of a binary signature, each of which a test can replace.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) magic: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) namespace: Vec<u8>,
    pub(crate) reserved: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

impl Parts {
    /// Returns the parts of a good signature over [`MESSAGE`] for bundles.
    pub(crate) fn good() -> Self {
        Self::by(1)
    }

    /// Returns the same with another key.
    pub(crate) fn by(seed: u8) -> Self {
        let blob = dearmor(&sign(seed, Role::Bundle).to_armor());
        let mut at = 10;
        let mut field = || {
            let len = u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
            at += 4 + len;
            blob[at - len..at].to_vec()
        };
        Self {
            magic: blob[..6].to_vec(),
            version: 1,
            key: field(),
            namespace: field(),
            reserved: field(),
            hash: field(),
            signature: field(),
            after: Vec::new(),
        }
    }

    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut blob = self.magic.clone();
        blob.extend(self.version.to_be_bytes());
        let fields = [&self.key, &self.namespace, &self.reserved, &self.hash, &self.signature];
        for field in fields {
            blob.extend(string(field));
        }
        blob.extend(&self.after);
        blob
    }

    /// Returns the signature in the armor of `ssh-keygen`.
    pub(crate) fn armor(&self) -> String {
        armor(&self.blob(), 70)
    }
}

/// Returns a string in SSH's encoding: its length and its bytes.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

/// Returns the armor of a signature, with this number of characters per line.
pub(crate) fn armor(blob: &[u8], columns: usize) -> String {
    let base64 = Base64::encode_string(blob);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(columns).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

/// Returns the binary signature inside its armor.
pub(crate) fn dearmor(armor: &str) -> Vec<u8> {
    let base64: String = armor.lines().filter(|line| !line.starts_with('-')).collect();
    Base64::decode_vec(&base64).unwrap()
}
