use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::wire::show;
use crate::{
    AllowedSigners, AllowedSignersError, Channel, Principal, RevokedKeys, RevokedKeysError, Role,
};

/// The longest policy, in bytes: enough for hundreds of keys.
const MAX_LEN: usize = 256 * 1024;

/// The signers that a host trusts: a versioned document, which is always replaced as a whole.
///
/// ```toml
/// version = 1
/// threshold = 2
/// policy-threshold = 2
/// channels = ["stable"]
/// signers = '''
/// alice namespaces="vgpu-bundle,vgpu-policy" ssh-ed25519 AAAAC3Nz…
/// bob namespaces="vgpu-bundle,vgpu-policy" ssh-ed25519 AAAAC3Nz…
/// '''
/// revoked = '''
/// '''
/// ```
///
/// `policy-threshold`, the number of principals that must sign the next policy, can be omitted and is
/// then `threshold`. `upstream = "required"` is optional, too. Every other field is required, and no
/// other is allowed. A key in both lists is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    version: u64,
    threshold: NonZeroUsize,
    /// The number of principals that must sign the next policy, if it differs.
    next_threshold: Option<NonZeroUsize>,
    channels: BTreeSet<Channel>,
    signers: AllowedSigners,
    revoked: RevokedKeys,
    upstream: Upstream,
}

/// Whether every Debian package of a bundle needs the signature of its archive, verified on the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// It is verified if the bundle has what that takes, and reported.
    #[default]
    Optional,
    /// A bundle without it is refused.
    Required,
}

/// A document is not a valid policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is too long.
    #[error("the policy is longer than {MAX_LEN} bytes")]
    TooLong,
    /// It is not text.
    #[error("the policy is not UTF-8 text")]
    NotText,
    /// It is not TOML, lacks a field, or has an unknown one.
    #[error("line {line} of the policy: {message}")]
    Document {
        /// The line, from 1.
        line: usize,
        /// The fault, without control characters.
        message: String,
    },
    /// The version is outside of 1 to 2^63 - 1.
    #[error("the version of the policy must be from 1 to {}", i64::MAX)]
    Version,
    /// It has no channel.
    #[error("the policy has no channel, so it would accept no bundle")]
    NoChannels,
    /// The signers cannot be read.
    #[error("the `signers` of the policy are invalid")]
    Signers(#[from] AllowedSignersError),
    /// The revoked keys cannot be read.
    #[error("the `revoked` keys of the policy are invalid")]
    Revoked(#[from] RevokedKeysError),
    /// Fewer principals can sign a bundle than must sign it.
    #[error(
        "the policy requires {threshold} signatures, but only {eligible} principals with valid keys may sign bundles"
    )]
    Threshold {
        /// The number of principals that must sign.
        threshold: NonZeroUsize,
        /// The number of principals that can.
        eligible: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Document {
    version: u64,
    threshold: NonZeroUsize,
    policy_threshold: Option<NonZeroUsize>,
    channels: BTreeSet<Channel>,
    signers: String,
    revoked: String,
    #[serde(default)]
    upstream: Upstream,
}

impl Policy {
    /// Creates a policy.
    ///
    /// # Errors
    ///
    /// If it could not be parsed, or if it could never trust a bundle.
    pub fn new(
        version: u64,
        threshold: NonZeroUsize,
        channels: impl IntoIterator<Item = Channel>,
        signers: AllowedSigners,
        revoked: RevokedKeys,
    ) -> Result<Self, PolicyError> {
        let channels = BTreeSet::from_iter(channels);
        let (next_threshold, upstream) = (None, Upstream::default());
        let policy =
            Self { version, threshold, next_threshold, channels, signers, revoked, upstream };
        if version == 0 || i64::try_from(version).is_err() {
            return Err(PolicyError::Version);
        }
        if policy.channels.is_empty() {
            return Err(PolicyError::NoChannels);
        }
        let eligible = policy.eligible(Role::Bundle).len();
        if threshold.get() > eligible {
            return Err(PolicyError::Threshold { threshold, eligible });
        }
        Ok(policy)
    }

    /// Parses the document.
    pub fn parse(document: &[u8]) -> Result<Self, PolicyError> {
        if document.len() > MAX_LEN {
            return Err(PolicyError::TooLong);
        }
        let text = str::from_utf8(document).map_err(|_| PolicyError::NotText)?;
        let document: Document = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            PolicyError::Document { line, message: show_message(error.message()) }
        })?;
        let Document { version, threshold, policy_threshold, channels, signers, revoked, upstream } =
            document;
        let policy = Self::new(version, threshold, channels, signers.parse()?, revoked.parse()?)?;
        Ok(policy.with_policy_threshold(policy_threshold).with_upstream(upstream))
    }

    pub(crate) fn with_policy_threshold(self, next_threshold: Option<NonZeroUsize>) -> Self {
        Self { next_threshold, ..self }
    }

    /// Returns the same policy with another rule for the packages of archives.
    #[must_use]
    pub fn with_upstream(self, upstream: Upstream) -> Self {
        Self { upstream, ..self }
    }

    /// Returns whether packages need the signatures of their archives.
    #[must_use]
    pub fn upstream(&self) -> Upstream {
        self.upstream
    }

    /// Returns the version. Only the policy with the next version replaces this one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the number of principals that must sign.
    #[must_use]
    pub fn threshold(&self) -> NonZeroUsize {
        self.threshold
    }

    /// Returns the number of principals that must sign for `role`.
    #[must_use]
    pub fn threshold_for(&self, role: Role) -> NonZeroUsize {
        let own = self.next_threshold.filter(|_| role == Role::Policy);
        own.unwrap_or(self.threshold)
    }

    /// Returns the threshold for policies, if the document has one.
    pub(crate) fn own_policy_threshold(&self) -> Option<NonZeroUsize> {
        self.next_threshold
    }

    /// Checks whether enough principals can sign the next policy. If not, only the host's own
    /// administrator can replace this one.
    #[must_use]
    pub fn can_be_succeeded(&self) -> bool {
        self.eligible(Role::Policy).len() >= self.threshold_for(Role::Policy).get()
    }

    /// Returns the channels of accepted bundles; never empty.
    #[must_use]
    pub fn channels(&self) -> &BTreeSet<Channel> {
        &self.channels
    }

    /// Returns the allowed signers. Its text is the file of `ssh-keygen -Y verify -f`.
    #[must_use]
    pub fn allowed_signers(&self) -> &AllowedSigners {
        &self.signers
    }

    /// Returns the revoked keys. Its text is the file of `ssh-keygen -Y verify -r`.
    #[must_use]
    pub fn revoked_keys(&self) -> &RevokedKeys {
        &self.revoked
    }

    /// Returns the principals with a key that may sign for `role` and is not revoked.
    #[must_use]
    pub fn eligible(&self, role: Role) -> BTreeSet<&Principal> {
        let may = |signer: &&crate::AllowedSigner| {
            signer.roles().contains(&role) && !self.revoked.contains(signer.key())
        };
        self.signers.iter().filter(may).map(crate::AllowedSigner::principal).collect()
    }
}

impl fmt::Display for Policy {
    /// Writes the document that [`Policy::parse`] reads, always the same way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<String> =
            self.channels.iter().map(|name| format!("\"{name}\"")).collect();
        writeln!(f, "version = {}", self.version)?;
        writeln!(f, "threshold = {}", self.threshold)?;
        if let Some(threshold) = self.next_threshold {
            writeln!(f, "policy-threshold = {threshold}")?;
        }
        writeln!(f, "channels = [{}]", channels.join(", "))?;
        if self.upstream == Upstream::Required {
            writeln!(f, "upstream = \"required\"")?;
        }
        // Neither text can contain an apostrophe, so a literal string is safe.
        writeln!(f, "signers = '''\n{}'''", self.signers)?;
        writeln!(f, "revoked = '''\n{}'''", self.revoked)
    }
}

/// Returns the message of the TOML parser without control characters of the document.
fn show_message(message: &str) -> String {
    let words: Vec<String> = message.split_whitespace().map(|word| show(word.as_bytes())).collect();
    words.join(" ").replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests;
