//! Links to files on mega.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A link to a file on mega: its address with the decryption key.
///
/// The link is enough to read the file, so the key counts as a secret part of the address: recipe
/// and lock contain it, messages and bundles do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct MegaLink(String);

/// A text is not a link to a file on mega.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a link to a file on mega is `https://mega.nz/file/ID#KEY` or `https://mega.nz/#!ID!KEY`")]
pub(crate) struct ParseMegaError;

impl FromStr for MegaLink {
    type Err = ParseMegaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("https://mega.nz/").ok_or(ParseMegaError)?;
        let parts = match rest.strip_prefix("file/") {
            Some(rest) => rest.split_once('#'),
            None => rest.strip_prefix("#!").and_then(|rest| rest.split_once('!')),
        };
        let is_word = |word: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        match parts {
            Some((id, key)) if is_word(id, 8..=8) && is_word(key, 22..=43) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(ParseMegaError),
        }
    }
}

impl MegaLink {
    /// Returns the address with the key.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// Returns the address without the key.
    pub(crate) fn public(&self) -> String {
        let rest = self.0.trim_start_matches("https://mega.nz/");
        let id: String =
            rest.trim_start_matches("file/").trim_start_matches("#!").chars().take(8).collect();
        format!("https://mega.nz/file/{id}")
    }
}

/// Omits the key: debug output may end up in a log.
impl fmt::Display for MegaLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public())
    }
}

impl TryFrom<String> for MegaLink {
    type Error = ParseMegaError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MegaLink> for String {
    fn from(link: MegaLink) -> Self {
        link.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_key_that_is_never_shown() {
        let key = "bauBlAkKKvv8hIm-8-qFmGOYS289ToQWN7rGFPzXB_w";
        for text in [
            format!("https://mega.nz/file/7YVWhCzZ#{key}"),
            format!("https://mega.nz/#!7YVWhCzZ!{key}"),
        ] {
            let link: MegaLink = text.parse().unwrap();
            assert_eq!(link.to_string(), "https://mega.nz/file/7YVWhCzZ");
            assert_eq!(String::from(link), text);
        }
        for bad in [
            "",
            "https://mega.nz/file/7YVWhCzZ",
            &format!("https://mega.nz/folder/7YVWhCzZ#{key}"),
            &format!("http://mega.nz/file/7YVWhCzZ#{key}"),
            &format!("https://mega.example/file/7YVWhCzZ#{key}"),
            &format!("https://mega.nz/file/7YVWhCzZ#{key} --help"),
            &format!("https://mega.nz/file/../7YVWh#{key}"),
            "--help",
        ] {
            assert!(bad.parse::<MegaLink>().is_err(), "{bad}");
        }
    }
}
