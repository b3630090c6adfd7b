//! Policies that travel: documents, each followed by its signatures.

use crate::armor::Label;
use crate::{PublicKey, SLOT_COUNT, Signature, SignatureError};

/// The longest text of signed policies, in bytes.
pub const MAX_POLICIES: u64 = 1 << 20;

/// Consecutive policies with their signatures, as one text.
///
/// Each policy is its document, byte for byte, followed by the armored signatures as `ssh-keygen -Y
/// sign -n vgpu-policy` writes them. `cat` joins such texts.
///
/// ```text
/// version = 2
/// …
/// -----BEGIN SSH SIGNATURE-----
/// …
/// -----END SSH SIGNATURE-----
/// version = 3
/// …
/// ```
///
/// Parsing neither verifies signatures nor parses documents; [`Policy::follow`] does.
///
/// [`Policy::follow`]: crate::Policy::follow
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPolicies(Vec<SignedPolicy>);

/// The document of a policy and its signatures. Neither is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPolicy {
    version: u64,
    document: Vec<u8>,
    signatures: Vec<Signature>,
}

/// A text is not a series of signed policies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedPoliciesError {
    /// It is too long.
    #[error("the policies are longer than {MAX_POLICIES} bytes")]
    TooLong,
    /// It is empty, or starts with a signature.
    #[error("the text does not start with a policy")]
    Start,
    /// A document does not begin with its version.
    #[error("line {0}: the first line of a policy must be `version = N`")]
    Version(usize),
    /// A document does not end with a newline.
    #[error("policy {0} does not end with a newline")]
    NoNewline(u64),
    /// A document has no signature.
    #[error("policy {0} is not signed")]
    Unsigned(u64),
    /// A signature cannot be parsed.
    #[error("a signature of policy {version} cannot be used")]
    Signature {
        /// The version of the policy.
        version: u64,
        /// The fault.
        source: SignatureError,
    },
    /// A policy has too many signatures.
    #[error("policy {0} has more than {SLOT_COUNT} signatures")]
    TooMany(u64),
    /// A policy does not follow the previous one.
    #[error("policy {found} follows policy {before}; versions must increase by one")]
    Order {
        /// The version of the earlier policy.
        before: u64,
        /// The version of the later one.
        found: u64,
    },
    /// The key has already signed.
    #[error("the key {0} has already signed the policy")]
    AlreadySigned(crate::Fingerprint),
}

impl SignedPolicies {
    /// Parses the text.
    pub fn parse(text: &[u8]) -> Result<Self, SignedPoliciesError> {
        if text.len() as u64 > MAX_POLICIES {
            return Err(SignedPoliciesError::TooLong);
        }
        let mut policies: Vec<SignedPolicy> = Vec::new();
        let (mut rest, mut line) = (text, 1);
        while !rest.is_empty() {
            let policy = SignedPolicy::take(&mut rest, &mut line)?;
            if policy.signatures.is_empty() {
                return Err(SignedPoliciesError::Unsigned(policy.version));
            }
            if let Some(before) = policies.last().map(|policy| policy.version)
                && before.checked_add(1) != Some(policy.version)
            {
                return Err(SignedPoliciesError::Order { before, found: policy.version });
            }
            policies.push(policy);
        }
        if policies.is_empty() { Err(SignedPoliciesError::Start) } else { Ok(Self(policies)) }
    }

    /// Returns the policies, the oldest first; never empty.
    #[must_use]
    pub fn policies(&self) -> &[SignedPolicy] {
        &self.0
    }
}

impl SignedPolicy {
    /// Parses one policy, with any number of signatures.
    pub fn parse(text: &[u8]) -> Result<Self, SignedPoliciesError> {
        let mut rest = text;
        let policy = Self::take(&mut rest, &mut 1)?;
        if rest.is_empty() {
            return Ok(policy);
        }
        let (before, found) = (policy.version, Self::take(&mut rest, &mut 1)?.version);
        Err(SignedPoliciesError::Order { before, found })
    }

    /// Returns the version, by the first line.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the signed bytes.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Returns the signatures.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature.
    pub fn add(&mut self, signature: Signature) -> Result<(), SignedPoliciesError> {
        self.check_unsigned_by(signature.key())?;
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks that `key` can still add a signature.
    pub fn check_unsigned_by(&self, key: &PublicKey) -> Result<(), SignedPoliciesError> {
        if self.signatures.iter().any(|signature| signature.key() == key) {
            return Err(SignedPoliciesError::AlreadySigned(key.fingerprint()));
        }
        if self.signatures.len() == SLOT_COUNT {
            return Err(SignedPoliciesError::TooMany(self.version));
        }
        Ok(())
    }

    /// Returns the text: the document and the signatures.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = self.document.clone();
        for signature in &self.signatures {
            text.extend_from_slice(signature.to_armor().as_bytes());
        }
        text
    }

    /// Takes one policy from the front of `rest`, whose first line has the number `line`.
    fn take(rest: &mut &[u8], line: &mut usize) -> Result<Self, SignedPoliciesError> {
        let document = take_lines(rest, |line| !is_begin(line));
        if document.is_empty() {
            return Err(SignedPoliciesError::Start);
        }
        let version = version(document).ok_or(SignedPoliciesError::Version(*line))?;
        // Otherwise, the first line of a signature would continue the last one of the document.
        if !document.ends_with(b"\n") {
            return Err(SignedPoliciesError::NoNewline(version));
        }
        let mut signatures = Vec::new();
        let before = rest.len();
        let text = *rest;
        while rest.split_inclusive(|&byte| byte == b'\n').next().is_some_and(is_begin) {
            if signatures.len() == SLOT_COUNT {
                return Err(SignedPoliciesError::TooMany(version));
            }
            let mut ended = false;
            let armor = take_lines(rest, |line| !std::mem::replace(&mut ended, is_end(line)));
            let signature = Signature::from_armor(armor)
                .map_err(|source| SignedPoliciesError::Signature { version, source })?;
            signatures.push(signature);
        }
        *line += lines(document) + lines(&text[..before - rest.len()]);
        Ok(Self { version, document: document.to_vec(), signatures })
    }
}

const LABEL: Label = Label("SSH SIGNATURE");

fn is_begin(line: &[u8]) -> bool {
    is_armor_line(line, b"-----BEGIN ")
}

fn is_end(line: &[u8]) -> bool {
    is_armor_line(line, b"-----END ")
}

fn is_armor_line(line: &[u8], word: &[u8]) -> bool {
    let label = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(LABEL.0.as_bytes()));
    label.is_some_and(|rest| rest.trim_ascii_end() == b"-----")
}

/// Takes the first lines of `rest`, as long as `wanted` accepts them.
fn take_lines<'t>(rest: &mut &'t [u8], mut wanted: impl FnMut(&[u8]) -> bool) -> &'t [u8] {
    let lines = rest.split_inclusive(|&byte| byte == b'\n').take_while(|line| wanted(line));
    let (taken, left) = rest.split_at(lines.map(<[u8]>::len).sum());
    *rest = left;
    taken
}

fn lines(text: &[u8]) -> usize {
    text.split(|&byte| byte == b'\n').count() - 1
}

/// Returns the version in the first line of a document, without parsing the rest.
fn version(document: &[u8]) -> Option<u64> {
    let line = document.split(|&byte| byte == b'\n').next()?;
    let digits = str::from_utf8(line.strip_prefix(b"version = ")?).ok()?;
    let version: u64 = digits.parse().ok()?;
    (version.to_string() == digits && version > 0).then_some(version)
}
