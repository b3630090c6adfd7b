//! Requests for packages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::PackageName;
use vgpu_manifest::{DebVersion, ParseTextError};

/// A requested package: `dkms`, or `dkms=3.0.10-8` for exactly that version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Request {
    pub(crate) name: PackageName,
    pub(crate) version: Option<DebVersion>,
}

/// Which packages of a node may be upgraded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Upgrades {
    /// None.
    #[default]
    Never,
    /// Those without which a requested package cannot be installed.
    Coupled,
    /// All, to the newest versions of the archives.
    All,
}

impl FromStr for Request {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, version) = match text.split_once('=') {
            Some((name, version)) => (name, Some(version.parse()?)),
            None => (text, None),
        };
        Ok(Self { name: name.parse()?, version })
    }
}

impl TryFrom<String> for Request {
    type Error = ParseTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Request> for String {
    fn from(request: Request) -> Self {
        request.to_string()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "={version}"))
    }
}

impl fmt::Display for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Coupled => "coupled",
            Self::All => "all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_name_or_a_name_and_a_version() {
        for good in ["dkms", "g++-12=12.2.0-14+deb12u1", "a=1:2~rc1"] {
            assert_eq!(good.parse::<Request>().unwrap().to_string(), good);
        }
        for bad in ["", "=1", "a=", "a=b", "a:amd64", "a (= 1)", "a/bookworm"] {
            assert!(bad.parse::<Request>().is_err(), "{bad}");
        }
    }
}
