use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::allowed_signers::lines;
use crate::{KeyError, PublicKey};

/// The keys whose signatures never count again: the file that `ssh-keygen -Y verify -r` reads.
///
/// One public key per line, as in its `.pub` file. `ssh-keygen -r` turns down *every* signature
/// when such a file has a line of another kind, so fingerprints and the `serial:`, `hash:` and
/// other lines from which `ssh-keygen -k` makes a binary list (a KRL) are errors here too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedKeys(BTreeSet<PublicKey>);

/// Why a text is not accepted as revoked keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokedKeysError {
    /// It is a binary list.
    #[error("this is a binary key revocation list (KRL); write one public key per line instead")]
    Binary,
    /// A line has a fingerprint, or is for `ssh-keygen -k`.
    #[error(
        "line {line} of the revoked keys: `ssh-keygen -r` reads public keys only; write the key itself instead of its fingerprint or a `{kind}` line"
    )]
    KrlLine {
        /// Which line, from 1.
        line: usize,
        /// How the line begins.
        kind: &'static str,
    },
    /// A line is not a public key that is accepted.
    #[error("line {line} of the revoked keys cannot be used")]
    Key {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl RevokedKeys {
    /// Whether `key` is revoked.
    #[must_use]
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    /// Revoke `key`. Whether it was not revoked yet.
    pub fn revoke(&mut self, key: PublicKey) -> bool {
        self.0.insert(key)
    }

    /// Whether every key of `earlier` is revoked here too.
    #[must_use]
    pub fn is_superset_of(&self, earlier: &Self) -> bool {
        self.missing(earlier).next().is_none()
    }

    /// The keys that are revoked in `earlier` and not here.
    pub fn missing<'a>(&self, earlier: &'a Self) -> impl Iterator<Item = &'a PublicKey> {
        earlier.iter().filter(|key| !self.contains(key))
    }

    /// The keys, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }
}

impl FromIterator<PublicKey> for RevokedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// How lines begin that only `ssh-keygen -k` understands (`man ssh-keygen`, KEY REVOCATION
/// LISTS), and fingerprints.
const KRL_LINES: [&str; 7] = ["SHA256:", "hash:", "sha256:", "sha1:", "key:", "serial:", "id:"];

impl FromStr for RevokedKeys {
    type Err = RevokedKeysError;

    fn from_str(text: &str) -> Result<Self, RevokedKeysError> {
        if text.starts_with("SSHKRL\n") {
            return Err(RevokedKeysError::Binary);
        }
        let mut keys = BTreeSet::new();
        for (line, content) in lines(text) {
            let kind = KRL_LINES.into_iter().find(|kind| content.trim_start().starts_with(kind));
            if let Some(kind) = kind {
                return Err(RevokedKeysError::KrlLine { line, kind });
            }
            // Twice the same key is still the same set.
            keys.insert(content.parse().map_err(|source| RevokedKeysError::Key { line, source })?);
        }
        Ok(Self(keys))
    }
}

impl fmt::Display for RevokedKeys {
    /// Writes a line for each key, which both `ssh-keygen` and [`FromStr`] read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|key| writeln!(f, "{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFile, Signer};

    fn key(seed: u8) -> PublicKey {
        *KeyFile::from_seed(&[seed; 32], "").unwrap().public_key()
    }

    #[test]
    fn keys_are_read_with_comments_and_written_without() {
        let (one, two) = (key(1), key(2));
        let text = format!("# lost\n\n{one} alice@old-laptop\n\t{two}\n{one}\n");
        let revoked: RevokedKeys = text.parse().unwrap();
        assert!(revoked.contains(&one) && revoked.contains(&two) && !revoked.contains(&key(3)));
        assert_eq!(revoked, RevokedKeys::from_iter([two, one]));
        assert_eq!(revoked.to_string().parse(), Ok(revoked));
        assert_eq!("".parse(), Ok(RevokedKeys::default()));
    }

    #[test]
    fn what_ssh_keygen_would_not_read_is_refused() {
        let says = |text: &str, word: &str| {
            let error = text.parse::<RevokedKeys>().unwrap_err().to_string();
            assert!(error.contains(word), "{text:?} says {error:?}, not {word:?}");
        };
        says("SSHKRL\n\0\0\0\0", "binary");
        says(
            &format!("\n{}\n", key(1).fingerprint()),
            "line 2 of the revoked keys: `ssh-keygen -r`",
        );
        says(&format!("hash: {}", key(1).fingerprint()), "`hash:` line");
        says("serial: 1", "`serial:` line");
        says("ssh-rsa AAAA", "line 1");
        says(&format!("restrict {}", key(1)), "line 1");
        says(&format!("{}\r\n", key(1)), "line 1");
    }

    #[test]
    fn growth_is_seen() {
        let (none, one) = (RevokedKeys::default(), RevokedKeys::from_iter([key(1)]));
        let mut both = one.clone();
        assert!(both.revoke(key(2)));
        assert!(!both.revoke(key(2)));
        assert!(one.is_superset_of(&none) && one.is_superset_of(&one) && both.is_superset_of(&one));
        assert!(!one.is_superset_of(&both) && !none.is_superset_of(&one));
        assert!(one.missing(&both).eq([&key(2)]));
    }
}
