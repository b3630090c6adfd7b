//! Versions of Debian packages, and their order by Debian Policy 5.6.12.
//!
//! The available crates depend on regular expressions and big integers, which would be a tenth of
//! the installer's size.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::text::{ParseTextError, is_word};
use crate::text;

text! {
    /// The version of a Debian package: `1:3.0.10-8+deb12u1`. It equals only the same text.
    PackageVersion,
    "the version of a package",
    "starts with a digit; letters, digits and `.+~:-`, at most 128 bytes; no part of `[EPOCH:]VERSION[-REVISION]` is empty",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b".+~:-".contains(&b);
        is_word(text, 128, |b| b.is_ascii_digit(), rest) && has_whole_parts(text)
    }
}

/// Returns whether no part that a version announces is empty, and its epoch is a number for dpkg,
/// which refuses other versions.
fn has_whole_parts(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    epoch.parse::<i32>().is_ok() && !upstream.is_empty() && !revision.is_empty()
}

impl PackageVersion {
    /// Compares two versions as `dpkg --compare-versions` does: `1.0`, `0:1.0` and `1.00-0` are
    /// equal.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let [own, others] = [self.parts(), other.parts()];
        let mut pairs = own.into_iter().zip(others).map(|(a, b)| compare(a, b));
        pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Returns epoch, upstream version and revision; missing parts are empty, which counts as zero.
    fn parts(&self) -> [&[u8]; 3] {
        let text = self.as_str();
        let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        [epoch, upstream, revision].map(str::as_bytes)
    }
}

/// A package version with the order of dpkg ([`PackageVersion::compare`]).
#[derive(Debug, Clone)]
pub struct DebVersion(PackageVersion);

impl DebVersion {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the version as manifests, locks and inventories have it.
    #[must_use]
    pub fn text(&self) -> &PackageVersion {
        &self.0
    }
}

impl From<PackageVersion> for DebVersion {
    fn from(text: PackageVersion) -> Self {
        Self(text)
    }
}

impl FromStr for DebVersion {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for DebVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for DebVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for DebVersion {}

impl PartialOrd for DebVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DebVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.compare(&other.0)
    }
}

/// Compares alternating text and numbers: text by the weight of its characters, numbers by value.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        while starts_with_text(a) || starts_with_text(b) {
            let order = weight(a).cmp(&weight(b));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (left, right) = (take_number(&mut a), take_number(&mut b));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn starts_with_text(part: &[u8]) -> bool {
    part.first().is_some_and(|b| !b.is_ascii_digit())
}

/// Returns the weight of the first character: `~` sorts before the end, letters before signs.
fn weight(part: &[u8]) -> i16 {
    match part.first() {
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_alphabetic() => i16::from(*b),
        Some(b) => i16::from(*b) + 256,
    }
}

/// Returns the leading digits without leading zeros.
fn take_number<'p>(part: &mut &'p [u8]) -> &'p [u8] {
    let digits = part.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = part.split_at(digits);
    *part = rest;
    let zeros = number.iter().take_while(|b| **b == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> DebVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_follow_debian_policy() {
        for bad in ["", "a1", "1 2", "1;2", "1\n"] {
            assert!(bad.parse::<PackageVersion>().is_err(), "{bad:?}");
        }
        // dpkg refuses these too: the fuzzer found the first.
        for bad in ["11:", "1:-1", "1-", "1a:2", "1-2:3", "3000000000:1"] {
            assert!(bad.parse::<PackageVersion>().is_err(), "{bad:?}");
        }
        assert!("1:2.3~rc1-4+b7".parse::<PackageVersion>().is_ok());
    }

    #[test]
    fn versions_of_the_field_stand_in_their_order() {
        let rising = [
            "0~rc1",
            "0",
            "1.0~~",
            "1.0~",
            "1.0",
            "1.0-0+b1",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+deb12u1",
            "1.0-1+deb12u10",
            "1.0-1.1",
            "1.0a",
            "1.0+dfsg-1",
            "1.0.1",
            "1.9",
            "1.10",
            "2.36-9+deb12u7",
            "2.36-9+deb12u10",
            "6.8.12-9-pve",
            "1:0.1",
            "2:0",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(version(a).cmp(&version(b)), at.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn one_version_has_many_spellings() {
        for (a, b) in [("1.0", "1.00"), ("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.a", "1.a0")] {
            assert_eq!(version(a), version(b), "{a} {b}");
        }
    }

    /// Versions that cover every rule of the order.
    fn spelling() -> impl Strategy<Value = String> {
        let part = "[0-9]{1,3}([a-c.+~][0-9]{0,2}){0,4}";
        ("([0-2]:)?", part, "(-[0-9a-c.+~]{1,6})?").prop_map(|(a, b, c)| a + &b + &c)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_order_is_one(a in spelling(), b in spelling(), c in spelling()) {
            let [a, b, c] = [a, b, c].map(|text| version(&text));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }

    proptest! {
        // Each case starts a process.
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn dpkg_has_the_same_order(a in spelling(), b in spelling()) {
            let order = version(&a).cmp(&version(&b));
            let operator = match order {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            let mut dpkg = Command::new("dpkg");
            if let Ok(status) = dpkg.args(["--compare-versions", &a, operator, &b]).status() {
                prop_assert!(status.success(), "{} {} {}", a, operator, b);
            } else {
                prop_assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs dpkg");
                eprintln!("skipped: needs dpkg");
            }
        }
    }
}
