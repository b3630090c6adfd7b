//! The answers of an AList server.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::AlistError;

/// The path of a file or folder on an AList server: `/vGPU/16.9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct AlistPath(String);

/// A text is not a path on an AList server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path of an AList server: expected `/` and names without `..`, at most 1,024 bytes", .0.escape_debug())]
pub(crate) struct ParseAlistPathError(String);

impl FromStr for AlistPath {
    type Err = ParseAlistPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let rest = path.strip_prefix('/').or_else(|| path.is_empty().then_some(""));
        let is_name = |name: &str| is_name(name);
        match rest {
            Some("") if text == "/" => Ok(Self("/".to_owned())),
            Some(rest) if path.len() <= 1024 && rest.split('/').all(is_name) => {
                Ok(Self(path.to_owned()))
            }
            _ => Err(ParseAlistPathError(text.chars().take(120).collect())),
        }
    }
}

/// Checks that a name is a single component without control characters.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.chars().any(|c| c.is_control() || c == '/' || c == '\\')
}

impl AlistPath {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path of `name` in this folder.
    pub(super) fn below(&self, name: &str) -> Result<Self, AlistError> {
        let error = || AlistError::Address(name.chars().take(120).collect());
        if !is_name(name) {
            return Err(error());
        }
        format!("{}/{name}", self.0.trim_end_matches('/')).parse().map_err(|_| error())
    }

    /// Returns its components.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.0.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// Returns the number of components.
    pub(super) fn depth(&self) -> usize {
        self.parts().len()
    }
}

impl fmt::Display for AlistPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AlistPath {
    type Error = ParseAlistPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AlistPath> for String {
    fn from(path: AlistPath) -> Self {
        path.0
    }
}

/// The envelope of every answer.
#[derive(Debug, Deserialize)]
struct Envelope {
    code: u32,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: serde_json::Value,
}

/// The contents of a folder.
#[derive(Debug, Deserialize)]
pub(super) struct ListAnswer {
    /// Absent if the folder is empty.
    content: Option<Vec<Entry>>,
}

/// A file or folder.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) is_dir: bool,
}

/// The location of a file.
#[derive(Debug, Deserialize)]
pub(super) struct FileAnswer {
    /// The address in the storage behind the server, which may be signed and short-lived.
    #[serde(default)]
    pub(super) raw_url: String,
    /// The signature that the server requires for its own address of the file.
    #[serde(default)]
    pub(super) sign: String,
}

impl ListAnswer {
    pub(super) fn content(&self) -> &[Entry] {
        self.content.as_deref().unwrap_or_default()
    }

    /// Returns the names of the files that could be drivers.
    pub(super) fn names(&self) -> Vec<String> {
        let files = self.content().iter().filter(|entry| !entry.is_dir);
        let ends = [".run", ".zip", ".exe"];
        let drivers = files.filter(|entry| ends.iter().any(|end| entry.name.ends_with(end)));
        drivers.map(|entry| entry.name.clone()).collect()
    }
}

/// Returns the message of an answer.
pub(super) fn data<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AlistError> {
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"<") {
        return Err(AlistError::WebPage);
    }
    let malformed = |error: serde_json::Error| {
        AlistError::Malformed(vgpu_manifest::printable(&error.to_string()))
    };
    let Envelope { code, message, data } = serde_json::from_slice(bytes).map_err(malformed)?;
    if code != 200 {
        return Err(AlistError::Refused { code, message: message.chars().take(200).collect() });
    }
    serde_json::from_value(data).map_err(malformed)
}
