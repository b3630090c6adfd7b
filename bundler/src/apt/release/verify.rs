//! Whether a release is signed by a key that is pinned.
//!
//! One good signature is enough, because archives sign with the old and the new key for a while.
//! What is weak is fixed in this program and not by the clock; and a key that expired after it had
//! signed still counts, because it is the fingerprint in the recipe that is trusted. A key that was
//! revoked never counts.

use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openpgp::cert::amalgamation::ValidAmalgamation as _;
use openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper, VerificationResult, VerifierBuilder,
};
use openpgp::parse::{PacketParser, PacketParserResult, Parse as _};
use openpgp::policy::{AsymmetricAlgorithm, StandardPolicy};
use openpgp::types::{HashAlgorithm, RevocationStatus};
use openpgp::{Cert, KeyHandle, Packet};
use sequoia_openpgp as openpgp;
use vgpu_manifest::package::Fingerprint;

use super::clear::{FrameError, signature_of};
use super::keyring::{Keyring, word};

/// A signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// What was signed, and nothing else of the file.
    pub(crate) text: Vec<u8>,
    /// The key that has signed it.
    pub(crate) by: Fingerprint,
    /// What a person should know of that key.
    pub(crate) notes: Vec<String>,
}

/// What vouches for an archive, as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Evidence<'e> {
    /// An `InRelease`.
    Inline(&'e [u8]),
    /// A `Release` and its `Release.gpg`.
    Detached { text: &'e [u8], signature: &'e [u8] },
}

/// Nobody whose key is pinned has signed a release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    /// It is no signed text, or there is more in it than that.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The signature cannot be read.
    #[error("its signature cannot be read: {0}")]
    Form(String),
    /// It is signed in several layers, or not plainly.
    #[error("it is not a plainly signed text")]
    Layers,
    /// None of its signatures counts.
    #[error("it has no good signature by a pinned key: {}", .0.join("; "))]
    NoneGood(Vec<String>),
}

/// The date of what this program takes for weak, in seconds since 1970: the beginning of 2026.
const WEAK_AS_OF: u64 = 1_767_225_600;

/// The most signatures that are looked at. Debian's releases have up to four.
const MAX_SIGNATURES: usize = 16;

/// What was signed, if somebody with a pinned key has.
pub(crate) fn verify(evidence: Evidence<'_>, keyring: &Keyring) -> Result<Signed, SignatureError> {
    let mut policy = StandardPolicy::at(UNIX_EPOCH + Duration::from_secs(WEAK_AS_OF));
    for hash in [HashAlgorithm::MD5, HashAlgorithm::SHA1, HashAlgorithm::RipeMD] {
        policy.reject_hash(hash);
    }
    policy.reject_asymmetric_algo(AsymmetricAlgorithm::RSA1024);
    let signature = match evidence {
        Evidence::Inline(file) => signature_of(file)?,
        Evidence::Detached { signature, .. } => signature,
    };
    let form = |error: anyhow::Error| SignatureError::Form(word(&error));
    // A clock that is behind must not make a signature one of the future.
    let time = SystemTime::now().max(newest(signature)?);
    let judge = Judge { keyring, found: None, notes: Vec::new(), against: Vec::new(), layers: 0 };
    let (text, judge) = match evidence {
        Evidence::Inline(file) => {
            let builder = VerifierBuilder::from_bytes(file).map_err(form)?;
            let mut verifier = builder.with_policy(&policy, time, judge).map_err(form)?;
            let mut text = Vec::new();
            let read = verifier.read_to_end(&mut text);
            let is_clear = verifier.processing_csf_message() == Some(true);
            let judge = verifier.into_helper();
            if judge.found.is_some() {
                read.map_err(|error| SignatureError::Form(error.to_string()))?;
            }
            if !is_clear {
                return Err(SignatureError::Layers);
            }
            (text, judge)
        }
        Evidence::Detached { text, signature } => {
            let builder = DetachedVerifierBuilder::from_bytes(signature).map_err(form)?;
            let mut verifier = builder.with_policy(&policy, time, judge).map_err(form)?;
            verifier.verify_bytes(text).map_err(form)?;
            (text.to_vec(), verifier.into_helper())
        }
    };
    if judge.layers != 1 {
        return Err(SignatureError::Layers);
    }
    match judge.found {
        Some(by) => Ok(Signed { text, by, notes: judge.notes }),
        None => Err(SignatureError::NoneGood(judge.against)),
    }
}

/// When the newest of the signatures says that it was made; and there are none but signatures.
fn newest(armored: &[u8]) -> Result<SystemTime, SignatureError> {
    let form = |error: anyhow::Error| SignatureError::Form(word(&error));
    let mut newest = UNIX_EPOCH;
    let mut count = 0;
    let mut next = PacketParser::from_bytes(armored).map_err(form)?;
    while let PacketParserResult::Some(parser) = next {
        let (packet, rest) = parser.next().map_err(form)?;
        next = rest;
        count += 1;
        match packet {
            _ if count > MAX_SIGNATURES => return Err(SignatureError::Layers),
            Packet::Signature(signature) => {
                newest = signature.signature_creation_time().unwrap_or(newest).max(newest);
            }
            // A signature of a version or algorithm that is not known may stand beside a good one.
            Packet::Unknown(unknown) if unknown.tag() == openpgp::packet::Tag::Signature => {}
            _ => return Err(SignatureError::Layers),
        }
    }
    Ok(newest)
}

/// Looks at signatures for the library.
#[derive(Debug)]
struct Judge<'k> {
    keyring: &'k Keyring,
    found: Option<Fingerprint>,
    notes: Vec<String>,
    /// Why signatures do not count.
    against: Vec<String>,
    layers: usize,
}

impl VerificationHelper for Judge<'_> {
    fn get_certs(&mut self, _ids: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.keyring.certs.clone())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            self.layers += 1;
            // What is encrypted or compressed is no release.
            let MessageLayer::SignatureGroup { results } = layer else {
                self.layers += 1;
                continue;
            };
            for result in results {
                self.look_at(result);
            }
        }
        // Whatever came out of it is judged when all is read.
        Ok(())
    }
}

impl Judge<'_> {
    fn look_at(&mut self, result: VerificationResult<'_>) {
        match result {
            Ok(good) => match self.counts(&good) {
                Ok(by) => self.found = self.found.take().or(Some(by)),
                Err(why) => self.against.push(why),
            },
            Err(error) => self.against.push(told(&error)),
        }
    }

    /// The key of a good signature, if it is one that may sign.
    fn counts(&mut self, good: &GoodChecksum<'_>) -> Result<Fingerprint, String> {
        let cert = good.ka.cert();
        let key = good.ka.key().fingerprint().to_hex();
        let primary = cert.fingerprint().to_hex();
        if self.keyring.pin_of(&primary, &key).is_none() {
            return Err(format!("key {key} is not pinned"));
        }
        let policy = good.ka.policy();
        let mut keys =
            cert.keys().subkeys().filter(|other| other.key().fingerprint().to_hex() == key);
        if is_revoked(&cert.revocation_status(policy, None))
            || keys.any(|key| is_revoked(&key.revocation_status(policy, None)))
        {
            return Err(format!("key {primary} has been revoked"));
        }
        // By the clock of this machine, which may be wrong; so it is only said.
        if cert.with_policy(policy, None).is_ok_and(|cert| cert.alive().is_err()) {
            self.notes
                .push(format!("key {primary} has expired; it counts because the recipe pins it"));
        }
        key.parse().map_err(|_| format!("key {key} is of an unknown kind"))
    }
}

fn is_revoked(status: &RevocationStatus<'_>) -> bool {
    matches!(status, RevocationStatus::Revoked(_))
}

/// Why a signature does not count, in one line.
fn told(error: &VerificationError<'_>) -> String {
    match error {
        VerificationError::MissingKey { sig } => {
            let issuers: Vec<String> = sig.get_issuers().iter().map(KeyHandle::to_hex).collect();
            format!(
                "one is by key {}, which is not pinned or not in the keyring",
                issuers.join(" or ")
            )
        }
        VerificationError::UnboundKey { cert, error, .. } => {
            format!("key {} does not hold: {}", cert.fingerprint().to_hex(), chain(error))
        }
        VerificationError::BadKey { ka, error, .. } => {
            format!("key {} may not sign: {}", ka.key().fingerprint().to_hex(), chain(error))
        }
        VerificationError::BadSignature { ka, error, .. } => {
            format!(
                "the signature by key {} is bad: {}",
                ka.key().fingerprint().to_hex(),
                chain(error)
            )
        }
        VerificationError::MalformedSignature { error, .. } => {
            format!("one is malformed: {}", chain(error))
        }
        _ => "one is of an unknown kind".to_owned(),
    }
}

/// The library's causes, from the outermost on.
fn chain(error: &anyhow::Error) -> String {
    let told: Vec<String> = error.chain().map(ToString::to_string).collect();
    let text: String = told.join(", ").chars().take(240).collect();
    text.escape_debug().to_string()
}
