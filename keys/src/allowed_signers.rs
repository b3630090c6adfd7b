use std::fmt;
use std::str::FromStr;

use crate::{AllowedSigner, Fingerprint, Principal, PublicKey, SignerLineError};

/// Which key is whose, and what it may sign: the file that `ssh-keygen -Y verify -f` reads.
///
/// Every key has one line, and every line one key. Empty lines and those that begin with `#` are
/// passed over and not kept; any other line that cannot be read is an error, because a line that
/// was meant to restrict something must not silently count for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSigners(Vec<AllowedSigner>);

/// Why a text is not accepted as allowed signers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedSignersError {
    /// A line cannot be read.
    #[error("line {line}: {source}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: SignerLineError,
    },
    /// Two principals claim the same key, so nobody knows whose signature it makes.
    #[error("the key {key} stands under two principals, {first} and {second}")]
    TwoPrincipals {
        /// The key.
        key: Fingerprint,
        /// Whose it is by an earlier line.
        first: Principal,
        /// Whose it is by a later line.
        second: Principal,
    },
    /// The same principal has two lines for the same key.
    #[error("the key {key} of {principal} has two lines; write one, with all of its namespaces")]
    TwoLines {
        /// The key.
        key: Fingerprint,
        /// Whose it is.
        principal: Principal,
    },
}

impl AllowedSigners {
    /// Add a line. A key can have only one.
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

    /// The line of `key`.
    #[must_use]
    pub fn get(&self, key: &PublicKey) -> Option<&AllowedSigner> {
        self.0.iter().find(|signer| signer.key() == key)
    }

    /// The lines, in their order.
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

/// The lines of `text` that are neither empty nor comments, with their numbers from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split('\n').enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| {
        let line = line.trim_matches([' ', '\t']);
        !line.is_empty() && !line.starts_with('#')
    })
}
