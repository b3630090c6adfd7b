use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{serde_as_text, words};
use crate::ParseTextError;

/// A release of Proxmox VE, with its point release: `8.4`.
///
/// Any release can be written; those that we know something about have a [`PveSeries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PveRelease {
    major: u8,
    minor: u8,
}

words! {
    /// A major release of Proxmox VE that we know.
    PveSeries, "a major release of Proxmox VE", {
        /// PVE 7, on Debian 11 bullseye.
        Seven = "7",
        /// PVE 8, on Debian 12 bookworm.
        Eight = "8",
        /// PVE 9, on Debian 13 trixie.
        Nine = "9",
    }
}

impl PveRelease {
    /// The release with these numbers.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// The first number.
    #[must_use]
    pub const fn major(self) -> u8 {
        self.major
    }

    /// The second number.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// The major release; `None` if it is older or newer than those we know.
    #[must_use]
    pub const fn series(self) -> Option<PveSeries> {
        match self.major {
            7 => Some(PveSeries::Seven),
            8 => Some(PveSeries::Eight),
            9 => Some(PveSeries::Nine),
            _ => None,
        }
    }
}

impl PveSeries {
    /// The code name of the Debian release that it is built on.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Seven => "bullseye",
            Self::Eight => "bookworm",
            Self::Nine => "trixie",
        }
    }
}

impl FromStr for PveRelease {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(major.parse().ok()?, minor.parse().ok()?)))
            .filter(|release| release.to_string() == text)
            .ok_or_else(|| {
                ParseTextError::new(text, "a release of Proxmox VE", "two numbers: `8.4`")
            })
    }
}

impl fmt::Display for PveRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

serde_as_text!(PveRelease);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_one_spelling_and_is_ordered_by_number() {
        let [old, new]: [PveRelease; 2] = ["8.4", "8.10"].map(|text| text.parse().unwrap());
        assert!(old < new);
        assert_eq!(old.to_string(), "8.4");
        for bad in ["", "8", "8.", ".4", "8.4.1", "08.4", "8.04", "+8.4", "8.4 ", "pve8.4", "8.256"]
        {
            assert!(bad.parse::<PveRelease>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_release_outside_of_what_we_know_has_no_series() {
        assert_eq!(PveRelease::new(7, 4).series(), Some(PveSeries::Seven));
        assert_eq!(PveRelease::new(9, 0).series().map(PveSeries::debian), Some("trixie"));
        assert_eq!(PveRelease::new(6, 4).series(), None);
        assert_eq!(PveRelease::new(10, 0).series(), None);
        assert_eq!("8".parse(), Ok(PveSeries::Eight));
    }
}
