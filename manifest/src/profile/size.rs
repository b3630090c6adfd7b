use serde::{Deserialize, Serialize};

/// An amount of GPU memory in bytes: a number, or a text with a unit as `"1856 MiB"`.
///
/// It is always written as a number. The texts are those that `vgpu_unlock` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "u64", try_from = "Written")]
pub struct MemorySize(u64);

/// The largest amount: 1 TiB, several times the memory of any GPU.
const MAX: u64 = 1 << 40;

const UNITS: [(&str, u64); 9] = [
    ("KB", 1000),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a number of bytes, or a size such as `1856 MiB`")]
enum Written {
    Bytes(u64),
    Text(String),
}

impl TryFrom<Written> for MemorySize {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let (bytes, shown) = match written {
            Written::Bytes(bytes) => (Some(bytes), bytes.to_string()),
            Written::Text(text) => (bytes(&text), text),
        };
        let shown: String = shown.chars().take(120).collect();
        let shown = shown.escape_debug();
        match bytes {
            Some(bytes) if bytes <= MAX => Ok(Self(bytes)),
            Some(_) => Err(format!("`{shown}` exceeds 1 TiB, more memory than any GPU has")),
            None => Err(format!(
                "`{shown}` is not a size: expected a number and kB, MB, GB, TB, KiB, MiB, GiB or TiB"
            )),
        }
    }
}

impl From<MemorySize> for u64 {
    fn from(size: MemorySize) -> Self {
        size.0
    }
}

/// Returns the number of bytes, rounded as the library rounds; `None` for another text.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(digits);
    if unit.is_empty() {
        return number.parse().ok();
    }
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // More digits than these would not change a number of bytes.
    let is_short = whole.len() <= 18 && (1..=18).contains(&fraction.len());
    let (whole, digits): (u128, u128) =
        if is_short { (whole.parse().ok()?, fraction.parse().ok()?) } else { return None };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = (digits * u128::from(*factor) + scale / 2) / scale;
    u64::try_from(whole * u128::from(*factor) + part).ok()
}
