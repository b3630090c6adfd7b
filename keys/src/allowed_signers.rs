use std::fmt;
use std::str::FromStr;

use crate::{AllowedSigner, Fingerprint, Principal, PublicKey, SignerLineError};

/// The allowed signers, with their keys and roles: the file of `ssh-keygen -Y verify -f`.
///
/// Every key has one line, and every line one key. Empty lines and comments are skipped. Any other
/// line that cannot be parsed is an error, because a restriction must not be ignored silently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSigners(Vec<AllowedSigner>);

/// A text is not a valid list of allowed signers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedSignersError {
    /// A line is invalid.
    #[error("line {line} of the allowed signers is invalid")]
    Line {
        /// The line, from 1.
        line: usize,
        /// The fault.
        source: SignerLineError,
    },
    /// Two principals have the same key, so its signatures are ambiguous.
    #[error("the key {key} belongs to two principals, {first} and {second}")]
    TwoPrincipals {
        /// The key.
        key: Fingerprint,
        /// Its principal in an earlier line.
        first: Principal,
        /// Its principal in a later line.
        second: Principal,
    },
    /// The same principal has two lines for the same key.
    #[error("the key {key} of {principal} has two lines; write one, with all of its namespaces")]
    TwoLines {
        /// The key.
        key: Fingerprint,
        /// Its principal.
        principal: Principal,
    },
}

impl AllowedSigners {
    /// Adds a line. A key can have only one.
    pub fn add(&mut self, signer: AllowedSigner) -> Result<(), AllowedSignersError> {
        let Some(first) = self.get(signer.key()) else {
            self.0.push(signer);
            return Ok(());
        };
        let key = signer.key().fingerprint();
        let (first, second) = (first.principal().clone(), signer.principal().clone());
        Err(if first == second {
            AllowedSignersError::TwoLines { key, principal: first }
        } else {
            AllowedSignersError::TwoPrincipals { key, first, second }
        })
    }

    /// Returns the line of `key`.
    #[must_use]
    pub fn get(&self, key: &PublicKey) -> Option<&AllowedSigner> {
        self.0.iter().find(|signer| signer.key() == key)
    }

    /// Returns the lines, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &AllowedSigner> {
        self.0.iter()
    }
}

impl FromStr for AllowedSigners {
    type Err = AllowedSignersError;

    fn from_str(text: &str) -> Result<Self, AllowedSignersError> {
        let mut signers = Self::default();
        for (number, line) in lines(text) {
            let signer = line
                .parse()
                .map_err(|source| AllowedSignersError::Line { line: number, source })?;
            signers.add(signer)?;
        }
        Ok(signers)
    }
}

impl fmt::Display for AllowedSigners {
    /// Writes a line for each key, which both `ssh-keygen` and [`FromStr`] read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|signer| writeln!(f, "{signer}"))
    }
}

/// Returns the lines of `text` that are neither empty nor comments, with their numbers from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split('\n').enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| {
        let line = line.trim_matches([' ', '\t']);
        !line.is_empty() && !line.starts_with('#')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyError, KeyFile, Role, Signer};

    fn key(seed: u8) -> PublicKey {
        *KeyFile::from_seed(&[seed; 32], "").unwrap().public_key()
    }

    fn line_error(line: &str) -> SignerLineError {
        line.parse::<AllowedSigner>().unwrap_err()
    }

    #[test]
    fn lines_are_read_in_every_spelling_and_written_in_one() {
        let (one, two) = (key(1), key(2));
        let text = format!(
            "# who may sign\n\n \t\n\
             alice namespaces=\"vgpu-policy,vgpu-bundle\" {one} alice@laptop\n\
             \tbob\tvalid-before=\"20300101Z\",namespaces=\"vgpu-report\",valid-after=\"20200101\"  {two}"
        );
        let signers: AllowedSigners = text.parse().unwrap();
        let canonical = format!(
            "alice namespaces=\"vgpu-bundle,vgpu-policy\" {one}\n\
             bob namespaces=\"vgpu-report\",valid-after=\"20200101\",valid-before=\"20300101Z\" {two}\n"
        );
        assert_eq!(signers.to_string(), canonical);
        assert_eq!(canonical.parse().as_ref(), Ok(&signers));

        let bob = signers.get(&two).unwrap();
        assert_eq!(bob.principal().as_str(), "bob");
        assert!(bob.roles().iter().eq(&[Role::Report]));
        assert_eq!(bob.valid_after().unwrap().as_str(), "20200101");
        assert_eq!(bob.valid_before().unwrap().as_str(), "20300101Z");
        assert_eq!(signers.get(&key(3)), None);
        assert_eq!(signers.iter().count(), 2);
    }

    #[test]
    fn every_fault_has_its_own_message() {
        let key = key(1);
        let ns = "namespaces=\"vgpu-bundle\"";
        let says = |line: &str, word: &str| {
            let error = line_error(line);
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let said = format!("{error}: {}", cause.unwrap_or_default());
            assert!(said.contains(word), "{line:?} says {said:?}, not {word:?}");
        };
        says(&format!("* {ns} {key}"), "patterns and lists are not supported");
        says(&format!("alice,bob {ns} {key}"), "patterns and lists are not supported");
        says(&format!("!alice {ns} {key}"), "patterns and lists are not supported");
        says(&format!("\"alice\" {ns} {key}"), "not a principal");
        says(&format!("alice {key}"), "does not name what the key may sign");
        says(&format!("alice valid-after=\"20200101\" {key}"), "does not name");
        says(&format!("alice namespaces=\"\" {key}"), "unknown namespace");
        says(&format!("alice namespaces=\"file\" {key}"), "unknown namespace `file`");
        says(&format!("alice namespaces=\"vgpu-bundle,\" {key}"), "unknown namespace");
        says(&format!("alice namespaces=\"vgpu-*\" {key}"), "is a pattern");
        says(&format!("alice namespaces=\"vgpu-bundle,vgpu-bundle\" {key}"), "duplicate");
        says(&format!("alice {ns},{ns} {key}"), "duplicate");
        says(&format!("alice {ns},namespaces=\"vgpu-report\" {key}"), "duplicate `namespaces`");
        says(&format!("alice namespaces=vgpu-bundle {key}"), "name=\"value\"");
        says(&format!("alice namespaces {key}"), "name=\"value\"");
        says(&format!("alice namespaces=\"vgpu-bundle {key}"), "name=\"value\"");
        says(&format!("alice {ns}x {key}"), "name=\"value\"");
        says(&format!("alice {ns}, {key}"), "unknown option ``");
        says(&format!("alice Namespaces=\"vgpu-bundle\" {key}"), "unknown option");
        says(&format!("alice cert-authority,{ns} {key}"), "certificate authorities");
        says(&format!("alice {ns},valid-after=\"soon\" {key}"), "expected a time");
        says(
            &format!("alice {ns},valid-after=\"20300101\",valid-before=\"20200101\" {key}"),
            "not later",
        );
        says(
            &format!("alice {ns},valid-after=\"20300101\",valid-after=\"20300101\" {key}"),
            "duplicate",
        );
        says(&format!("alice {ns} {key}\r"), "control characters");
        says(&format!("alice {ns} {key} \x1b[2J"), "control characters");
        says(&format!("alice {ns} ssh-rsa AAAA"), "`ssh-rsa` is not accepted");
        says(&format!("alice {ns} ecdsa-sha2-nistp256 AAAA"), "only ssh-ed25519");
        says(&format!("alice {ns}"), "the key is missing");
        says("alice", "the key is missing");
    }

    #[test]
    fn an_error_names_its_line() {
        let text = format!("# one\n\nalice {}\n", key(1));
        let error = text.parse::<AllowedSigners>().unwrap_err();
        let source = SignerLineError::NoNamespaces;
        assert_eq!(error, AllowedSignersError::Line { line: 3, source });

        let source = SignerLineError::Key(KeyError::Missing);
        let error = "alice".parse::<AllowedSigners>().unwrap_err();
        assert_eq!(error, AllowedSignersError::Line { line: 1, source });
    }

    #[test]
    fn a_key_has_one_line_and_one_principal() {
        let line = |who: &str, role: &str| format!("{who} namespaces=\"{role}\" {}\n", key(1));
        let fingerprint = key(1).fingerprint();

        let text = line("alice", "vgpu-bundle") + &line("bob", "vgpu-report");
        let (first, second) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let expected = AllowedSignersError::TwoPrincipals { key: fingerprint, first, second };
        assert_eq!(text.parse::<AllowedSigners>(), Err(expected));

        let text = line("alice", "vgpu-bundle") + &line("alice", "vgpu-report");
        let principal = "alice".parse().unwrap();
        let expected = AllowedSignersError::TwoLines { key: fingerprint, principal };
        assert_eq!(text.parse::<AllowedSigners>(), Err(expected));
    }

    #[test]
    fn a_signer_without_a_role_cannot_be_made() {
        let made = AllowedSigner::new("alice".parse().unwrap(), [], key(1));
        assert_eq!(made, Err(SignerLineError::NoNamespaces));
    }
}
