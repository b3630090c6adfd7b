//! Short texts with a grammar, each a type of its own.

use std::fmt;

/// A text does not follow the grammar of what it is meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {what}: expected {rule}", .text.escape_debug())]
pub struct ParseTextError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

impl ParseTextError {
    /// An error about `text`, which was to be `what` and to follow `rule`.
    #[must_use]
    pub fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        // A hostile text can be as long as the manifest; an error message need not be.
        let text = text.chars().take(120).collect();
        Self { text, what, rule }
    }
}

/// Defines a newtype over `String` whose values all satisfy one predicate.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($crate::ParseTextError::new(text, $what, $rule))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ParseTextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use text;

/// Starts with one of the first kind, goes on with the second, and is 1 to `max` bytes long.
pub(crate) fn is_word(
    text: &str,
    max: usize,
    first: impl Fn(u8) -> bool,
    rest: impl Fn(u8) -> bool,
) -> bool {
    let mut bytes = text.bytes();
    text.len() <= max && bytes.next().is_some_and(first) && bytes.all(rest)
}

/// Lower-case letters and digits.
pub(crate) fn is_lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// The version of one of our programs: `0.1.0`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct ProgramVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl ProgramVersion {
    /// The version of this very program: one workspace, one version.
    ///
    /// # Panics
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

impl std::str::FromStr for ProgramVersion {
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

impl TryFrom<String> for ProgramVersion {
    type Error = ParseTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProgramVersion> for String {
    fn from(version: ProgramVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
