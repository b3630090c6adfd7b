//! The order of Debian versions, as defined by Debian Policy 5.6.12.
//!
//! The available crates depend on regular expressions and big integers, which would be a tenth of
//! this program's size.

use std::cmp::Ordering;

use vgpu_manifest::inventory::PackageVersion;

/// Compares two versions.
pub(crate) fn compare(a: &PackageVersion, b: &PackageVersion) -> Ordering {
    let [a, b] = [a, b].map(|version| Parts::of(version.as_str()));
    part(a.epoch, b.epoch)
        .then_with(|| part(a.upstream, b.upstream))
        .then_with(|| part(a.revision, b.revision))
}

struct Parts<'v> {
    epoch: &'v str,
    upstream: &'v str,
    revision: &'v str,
}

impl<'v> Parts<'v> {
    fn of(text: &'v str) -> Self {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        Self { epoch, upstream, revision }
    }
}

/// Compares alternately the non-digit and the numeric parts.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !(a.is_empty() && b.is_empty()) {
        let (words, numbers);
        (words, [a, b]) = split([a, b], |byte| !byte.is_ascii_digit());
        (numbers, [a, b]) = split([a, b], u8::is_ascii_digit);
        match word(words).then_with(|| number(numbers)) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// Splits both texts after their leading parts of one kind.
fn split(texts: [&[u8]; 2], kind: fn(&u8) -> bool) -> ([&[u8]; 2], [&[u8]; 2]) {
    let [a, b] = texts.map(|text| {
        let end = text.iter().position(|byte| !kind(byte)).unwrap_or(text.len());
        text.split_at(end)
    });
    ([a.0, b.0], [a.1, b.1])
}

/// Orders a tilde before the end, the end before letters, and letters before all other characters.
fn word([a, b]: [&[u8]; 2]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let ranks = (0..a.len().max(b.len())).map(|i| rank(a.get(i)).cmp(&rank(b.get(i))));
    ranks.fold(Ordering::Equal, Ordering::then)
}

/// Compares numbers of any length.
fn number([a, b]: [&[u8]; 2]) -> Ordering {
    let [a, b] = [a, b].map(|digits| {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        &digits[zeros..]
    });
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the test asks dpkg")]

    use std::process::Command as Process;

    use proptest::prelude::*;

    use super::*;

    fn order(a: &str, b: &str) -> Ordering {
        compare(&a.parse().unwrap(), &b.parse().unwrap())
    }

    #[test]
    fn known_pairs_are_in_order() {
        for pair in [
            ["1.0~rc1-1", "1.0-1"],
            ["1.0-1", "1.0-1+b1"],
            ["1.0-1", "1.0-1.1"],
            ["1.2.3", "1.10"],
            ["9.9", "1:0.1"],
            ["1.0", "1.0a"],
            ["1.0a", "1.0+a"],
            ["3.0.10-8", "3.0.10-8+deb12u1"],
            ["6.8.12-4", "6.8.12-43"],
            ["1.0~~", "1.0~"],
        ] {
            let [a, b] = pair;
            assert_eq!((order(a, b), order(b, a)), (Ordering::Less, Ordering::Greater), "{pair:?}");
            assert_eq!(order(a, a), Ordering::Equal);
        }
        assert_eq!(order("0:1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(order("1.00", "1.0"), Ordering::Equal);
    }

    fn dpkg(a: &str, relation: &str, b: &str) -> Option<bool> {
        let status = Process::new("dpkg").args(["--compare-versions", a, relation, b]).status();
        status.ok().map(|status| status.success())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn dpkg_has_the_same_order(
            a in "([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,4})?",
            b in "([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,4})?",
        ) {
            let Some(less) = dpkg(&a, "lt", &b) else {
                assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "this test needs dpkg");
                return Ok(());
            };
            let expected = match (less, dpkg(&a, "eq", &b).unwrap()) {
                (true, _) => Ordering::Less,
                (false, true) => Ordering::Equal,
                (false, false) => Ordering::Greater,
            };
            prop_assert_eq!(order(&a, &b), expected, "{} and {}", a, b);
        }
    }
}
