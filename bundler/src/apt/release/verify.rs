//! Whether a release is signed by a key that is pinned.
//!
//! `gpgv` or `sqv`, the verifiers of apt, do the cryptography: each signature is checked on its own,
//! against nothing but the certificate of its pinned key. The policy is this program's, and the same
//! with both. One good signature is enough, because archives sign with the old and the new key for a
//! while. Weak hashes and keys never count, whatever the clock says. A key that expired after it had
//! signed still counts, because the fingerprint in the recipe is trusted. A revoked key never counts.

use std::io;
use std::process::{Command, Output, Stdio};

use vgpu_manifest::debian::{FrameError, split_signed};
use vgpu_manifest::package::Fingerprint;

use super::keyring::{Cert, Keyring};
use super::openpgp::{self, Key, Malformed, Packet, SIGNATURE, Signature};

/// A signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The bytes that were verified, and nothing else of the file.
    pub(crate) text: Vec<u8>,
    /// The key that signed it.
    pub(crate) by: Fingerprint,
    /// Remarks on that key for the operator.
    pub(crate) notes: Vec<String>,
}

/// The signed files of an archive, unverified.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Evidence<'e> {
    /// An `InRelease`.
    Inline(&'e [u8]),
    /// A `Release` and its `Release.gpg`.
    Detached { text: &'e [u8], signature: &'e [u8] },
}

/// A release is not signed by a pinned key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("its signature cannot be read: {0}")]
    Form(#[from] Malformed),
    #[error("its signature block is not a short list of signatures")]
    Layers,
    #[error("it has no good signature by a pinned key: {}", .0.join("; "))]
    NoneGood(Vec<String>),
    #[error("cannot run `{program}` on its signature")]
    Run { program: &'static str, source: io::Error },
}

impl SignatureError {
    /// Returns whether the signatures were checked and the release is not trusted.
    pub(crate) fn is_distrust(&self) -> bool {
        !matches!(self, Self::Run { .. })
    }
}

/// A program that verifies signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verifier {
    /// The one of GnuPG, used by apt before version 3.
    Gpgv,
    /// The one of Sequoia, used by apt since version 3.
    Sqv,
}

/// The hint if no verifier is installed.
pub(crate) const INSTALL_GPGV: &str =
    "install `gpgv` or `sqv` (Debian: `apt install gpgv`, macOS: `brew install gnupg`)";

/// The limit of signatures. Debian's releases have up to four.
const MAX_SIGNATURES: usize = 16;

/// Hashes by the identifiers of RFC 9580, 9.5.
const STRONG: [u8; 6] = [8, 9, 10, 11, 12, 14];
const WEAK: [(u8, &str); 3] = [(1, "MD5"), (2, "SHA1"), (3, "RIPEMD160")];

/// Checks that a pinned key has signed a release, and returns the signed text.
pub(crate) fn verify(evidence: Evidence<'_>, keyring: &Keyring) -> Result<Signed, SignatureError> {
    let (text, signatures) = match evidence {
        Evidence::Inline(file) => split_signed(file)?,
        Evidence::Detached { text, signature } => (text.to_vec(), signature.to_vec()),
    };
    let signatures = openpgp::binary(&signatures, "PGP SIGNATURE")?;
    let packets = openpgp::packets(&signatures)?;
    if packets.len() > MAX_SIGNATURES || packets.iter().any(|packet| packet.tag != SIGNATURE) {
        return Err(SignatureError::Layers);
    }
    let program = keyring.verifier.name();
    let run = |source| SignatureError::Run { program, source };
    let check = Check::new(keyring, evidence, &text).map_err(run)?;
    let mut against = Vec::new();
    for packet in packets {
        match check.signature(&packet).map_err(run)? {
            Ok((by, notes)) => return Ok(Signed { text, by, notes }),
            Err(why) => against.push(why),
        }
    }
    Err(SignatureError::NoneGood(against))
}

/// A check of signatures of one text.
struct Check<'k> {
    keyring: &'k Keyring,
    /// The kinds of signature that count, by RFC 9580, 5.2.1.
    classes: &'static [u8],
    /// Holds `text`, and `key` and `signature` of the signature that is being checked.
    folder: tempfile::TempDir,
}

impl<'k> Check<'k> {
    fn new(keyring: &'k Keyring, evidence: Evidence<'_>, text: &[u8]) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("text"), text)?;
        // A clear-signed text is signed without regard to line ends, which is class 1.
        let classes: &[u8] = if matches!(evidence, Evidence::Inline(_)) { &[1] } else { &[0, 1] };
        Ok(Self { keyring, classes, folder })
    }

    /// Returns the key that has made a good signature and notes on it, or why it does not count.
    fn signature(
        &self,
        packet: &Packet<'_>,
    ) -> io::Result<Result<(Fingerprint, Vec<String>), String>> {
        let (signature, cert, key) = match self.candidate(packet) {
            Ok(candidate) => candidate,
            Err(why) => return Ok(Err(why)),
        };
        std::fs::write(self.folder.path().join("key"), &cert.bytes)?;
        std::fs::write(self.folder.path().join("signature"), packet.whole)?;
        let verdict = match self.keyring.verifier {
            Verifier::Gpgv => gpgv(&self.run(&GPGV)?, &signature, cert, key),
            Verifier::Sqv => sqv(&self.run(&[])?, cert, key),
        };
        let by =
            || key.fingerprint.parse().map_err(|_| "its key is of an unknown version".to_owned());
        Ok(verdict.and_then(|notes| Ok((by()?, notes))))
    }

    /// Returns what a signature says and the key that it is by, if it would count.
    fn candidate(&self, packet: &Packet<'_>) -> Result<(Signature, &'k Cert, &'k Key), String> {
        let signature = Signature::parse(packet.body).ok_or("one is of an unknown version")?;
        if let Some((_, name)) = WEAK.iter().find(|(hash, _)| *hash == signature.hash) {
            return Err(format!("one uses {name}, which is weak"));
        }
        if !STRONG.contains(&signature.hash) || !self.classes.contains(&signature.class) {
            return Err("one is of an unknown kind".to_owned());
        }
        let (cert, key) = self.keyring.issuer(&signature).ok_or_else(|| {
            let issuers = signature.issuers.join(" or ");
            format!("one is by key {issuers}, which is not pinned or not in the keyring")
        })?;
        let fingerprint = &key.fingerprint;
        if !self.keyring.is_pinned(cert, key) {
            return Err(format!("key {fingerprint} is not pinned"));
        }
        if let Some(weakness) = cert.primary.weakness.as_ref().or(key.weakness.as_ref()) {
            return Err(format!("key {fingerprint} is weak: {weakness}"));
        }
        if signature.created < key.created {
            return Err(format!("key {fingerprint} is newer than its signature"));
        }
        Ok((signature, cert, key))
    }

    fn run(&self, options: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(self.keyring.verifier.name());
        let file = |name: &str| self.folder.path().join(name);
        command.args(options).arg("--keyring").args(["key", "signature", "text"].map(file));
        // Neither the operator's configuration nor that of the system decides what is good.
        command.env("GNUPGHOME", self.folder.path()).env("SEQUOIA_CRYPTO_POLICY", "");
        command.env("LC_ALL", "C").stdin(Stdio::null()).output()
    }
}

/// The options of `gpgv`. It accepts weak hashes in the signatures on keys unless told otherwise, and
/// refuses signatures of the future, which a machine whose clock is behind would see everywhere.
const GPGV: [&str; 4] =
    ["--status-fd=1", "--ignore-time-conflict", "--weak-digest=SHA1", "--weak-digest=RIPEMD160"];

impl Verifier {
    pub(crate) const ALL: [Self; 2] = [Self::Gpgv, Self::Sqv];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gpgv => "gpgv",
            Self::Sqv => "sqv",
        }
    }

    /// Returns the first verifier that is installed.
    pub(super) fn find() -> Option<Self> {
        let is_there = |it: &Self| {
            let mut command = Command::new(it.name());
            command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(Stdio::null()).status().is_ok()
        };
        Self::ALL.into_iter().find(is_there)
    }
}

/// Returns notes on a good signature, or why it is not good, by the status lines of `gpgv`.
///
/// GnuPG documents them in `doc/DETAILS`. The exit status says nothing of expired and revoked keys.
fn gpgv(
    output: &Output,
    signature: &Signature,
    cert: &Cert,
    key: &Key,
) -> Result<Vec<String>, String> {
    let (fingerprint, primary) = (&key.fingerprint, &cert.primary.fingerprint);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let lines = stdout.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let lines: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let all = |word: &'static str| lines.iter().filter(move |line| line[0] == word);
    let is = |word| all(word).next().is_some();
    if is("BADSIG") {
        return Err(format!("the signature by key {fingerprint} is bad"));
    }
    if is("REVKEYSIG") {
        return Err(format!("key {primary} has been revoked"));
    }
    if is("EXPSIG") {
        return Err(format!("the signature by key {fingerprint} has expired"));
    }
    // VALIDSIG: fingerprint, date, time, expiry, version, reserved, algorithm, hash, class, primary.
    let hash = signature.hash.to_string();
    let time = signature.created.to_string();
    let is_this = |line: &&Vec<&str>| {
        let field = |at: usize| line.get(at).copied().unwrap_or_default();
        [field(1), field(3), field(8), field(10)] == [fingerprint, &*time, &hash, primary]
    };
    if all("VALIDSIG").filter(is_this).count() != 1 || all("NEWSIG").count() != 1 {
        let reasons = String::from_utf8_lossy(&output.stderr);
        let last =
            reasons.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        return Err(format!("the signature by key {fingerprint} does not hold: {}", shown(last)));
    }
    if is("GOODSIG") {
        return Ok(Vec::new());
    }
    // The dates on which keys of the certificate expired; 0 stands for none.
    let expired = all("KEYEXPIRED").filter_map(|line| line.get(1)?.parse::<u32>().ok());
    let expired = expired.filter(|&time| time != 0).min();
    if is("EXPKEYSIG") && expired.is_some_and(|expired| signature.created <= expired) {
        let note = format!("key {primary} has expired; it counts because the recipe pins it");
        return Ok(vec![note]);
    }
    Err(format!("key {fingerprint} had expired before it signed"))
}

/// Returns no notes on a good signature, or why it is not good. `sqv` names the certificate.
fn sqv(output: &Output, cert: &Cert, key: &Key) -> Result<Vec<String>, String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && stdout.trim() == cert.primary.fingerprint {
        return Ok(Vec::new());
    }
    let reasons = String::from_utf8_lossy(&output.stderr);
    let reasons: Vec<&str> =
        reasons.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(format!("the signature by key {} is bad: {}", key.fingerprint, shown(&reasons.join(" "))))
}

/// Returns the output of another program, safe to show.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(480).collect();
    text.escape_debug().to_string()
}
