use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::ParseTextError;

/// The longest name, in UTF-16 units: a directory record has 255 bytes at most.
const MAX_NAME: usize = 103;

/// The name of a file or a folder in an image, as guests show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoName(String);

impl TryFrom<String> for IsoName {
    type Error = ParseTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IsoName> for String {
    fn from(name: IsoName) -> Self {
        name.0
    }
}

impl FromStr for IsoName {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_bad =
            |c: char| c.is_control() || "*/:;?\\\"<>|".contains(c) || u32::from(c) > 0xffff;
        let is_good = (1..=MAX_NAME).contains(&text.encode_utf16().count())
            && !text.contains(is_bad)
            && !text.starts_with(['.', ' '])
            && !text.ends_with(['.', ' ']);
        if is_good {
            Ok(Self(text.to_owned()))
        } else {
            let rule =
                "at most 103 characters, none of `*/:;?\\\"<>|`, no dot or blank at either end";
            Err(ParseTextError::new(text, "a name in a CD image", rule))
        }
    }
}

impl fmt::Display for IsoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl IsoName {
    /// As Joliet writes the name of a file, with its version.
    pub(super) fn joliet_file(&self) -> Vec<u8> {
        utf16(&format!("{};1", self.0))
    }

    /// As Joliet writes the name of a folder.
    pub(super) fn joliet_folder(&self) -> Vec<u8> {
        utf16(&self.0)
    }

    /// A short name, at most eight letters and three, that is none of `taken` yet.
    pub(super) fn short(&self, taken: &mut BTreeSet<String>) -> String {
        let (stem, end) = self.0.rsplit_once('.').unwrap_or((&self.0, ""));
        let end = plain(end, 3);
        let dotted = |stem: &str| {
            if end.is_empty() { stem.to_owned() } else { format!("{stem}.{end}") }
        };
        let stem = plain(stem, 8);
        let numbered = (0_u32..).map(|n| match n {
            0 => dotted(&stem),
            n => dotted(&format!("{}{n:03}", &stem[..stem.len().min(5)])),
        });
        let mut free = numbered.filter(|name| !taken.contains(name));
        let name = free.next().unwrap_or_default();
        taken.insert(name.clone());
        name
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The letters, digits and underscores that ISO 9660 allows.
fn plain(text: &str, max: usize) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let short: String = text.chars().map(allowed).take(max).collect();
    if short.is_empty() && max > 3 { "_".to_owned() } else { short }
}

/// Where a file is in an image: at the top, or in a folder there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Place {
    /// The folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<IsoName>,
    /// The file.
    pub name: IsoName,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(folder) => write!(f, "{folder}/{}", self.name),
            None => self.name.fmt(f),
        }
    }
}

/// What the medium is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeLabel(String);

impl VolumeLabel {
    /// The label itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VolumeLabel {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        // Joliet has sixteen units for it.
        if (1..=16).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "capital letters, digits and `_`, at most 16";
            Err(ParseTextError::new(text, "the label of a CD image", rule))
        }
    }
}
