//! Macros for types that have one text form, which `FromStr`, `Display`, JSON and TOML share.

/// A text does not follow the grammar of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {what}: expected {rule}", .text.escape_debug())]
pub struct ParseTextError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

impl ParseTextError {
    /// Returns an error about `text`, which is not `what` because it does not follow `rule`.
    #[must_use]
    pub fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        // A hostile text can be as long as the manifest, so the message shows its beginning only.
        let text = text.chars().take(120).collect();
        Self { text, what, rule }
    }
}

/// Defines a newtype over `String` whose values all satisfy a predicate.
#[macro_export]
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(into = "String", try_from = "String")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        $(#[$doc])*
        pub struct $name(String);

        impl $name {
            /// Returns the text.
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

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::serde_as_text!($name);
    };
}

/// Defines an enum with a fixed text form for each value.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(into = "String", try_from = "String")]
        #[cfg_attr(
            feature = "schema",
            derive(schemars::JsonSchema),
            schemars(extend("enum" = [$($word),+]))
        )]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the text form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                const RULE: &str = concat!("one of", $(" `", $word, "`"),+);
                let found = Self::ALL.iter().find(|value| value.as_str() == text);
                found.copied().ok_or_else(|| $crate::ParseTextError::new(text, $what, RULE))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        $crate::serde_as_text!($name);
    };
}

/// Implements the conversions by which serde uses a type's `FromStr` and `Display`.
#[macro_export]
macro_rules! serde_as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = $crate::ParseTextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

/// Checks whether `text` is 1 to `max` bytes long and has a first byte that satisfies `first` and
/// other bytes that satisfy `rest`.
pub fn is_word(
    text: &str,
    max: usize,
    first: impl Fn(u8) -> bool,
    rest: impl Fn(u8) -> bool,
) -> bool {
    let mut bytes = text.bytes();
    text.len() <= max && bytes.next().is_some_and(first) && bytes.all(rest)
}

pub(crate) fn is_lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}
