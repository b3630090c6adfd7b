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
/// channels = ["stable"]
/// signers = '''
/// alice namespaces="vgpu-bundle,vgpu-policy" ssh-ed25519 AAAAC3Nz…
/// bob namespaces="vgpu-bundle,vgpu-policy" ssh-ed25519 AAAAC3Nz…
/// '''
/// revoked = '''
/// '''
/// ```
///
/// Each of these fields is required. `upstream = "required"` is optional, and no other field is allowed.
/// A key in both lists is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    version: u64,
    threshold: NonZeroUsize,
    channels: BTreeSet<Channel>,
    signers: AllowedSigners,
    revoked: RevokedKeys,
    upstream: Upstream,
}

/// Whether every Debian package of a bundle needs the signature of its archive, verified on the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    threshold: NonZeroUsize,
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
        let upstream = Upstream::default();
        let policy = Self { version, threshold, channels, signers, revoked, upstream };
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
        let Document { version, threshold, channels, signers, revoked, upstream } = document;
        let policy = Self::new(version, threshold, channels, signers.parse()?, revoked.parse()?)?;
        Ok(policy.with_upstream(upstream))
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
mod tests {
    use super::*;
    use crate::{KeyFile, PublicKey, Signer};

    fn key(seed: u8) -> PublicKey {
        *KeyFile::from_seed(&[seed; 32], "").unwrap().public_key()
    }

    /// Returns a policy: Alice, who has two keys, and Bob may sign bundles, and Carol only reports.
    fn document(threshold: usize, revoked: &[PublicKey]) -> String {
        let revoked: RevokedKeys = revoked.iter().copied().collect();
        format!(
            "version = 7\nthreshold = {threshold}\nchannels = [\"pve-8\", \"stable\"]\n\
             signers = '''\n\
             alice namespaces=\"vgpu-bundle,vgpu-policy\" {}\n\
             alice namespaces=\"vgpu-bundle\" {}\n\
             bob namespaces=\"vgpu-bundle\" {}\n\
             carol namespaces=\"vgpu-report\" {}\n\
             '''\nrevoked = '''\n{revoked}'''\n",
            key(1),
            key(2),
            key(3),
            key(4),
        )
    }

    #[test]
    fn a_document_is_read_and_written_the_same() {
        let text = document(2, &[key(9)]);
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!(policy.to_string(), text);
        assert_eq!((policy.version(), policy.threshold().get()), (7, 2));
        assert!(policy.channels().iter().map(Channel::as_str).eq(["pve-8", "stable"]));
        assert_eq!(policy.allowed_signers().iter().count(), 4);
        assert!(policy.revoked_keys().contains(&key(9)));
    }

    #[test]
    fn the_rule_for_packages_of_archives_is_optional() {
        let text = document(1, &[]);
        assert_eq!(Policy::parse(text.as_bytes()).unwrap().upstream(), Upstream::Optional);
        let text = text.replace("signers =", "upstream = \"required\"\nsigners =");
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!((policy.upstream(), policy.to_string()), (Upstream::Required, text.clone()));
        let other = text.replace("\"required\"", "\"optional\"");
        assert_eq!(
            Policy::parse(other.as_bytes()).unwrap(),
            policy.with_upstream(Upstream::Optional)
        );
        let bad = text.replace("\"required\"", "\"maybe\"");
        assert!(Policy::parse(bad.as_bytes()).unwrap_err().to_string().contains("line 4"));
    }

    #[test]
    fn other_spellings_of_the_document_mean_the_same() {
        let text = document(1, &[]);
        let spelled = text
            .replace("'''", "\"\"\"")
            .replace("namespaces=\"", "namespaces=\\\"")
            .replace("\" ssh", "\\\" ssh")
            .replace("threshold = 1", "# a comment\nthreshold = 0x1");
        assert_ne!(spelled, text);
        let policy = Policy::parse(spelled.as_bytes()).unwrap();
        assert_eq!(policy.to_string(), text);
    }

    #[test]
    fn the_threshold_is_one_that_principals_with_good_keys_can_reach() {
        let parse = |threshold, revoked: &[PublicKey]| {
            Policy::parse(document(threshold, revoked).as_bytes()).map(|policy| policy.threshold())
        };
        let cannot = |threshold, eligible| {
            let threshold = NonZeroUsize::new(threshold).unwrap();
            Err(PolicyError::Threshold { threshold, eligible })
        };
        assert!(parse(2, &[]).is_ok());
        assert_eq!(parse(3, &[]), cannot(3, 2), "two keys of alice are one principal");
        assert!(parse(2, &[key(1)]).is_ok(), "alice has another key");
        assert_eq!(parse(2, &[key(1), key(2)]), cannot(2, 1));
        assert_eq!(parse(1, &[key(1), key(2), key(3)]), cannot(1, 0));
    }

    #[test]
    fn every_fault_has_its_own_message() {
        let says = |from: &str, to: &str, words: &[&str]| {
            let text = document(1, &[]).replacen(from, to, 1);
            assert_ne!(text, document(1, &[]), "{from:?} is not there");
            let error = Policy::parse(text.as_bytes()).unwrap_err();
            let mut said = error.to_string();
            let mut cause: &dyn std::error::Error = &error;
            while let Some(next) = cause.source() {
                said = format!("{said}: {next}");
                cause = next;
            }
            for word in words {
                assert!(said.contains(word), "{said:?} lacks {word:?}");
            }
        };
        says("version = 7", "version = 0", &["version", "from 1"]);
        says("version = 7", "version = -1", &["line 1 of the policy"]);
        says("version = 7", "version = 9223372036854775808", &["version", "from 1"]);
        says("version = 7\n", "", &["missing field `version`"]);
        says("version = 7", "version = 7\nversion = 8", &["line 2 of the policy", "duplicate"]);
        says("version = 7", "format = 1\nversion = 7", &["unknown field `format`", "line 1"]);
        says("threshold = 1", "threshold = 0", &["line 2 of the policy"]);
        says("[\"pve-8\", \"stable\"]", "[]", &["no channel"]);
        says("\"stable\"", "\"Sta\\u001bble\"", &["line 3", "not a channel"]);
        says("carol", "carol,dave", &["signers", "line 4", "patterns"]);
        says("carol namespaces=\"vgpu-report\" ", "carol ", &["line 4", "may sign"]);
        says("revoked = '''\n", "revoked = '''\nnonsense\n", &["revoked keys", "line 1"]);
        says("revoked = '''\n'''", "", &["missing field `revoked`"]);

        assert_eq!(Policy::parse(b"\xff"), Err(PolicyError::NotText));
        assert_eq!(Policy::parse(&vec![b'#'; MAX_LEN + 1]), Err(PolicyError::TooLong));
    }

    #[test]
    fn control_characters_are_escaped_in_errors() {
        let text = document(1, &[]).replace("version", "\"\\u001b[2Jversion\"");
        let error = Policy::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("unknown field") && !error.contains('\x1b'), "{error:?}");
    }
}
