use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::allowed_signers::lines;
use crate::{KeyError, PublicKey};

/// The revoked keys, whose signatures never count: the file of `ssh-keygen -Y verify -r`.
///
/// One public key per line, as in its `.pub` file. `ssh-keygen -r` refuses *every* signature when the
/// file has another kind of line. Therefore fingerprints and the `serial:`, `hash:` and other lines
/// for `ssh-keygen -k` (which writes a binary list, a KRL) are errors here too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedKeys(BTreeSet<PublicKey>);

/// A text is not a valid list of revoked keys.
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
        /// The line, from 1.
        line: usize,
        /// The beginning of the line.
        kind: &'static str,
    },
    /// A line is not an accepted public key.
    #[error("line {line} of the revoked keys is invalid")]
    Key {
        /// The line, from 1.
        line: usize,
        /// The fault.
        source: KeyError,
    },
}

impl RevokedKeys {
    /// Checks whether `key` is revoked.
    #[must_use]
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    /// Revokes `key`. Returns `false` if it was already revoked.
    pub fn revoke(&mut self, key: PublicKey) -> bool {
        self.0.insert(key)
    }

    /// Checks whether every key of `earlier` is revoked here too.
    #[must_use]
    pub fn is_superset_of(&self, earlier: &Self) -> bool {
        self.missing(earlier).next().is_none()
    }

    /// Returns the keys that are revoked in `earlier` and not here.
    pub fn missing<'a>(&self, earlier: &'a Self) -> impl Iterator<Item = &'a PublicKey> {
        earlier.iter().filter(|key| !self.contains(key))
    }

    /// Returns the keys, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }
}

impl FromIterator<PublicKey> for RevokedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// Beginnings of fingerprints and of lines that only `ssh-keygen -k` supports (`man ssh-keygen`, KEY
/// REVOCATION LISTS).
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
    fn lines_that_ssh_keygen_refuses_are_refused() {
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
    fn additional_keys_are_detected() {
        let (none, one) = (RevokedKeys::default(), RevokedKeys::from_iter([key(1)]));
        let mut both = one.clone();
        assert!(both.revoke(key(2)));
        assert!(!both.revoke(key(2)));
        assert!(one.is_superset_of(&none) && one.is_superset_of(&one) && both.is_superset_of(&one));
        assert!(!one.is_superset_of(&both) && !none.is_superset_of(&one));
        assert!(one.missing(&both).eq([&key(2)]));
    }
}
