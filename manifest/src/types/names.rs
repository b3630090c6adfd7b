//! Names of bundles and items, and the version of a program.

use std::collections::BTreeMap;
use std::{fmt, str};

use serde::{Deserialize, Serialize};

use super::text::{is_lower, is_word};
use crate::limits::MAX_NAME;
use crate::{ParseTextError, serde_as_text, text};

text! {
    /// The name of an item, which is also the name of its member in the archive.
    ///
    /// Components of `[A-Za-z0-9][A-Za-z0-9._+~-]*` joined by `/`, at most [`MAX_NAME`] bytes. So
    /// it is relative, has no `..`, needs no quoting, and means the same on every file system.
    ItemName,
    "the name of an item",
    "parts of letters, digits and `._+~-` joined by `/`, at most 100 bytes (write `:` as `%3a`)",
    |text| text.len() <= MAX_NAME && text.split('/').all(is_part) && !is_reserved(text)
}

fn is_part(part: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"._+~-%".contains(&b);
    is_word(part, MAX_NAME, |b| b.is_ascii_alphanumeric(), rest) && escapes_are_colons(part)
}

/// `%` occurs only in `%3a`, which replaces the colon that FAT32 and exFAT refuse.
fn escapes_are_colons(part: &str) -> bool {
    part.split('%').skip(1).all(|rest| rest.starts_with("3a"))
}

/// Checks whether a name is one of the archive's own members, in upper or lower case.
fn is_reserved(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    [SIGNATURES, SHA256SUMS, MANIFEST].iter().any(|own| first.eq_ignore_ascii_case(own))
}

/// The member that holds the signatures.
pub(crate) const SIGNATURES: &str = "SIGNATURES";
/// The member that is signed.
pub(crate) const SHA256SUMS: &str = "SHA256SUMS";
/// The member that describes the others.
pub(crate) const MANIFEST: &str = "MANIFEST.json";

/// The item with signed policies, which is the first one.
pub const POLICIES: &str = "policies";

/// Two names cannot be in one bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the names `{0}` and `{1}` collide on media that ignore case")]
pub struct NameCollision(pub ItemName, pub ItemName);

/// Checks that the names differ on media that ignore case, and that none is a folder of another.
pub(crate) fn check_distinct<'a>(
    names: impl IntoIterator<Item = &'a ItemName>,
) -> Result<(), NameCollision> {
    let mut seen: BTreeMap<String, &ItemName> = BTreeMap::new();
    for name in names {
        if let Some(other) = seen.insert(name.as_str().to_ascii_lowercase(), name) {
            return Err(NameCollision(other.clone(), name.clone()));
        }
    }
    for (folded, name) in &seen {
        for (slash, _) in folded.match_indices('/') {
            if let Some(folder) = seen.get(&folded[..slash]) {
                return Err(NameCollision((*folder).clone(), (*name).clone()));
            }
        }
    }
    Ok(())
}

text! {
    /// The name of a bundle, as in `NAME-SEQ.vgpu.tar`.
    BundleName,
    "the name of a bundle",
    "lower-case letters, digits, `.`, `_` and `-`, at most 63 bytes",
    |text| is_word(text, 63, is_lower, |b| is_lower(b) || b"._-".contains(&b))
}

/// The version of the bundler or installer: `0.1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = r"^\d+\.\d+\.\d+$"))
)]
pub struct ProgramVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl ProgramVersion {
    /// Returns the version of this program: one workspace, one version.
    ///
    /// # Panics
    ///
    /// Never: a test parses it.
    #[must_use]
    pub fn current() -> Self {
        let number = |text: &str| text.parse().unwrap_or_default();
        Self {
            major: number(env!("CARGO_PKG_VERSION_MAJOR")),
            minor: number(env!("CARGO_PKG_VERSION_MINOR")),
            patch: number(env!("CARGO_PKG_VERSION_PATCH")),
        }
    }
}

impl str::FromStr for ProgramVersion {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<u16>().ok());
        let mut parts = text.split('.');
        let version = number(parts.next())
            .zip(number(parts.next()))
            .zip(number(parts.next()))
            .filter(|_| parts.next().is_none())
            .map(|((major, minor), patch)| Self { major, minor, patch });
        version
            .filter(|version| version.to_string() == text)
            .ok_or_else(|| ParseTextError::new(text, "a program version", "three numbers: `0.1.0`"))
    }
}

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

serde_as_text!(ProgramVersion);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ItemName, ParseTextError> {
        text.parse()
    }

    #[test]
    fn accepts_the_names_that_files_of_the_field_have() {
        for good in [
            "driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run",
            "apt/g++-12_12.2.0-14+deb12u1_amd64.deb",
            "apt/libfoo_1%3a2.3~rc1_all.deb",
            "a",
            &"a".repeat(100),
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn refuses_every_way_out_of_the_folder_and_every_second_spelling() {
        let long = "a".repeat(101);
        for bad in [
            "",
            "/",
            "/etc",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "./a",
            "a/.",
            ".a",
            "a/.b",
            "-a",
            "a/-b",
            "~a",
            "_a",
            "a b",
            "a\\b",
            "C:a",
            "a:b",
            "a\0b",
            "a\nb",
            "a\tb",
            "é",
            "a/é",
            "%3a",
            "a%3A",
            "a%2e",
            "a%",
            "a%3",
            "SIGNATURES",
            "signatures",
            "Sha256Sums",
            "MANIFEST.json",
            "manifest.JSON",
            "SIGNATURES/a",
            "a*",
            "a?",
            "a\"",
            "a'",
            "$a",
            "`a`",
            "a;b",
            "a|b",
            "a&b",
            "a<b",
            "a>b",
            "a#b",
            "a!b",
            "a@b",
            "a^b",
            "a=b",
            "a,b",
            "(a)",
            "[a]",
            "{a}",
            "\u{202e}a",
            "\u{7f}",
            &long,
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_collide_without_case_or_as_folders_are_refused() {
        let names = |texts: &[&str]| texts.iter().map(|t| parse(t).unwrap()).collect::<Vec<_>>();
        let check = |texts: &[&str]| check_distinct(&names(texts));
        assert_eq!(check(&["a/b", "a/c", "b", "a.b", "ab"]), Ok(()));
        for bad in [&["a", "a"][..], &["A/b", "a/B"], &["a", "a/b"], &["x/y/z", "X"], &["a/b", "A"]]
        {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_version_has_one_spelling_and_is_ordered_by_number() {
        assert_eq!(ProgramVersion::current().to_string(), env!("CARGO_PKG_VERSION"));
        let [old, new]: [ProgramVersion; 2] = ["0.9.10", "0.10.0"].map(|v| v.parse().unwrap());
        assert!(old < new);
        for bad in ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-rc", "1.2.70000", "+1.2.3"] {
            assert!(bad.parse::<ProgramVersion>().is_err(), "{bad}");
        }
    }
}
