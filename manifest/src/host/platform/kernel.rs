use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::types::is_word;
use crate::{ParseTextError, serde_as_text};

/// The longest release, in bytes: `struct utsname` has 64 bytes and a zero.
const MAX: usize = 64;

/// The release of a kernel, as `uname -r` prints it: `6.8.12-43-pve`, `6.1.0-18-amd64`.
///
/// Runs of digits compare as numbers, so `6.8.12-9-pve` is older than `6.8.12-10-pve`; two
/// releases are equal only if they are spelled the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct KernelRelease {
    text: String,
    series: KernelSeries,
}

/// A kernel series: `6.8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = r"^\d+\.\d+$"))
)]
pub struct KernelSeries {
    major: u16,
    minor: u16,
}

impl KernelRelease {
    /// Returns its series.
    #[must_use]
    pub const fn series(&self) -> KernelSeries {
        self.series
    }

    /// Returns the part after the last dash, such as `pve` or `amd64`; empty for a custom kernel.
    #[must_use]
    pub fn flavour(&self) -> &str {
        self.text.rsplit_once('-').map_or("", |(_, flavour)| flavour)
    }

    /// Returns the release as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl KernelSeries {
    /// Returns the series with these numbers.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Returns the first number.
    #[must_use]
    pub const fn major(self) -> u16 {
        self.major
    }

    /// Returns the second number.
    #[must_use]
    pub const fn minor(self) -> u16 {
        self.minor
    }
}

impl FromStr for KernelRelease {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b".+_~-".contains(&b);
        series_of(text)
            .filter(|_| is_word(text, MAX, |b| b.is_ascii_digit(), rest))
            .map(|series| Self { text: text.to_owned(), series })
            .ok_or_else(|| ParseTextError::new(text, "a kernel release", RELEASE_RULE))
    }
}

const RELEASE_RULE: &str = "two numbers and a suffix, at most 64 bytes: `6.8.12-43-pve`";

fn series_of(release: &str) -> Option<KernelSeries> {
    let (major, rest) = release.split_once('.')?;
    let end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    Some(KernelSeries::new(number(major)?, number(&rest[..end])?))
}

/// Parses a number without sign or leading zeros.
fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|number: &u16| number.to_string() == text)
}

impl Ord for KernelRelease {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.text.as_bytes(), other.text.as_bytes())
            .then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for KernelRelease {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares digits by their value, everything else byte by byte.
fn compare(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() && !right.is_empty() {
        let order = if left[0].is_ascii_digit() && right[0].is_ascii_digit() {
            let (left, right) = (take_number(&mut left), take_number(&mut right));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        } else {
            let order = left[0].cmp(&right[0]);
            (left, right) = (&left[1..], &right[1..]);
            order
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// Removes the digits at the front and returns them without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    &digits[zeros..]
}

impl fmt::Display for KernelRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for KernelSeries {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)))
            .ok_or_else(|| ParseTextError::new(text, "a kernel series", "two numbers: `6.8`"))
    }
}

impl fmt::Display for KernelSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

serde_as_text!(KernelRelease);
serde_as_text!(KernelSeries);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn release(text: &str) -> KernelRelease {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_has_a_series_and_a_flavour() {
        let pve = release("6.8.12-43-pve");
        assert_eq!((pve.series(), pve.flavour()), (KernelSeries::new(6, 8), "pve"));
        let debian = release("6.1.0-18-amd64");
        assert_eq!((debian.series(), debian.flavour()), (KernelSeries::new(6, 1), "amd64"));
        assert_eq!(release("6.14.11-9-bpo12-pve").flavour(), "pve");
        assert_eq!(release("7.0").flavour(), "");
    }

    #[test]
    fn releases_are_ordered_by_number_and_not_by_letter() {
        let sorted = [
            "5.15.158-2-pve",
            "6.2.16-5-pve",
            "6.2.16-20-pve",
            "6.8.4-2-pve",
            "6.8.12-9-pve",
            "6.8.12-43-pve",
            "6.14.11-9-pve",
            "7.0.14-14-pve",
        ]
        .map(release);
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn refuses_an_invalid_release() {
        let long = format!("6.8{}", "-1".repeat(40));
        for bad in
            ["", "6", "6.", "6.8/x", "../6.8", "6.8 ", "06.8", "6.08.1", "v6.8", "6.x", &long]
        {
            assert!(bad.parse::<KernelRelease>().is_err(), "{bad:?}");
        }
        for bad in ["", "6", "6.8.12", "06.8", "6.08", "6.70000", "6.8-pve"] {
            assert!(bad.parse::<KernelSeries>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn order_is_total_and_agrees_with_equality(
            texts in prop::array::uniform3("[0-9]\\.[0-9]{1,2}[a-c0.-]{0,6}")
        ) {
            let parsed: Result<Vec<KernelRelease>, _> = texts.iter().map(|t| t.parse()).collect();
            if let Ok([a, b, c]) = parsed.as_deref() {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                prop_assert_eq!(a.cmp(b) == Ordering::Equal, a == b);
                if a <= b && b <= c {
                    prop_assert!(a <= c);
                }
            }
        }

        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in "\\PC{0,80}") {
            if let Ok(release) = text.parse::<KernelRelease>() {
                prop_assert_eq!(release.to_string(), text);
            }
        }
    }
}
