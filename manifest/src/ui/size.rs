use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes with a unit: `2 GiB`, `500 MB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "Written")]
pub struct ByteSize(u64);

impl ByteSize {
    /// Returns the size of this many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a size: expected a number and B, kB, MB, GB, KiB, MiB or GiB", .0.escape_debug())]
pub struct ParseSizeError(String);

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl FromStr for ByteSize {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
        let number = number.parse::<u64>().ok();
        number
            .zip(unit)
            .and_then(|(number, (_, factor))| number.checked_mul(*factor))
            .map(Self)
            .ok_or_else(|| ParseSizeError(text.to_owned()))
    }
}

/// Formats the number in the largest binary unit in which it is at least one: `1.4 GiB`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let text = match units.into_iter().find(|(_, shift)| self.0 >> shift > 0) {
            None => format!("{} B", self.0),
            Some((unit, shift)) => {
                // Rounded down: free space is never overstated, and an incomplete file never
                // looks complete.
                let tenths = (u128::from(self.0) * 10) >> shift;
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            }
        };
        f.pad(&text)
    }
}

/// A size in TOML: a text, or a plain number of bytes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a size such as `2 GiB`, or a number of bytes")]
enum Written {
    Bytes(u64),
    Text(String),
}

impl TryFrom<Written> for ByteSize {
    type Error = ParseSizeError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Bytes(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.0
    }
}

/// Returns a number with its noun: `1 GPU`, `2 GPUs`, `0 entries`.
///
/// `noun` is the singular, whose plural must be regular.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        return format!("1 {noun}");
    }
    let vowel = |stem: &str| stem.ends_with(['a', 'e', 'i', 'o', 'u']);
    match noun.strip_suffix('y') {
        Some(stem) if !vowel(stem) => format!("{number} {stem}ies"),
        _ if ["s", "x", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => {
            format!("{number} {noun}es")
        }
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed() {
        let good =
            [("0", 0), ("4096", 4096), ("1 KiB", 1024), ("2GiB", 2 << 30), ("5 MB", 5_000_000)];
        for (text, bytes) in good {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in ["", "GiB", "-1", "1.5 GiB", "1 gib", "1 TiB", "1 B B", "99999999999 GiB", " 1"]
        {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_rounded_down_to_a_tenth() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>8}|{:8}|", ByteSize(5), ByteSize(5)), "     5 B|5 B     |");
    }

    #[test]
    fn nouns_agree_with_their_number() {
        for (number, noun, text) in [
            (1, "GPU", "1 GPU"),
            (0, "GPU", "0 GPUs"),
            (2, "entry", "2 entries"),
            (2, "day", "2 days"),
            (3, "patch", "3 patches"),
        ] {
            assert_eq!(count(number, noun), text);
        }
    }
}
