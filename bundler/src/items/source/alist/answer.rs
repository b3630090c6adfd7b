//! The answers of an AList server.

use anyhow::{anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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
pub(super) fn data<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"<") {
        bail!("it sent a web page instead of an answer: it requires a browser or a login");
    }
    let malformed = |error: serde_json::Error| {
        let why = vgpu_manifest::printable(&error.to_string());
        anyhow!("it does not answer as AList does: {why}")
    };
    let Envelope { code, message, data } = serde_json::from_slice(bytes).map_err(malformed)?;
    if code != 200 {
        let message: String = message.chars().take(200).collect();
        bail!("it answers {code}: {}", message.escape_debug());
    }
    serde_json::from_value(data).map_err(malformed)
}
