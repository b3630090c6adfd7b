//! Releases and device ids, and ranges of releases, kernels and device ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseTextError;
use crate::platform::KernelSeries;
use crate::serde_as_text;

/// A release of NVIDIA vGPU: `16.9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct Release {
    branch: u8,
    minor: u8,
}

impl Release {
    /// Returns the release with these numbers.
    #[must_use]
    pub const fn new(branch: u8, minor: u8) -> Self {
        Self { branch, minor }
    }

    /// Returns the first number, which names a branch.
    #[must_use]
    pub const fn branch(self) -> u8 {
        self.branch
    }

    /// Returns the release of a branch that is newer than the catalog and whose number is unknown:
    /// `19.x`.
    #[must_use]
    pub const fn newer(branch: u8) -> Self {
        Self { branch, minor: Self::UNKNOWN }
    }

    /// Returns the second number.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// Returns whether the second number is unknown.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.minor == Self::UNKNOWN
    }

    /// The greatest second number, so that the release is the newest of its branch.
    const UNKNOWN: u8 = u8::MAX;
}

impl FromStr for Release {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(branch, minor)| {
                let minor = if minor == "x" { Self::UNKNOWN } else { minor.parse().ok()? };
                Some(Self::new(branch.parse().ok()?, minor))
            })
            .filter(|release| release.to_string() == text)
            .ok_or_else(|| {
                ParseTextError::new(
                    text,
                    "a release of NVIDIA vGPU",
                    "two numbers: `16.9`, or `16.x` for one that is newer than the catalog",
                )
            })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branch, minor } = self;
        if self.is_open() {
            f.pad(&format!("{branch}.x"))
        } else {
            f.pad(&format!("{branch}.{minor}"))
        }
    }
}

/// An NVIDIA PCI device id: `1e07`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct DeviceId(pub u16);

impl FromStr for DeviceId {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u16::from_str_radix(text, 16)
            .ok()
            .map(Self)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| ParseTextError::new(text, "a device id", "four lower-case hex digits"))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

/// An inclusive range of releases: `16.0-16.14`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct ReleaseRange(Span<Release>);

/// An inclusive range of kernel series: `6.8-6.14`, `6.8`, or open-ended: `6.15-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct SeriesRange(Span<KernelSeries>);

/// An inclusive range of device ids: `1340-13bd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct IdRange(Span<DeviceId>);

/// A range. `last` is `None` if it is open-ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Span<T> {
    first: T,
    last: Option<T>,
}

impl<T: Ord + Copy> Span<T> {
    fn contains(self, value: T) -> bool {
        self.first <= value && self.last.is_none_or(|last| value <= last)
    }

    fn overlaps(self, other: Self) -> bool {
        let starts_in = |a: Self, b: Self| a.contains(b.first);
        starts_in(self, other) || starts_in(other, self)
    }
}

/// Spellings of a range other than `A-B`.
#[derive(PartialEq, Eq)]
enum Short {
    /// None.
    No,
    /// `A` for `A-A`, and `A-` for everything from `A` on.
    Yes,
}

fn parse<T: FromStr + Ord + Copy>(text: &str, short: &Short) -> Option<Span<T>> {
    let value = |text: &str| text.parse::<T>().ok();
    let short = *short == Short::Yes;
    let (first, last) = match text.split_once('-') {
        None if short => (value(text)?, Some(value(text)?)),
        Some((first, "")) if short => (value(first)?, None),
        Some((first, last)) => (value(first)?, Some(value(last)?)),
        None => return None,
    };
    last.is_none_or(|last| first <= last).then_some(Span { first, last })
}

macro_rules! range {
    ($range:ident, $value:ty, $short:expr, $what:literal, $rule:literal) => {
        impl $range {
            /// Checks whether `value` is in the range.
            #[must_use]
            pub fn contains(self, value: $value) -> bool {
                self.0.contains(value)
            }

            /// Checks whether the ranges share a value.
            #[must_use]
            pub fn overlaps(self, other: Self) -> bool {
                self.0.overlaps(other.0)
            }

            /// Returns the first value.
            #[must_use]
            pub const fn first(self) -> $value {
                self.0.first
            }

            /// Returns the last value; `None` if the range is open-ended.
            #[must_use]
            pub const fn last(self) -> Option<$value> {
                self.0.last
            }
        }

        impl FromStr for $range {
            type Err = ParseTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text, &$short)
                    .map(Self)
                    .ok_or_else(|| ParseTextError::new(text, $what, $rule))
            }
        }

        impl fmt::Display for $range {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Span { first, last } = self.0;
                match last {
                    Some(last) if last == first && $short == Short::Yes => write!(f, "{first}"),
                    Some(last) => write!(f, "{first}-{last}"),
                    None => write!(f, "{first}-"),
                }
            }
        }

        serde_as_text!($range);
    };
}

range!(ReleaseRange, Release, Short::No, "a range of releases", "two of them: `16.0-16.14`");
range!(
    SeriesRange,
    KernelSeries,
    Short::Yes,
    "a range of kernels",
    "`6.8`, `6.8-6.14` or `6.15-`, the older one first"
);
range!(IdRange, DeviceId, Short::No, "a range of device ids", "two of them: `1340-13bd`");
serde_as_text!(Release);
serde_as_text!(DeviceId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_its_ends_and_one_spelling() {
        let range: SeriesRange = "6.8-6.14".parse().unwrap();
        let inside = |text: &str| range.contains(text.parse().unwrap());
        assert!(inside("6.8") && inside("6.11") && inside("6.14"));
        assert!(!inside("6.5") && !inside("6.17"));
        let open: SeriesRange = "6.15-".parse().unwrap();
        assert!(open.contains(KernelSeries::new(7, 0)) && open.last().is_none());
        for text in ["6.8", "6.8-6.14", "6.15-"] {
            assert_eq!(text.parse::<SeriesRange>().unwrap().to_string(), text);
        }
        let releases: ReleaseRange = "16.9-16.10".parse().unwrap();
        assert!(releases.contains(Release::new(16, 10)) && !releases.contains(Release::new(16, 1)));
        assert_eq!("1340-13bd".parse::<IdRange>().unwrap().to_string(), "1340-13bd");
    }

    #[test]
    fn ranges_overlap_when_they_share_a_value() {
        let range = |text: &str| text.parse::<SeriesRange>().unwrap();
        assert!(range("6.8-6.14").overlaps(range("6.14-")));
        assert!(range("6.15-").overlaps(range("6.17")));
        assert!(range("6.11").overlaps(range("6.8-6.14")));
        assert!(!range("6.8-6.14").overlaps(range("6.15-")));
    }

    #[test]
    fn refuses_an_invalid_range() {
        for bad in ["", "-", "-6.8", "6.14-6.8", "6.8-6.14-", "6.8 - 6.14", "6.8.1-6.9"] {
            assert!(bad.parse::<SeriesRange>().is_err(), "{bad:?}");
        }
        for bad in ["16.9", "16.9-", "16.9-16.8", "16-17"] {
            assert!(bad.parse::<ReleaseRange>().is_err(), "{bad:?}");
        }
        for bad in ["1340", "13bd-1340", "1340-13BD", "+134-13bd"] {
            assert!(bad.parse::<IdRange>().is_err(), "{bad:?}");
        }
        assert!("19.x".parse::<Release>().unwrap() > Release::new(19, 99));
        assert_eq!(Release::newer(19).to_string(), "19.x");
        for bad in ["", "16", "16.", "16.09", "+16.9", "256.1", "16.9.1", "16.255", "x.x"] {
            assert!(bad.parse::<Release>().is_err(), "{bad:?}");
        }
    }
}
