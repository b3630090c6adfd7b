//! The short names in a policy.

use std::fmt;
use std::str::FromStr;

/// A text does not follow the grammar of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not {what}: {rule}")]
pub struct ParseNameError {
    name: String,
    what: &'static str,
    rule: &'static str,
}

/// Implements serde's traits by a type's `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use serde_as_text;

/// Defines a name: a first byte, other bytes, and a length limit.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $max:literal, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct $name(String);

        impl $name {
            /// Returns the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, ParseNameError> {
                let (first, rest): (fn(u8) -> bool, fn(u8) -> bool) = ($first, $rest);
                let mut bytes = text.bytes();
                if text.len() <= $max && bytes.next().is_some_and(first) && bytes.all(rest) {
                    return Ok(Self(text.to_owned()));
                }
                let name = crate::wire::show(text.as_bytes());
                Err(ParseNameError { name, what: $what, rule: $rule })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        serde_as_text!($name);
    };
}

name! {
    /// A signer, by the name in the policy, such as `alice`.
    ///
    /// A principal can have several keys, and counts once however many of them sign. In OpenSSH this
    /// field is a list of patterns; here it is one name, so that every line names one signer.
    Principal,
    "a principal",
    "write one name of letters, digits, `.`, `_`, `@`, `+` and `-` that starts with a letter or a digit, at most 64 bytes; patterns and lists are not supported",
    64,
    |b| b.is_ascii_alphanumeric(),
    |b| b.is_ascii_alphanumeric() || b"._@+-".contains(&b)
}

name! {
    /// A sequence of bundles that replace each other, such as `stable`.
    Channel,
    "a channel",
    "write lower-case letters, digits and `-`, at most 32 bytes",
    32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_one_plain_name() {
        for good in ["alice", "Alice", "a", "0", "alice@example.org", "a.b_c+d-e", &"a".repeat(64)]
        {
            assert_eq!(good.parse::<Principal>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "*",
            "alice*",
            "a?",
            "!alice",
            "alice,bob",
            "@a",
            "-a",
            ".a",
            "a b",
            "a\"",
            "\"a\"",
            "a\n",
            "a\0",
            "é",
            "a\u{202e}",
            &long,
        ] {
            assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
        }
        let error = "a*\x1b[2J".parse::<Principal>().unwrap_err().to_string();
        assert!(error.contains("patterns") && !error.contains('\x1b'), "{error}");
    }

    #[test]
    fn a_channel_is_a_lower_case_word() {
        for good in ["stable", "a", "9", "pve-8", &"a".repeat(32)] {
            assert_eq!(good.parse::<Channel>().unwrap().to_string(), good);
        }
        for bad in ["", "Stable", "-a", "a.b", "a/b", "a b", "a_b", &"a".repeat(33)] {
            assert!(bad.parse::<Channel>().is_err(), "{bad:?}");
        }
    }
}
