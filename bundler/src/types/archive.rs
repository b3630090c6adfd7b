//! The parts of an archive's entry in a recipe: its location, a web server or a local folder such as
//! a mounted medium, and its suite.

use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::url::{HttpUrl, ParseUrlError};

/// The address of an archive or of a file in it: `https://…`, `http://…` or `file:/…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Address {
    Web(HttpUrl),
    /// An absolute path of the file system.
    Folder(Utf8PathBuf),
}

/// A text that is not the address of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseAddressError {
    #[error("{0}; a login belongs into `~/.netrc`, see docs/PACKAGES.md")]
    Login(ParseUrlError),
    /// Not an address, or one of an unsupported kind.
    #[error(transparent)]
    Web(ParseUrlError),
    /// The address has a query or fragment, which would not be sent with each file name.
    #[error("`{}` is not the address of an archive: it must end with a path, without `?`", .0.escape_debug())]
    Query(String),
    /// The address does not name a folder.
    #[error(
        "`{}` is not the address of an archive: `file:` must be followed by an absolute path without `..`", .0.escape_debug()
    )]
    Folder(String),
}

impl Address {
    /// Returns the address of a file in the archive.
    ///
    /// The caller has checked `name`: a relative path without `..`.
    #[must_use]
    pub(crate) fn join(&self, name: &str) -> Option<Self> {
        match self {
            Self::Folder(path) => Some(Self::Folder(path.join(name))),
            Self::Web(url) => {
                let base = String::from(url.clone());
                let joined = format!("{}/{}", base.trim_end_matches('/'), escape(name));
                joined.parse().ok().map(Self::Web)
            }
        }
    }
}

/// Returns `name` as a part of an address, with `%` escaped and `+` kept.
fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('#', "%23").replace('?', "%3f")
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("file:") {
            // `file:///media` and `file:/media` are the same place.
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_plain = !path.chars().any(char::is_control)
                && !Utf8Path::new(path).components().any(|part| part.as_str() == "..");
            if !path.starts_with('/') || !is_plain {
                return Err(ParseAddressError::Folder(text.to_owned()));
            }
            return Ok(Self::Folder(path.into()));
        }
        let has_login = text
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')));
        let url: HttpUrl = text.parse().map_err(|error| {
            if has_login { ParseAddressError::Login(error) } else { ParseAddressError::Web(error) }
        })?;
        if text.contains('?') {
            return Err(ParseAddressError::Query(url.to_string()));
        }
        Ok(Self::Web(url))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => url.fmt(f),
            Self::Folder(path) => write!(f, "file:{path}"),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = ParseAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        match address {
            Address::Web(url) => url.into(),
            Address::Folder(path) => format!("file:{path}"),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, name: &str) -> String {
        base.parse::<Address>().unwrap().join(name).unwrap().into()
    }

    #[test]
    fn names_follow_the_address_of_the_archive() {
        let name = "pool/main/g/gcc-12/g++-12_12.2.0-14+deb12u1_amd64.deb";
        assert_eq!(
            joined("https://mirror.example/debian/", name),
            format!("https://mirror.example/debian/{name}")
        );
        assert_eq!(joined("file:///media/debian", "dists/a"), "file:/media/debian/dists/a");
        assert_eq!(joined("file:/media", "a"), "file:/media/a");
        // Some archives encode the colon of an epoch in this way.
        assert_eq!(joined("http://m.example", "a_1%3a2.deb"), "http://m.example/a_1%253a2.deb");
    }

    #[test]
    fn what_is_no_archive_or_has_a_secret_is_refused() {
        for bad in [
            "",
            "/srv/debian",
            "ftp://mirror.example/debian",
            "file:media",
            "file://host/share",
            "file:/a/../b",
            "https://mirror.example/debian?key=1",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let error = "https://me:secret@mirror.example/debian".parse::<Address>().unwrap_err();
        let message = error.to_string();
        assert!(message.contains("netrc") && !message.contains("secret"), "{message}");
    }
}
