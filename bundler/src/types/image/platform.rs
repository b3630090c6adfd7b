use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The platform of an image: `linux/amd64`, or with a variant, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A text that is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a platform: expected a system and an architecture, as `linux/amd64`", .0.escape_debug())]
pub(crate) struct ParsePlatformError(String);

impl Platform {
    /// The platform of every Proxmox host.
    #[must_use]
    pub(crate) fn host() -> Self {
        Self { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None }
    }

    /// Checks whether it is the platform of Proxmox hosts.
    #[must_use]
    pub(crate) fn is_host(&self) -> bool {
        *self == Self::host()
    }

    /// Ranks an image for this system, architecture and variant; `None` if it does not fit.
    ///
    /// Without a wanted variant, an image for all variants is preferred.
    pub(crate) fn rank(&self, os: &str, architecture: &str, variant: Option<&str>) -> Option<u8> {
        let variant = variant.filter(|variant| !variant.is_empty());
        let rank = match (self.variant.as_deref(), variant) {
            (wanted, variant) if wanted == variant => 0,
            (None, Some(_)) => 1,
            _ => return None,
        };
        (self.os == os && self.architecture == architecture).then_some(rank)
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePlatformError(text.chars().take(120).collect());
        let mut parts = text.split('/').map(|part| {
            let is_word = !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            is_word.then(|| part.to_owned()).ok_or_else(error)
        });
        let mut next = || parts.next().transpose();
        let (os, architecture) = (next()?.ok_or_else(error)?, next()?.ok_or_else(error)?);
        let variant = next()?;
        match next()? {
            None => Ok(Self { os, architecture, variant }),
            Some(_) => Err(error()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl TryFrom<String> for Platform {
    type Error = ParsePlatformError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_or_three_words_are_a_platform() {
        for good in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(good.parse::<Platform>().unwrap().to_string(), good);
        }
        assert!("linux/amd64".parse::<Platform>().unwrap().is_host());
        for bad in ["", "linux", "linux/", "/amd64", "linux/AMD64", "linux/arm/v7/x", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_for_every_variant_is_best() {
        let host = Platform::host();
        assert_eq!(host.rank("linux", "amd64", None), Some(0));
        assert_eq!(host.rank("linux", "amd64", Some("")), Some(0));
        assert_eq!(host.rank("linux", "amd64", Some("v3")), Some(1));
        assert_eq!(host.rank("linux", "arm64", None), None);
        assert_eq!(host.rank("windows", "amd64", None), None);
        let v7: Platform = "linux/arm/v7".parse().unwrap();
        assert_eq!(v7.rank("linux", "arm", Some("v7")), Some(0));
        assert_eq!(v7.rank("linux", "arm", Some("v6")), None);
        assert_eq!(v7.rank("linux", "arm", None), None);
    }
}
