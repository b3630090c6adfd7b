use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
/// The name of a suite or component, which becomes part of an address: `bookworm`, `updates/main`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Suite(String);

/// A text is not the name of a suite or component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a suite or component: expected words of letters, digits and `._+~-`, joined by `/`", .0.escape_debug())]
pub(crate) struct ParseSuiteError(String);

impl Suite {
    /// Returns the name, safe to be part of an address.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Suite {
    type Err = ParseSuiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~-".contains(&b))
        };
        if text.len() > 100 || !text.split('/').all(is_word) {
            return Err(ParseSuiteError(text.chars().take(120).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Suite {
    type Error = ParseSuiteError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Suite> for String {
    fn from(suite: Suite) -> Self {
        suite.0
    }
}
