//! The list of files in a release.

use std::collections::BTreeMap;

use crate::Digest;

/// The files that a release lists under `SHA256`, by their path relative to the release.
///
/// MD5 and SHA-1 do not count: a file without SHA-256 is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFiles(BTreeMap<String, ReleaseFile>);

/// A file of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its digest.
    pub sha256: Digest,
    /// In bytes.
    pub size: u64,
}

/// A list of files is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFilesError {
    /// A line is not a digest, a size and a path, or contradicts another one.
    #[error("its list of files has an invalid line `{}`", .0.escape_debug())]
    Line(String),
    /// The list exceeds the limit.
    #[error("it lists more than {MAX_FILES} files")]
    TooMany,
}

/// The limit of files in a release. Debian lists some thousands.
const MAX_FILES: usize = 100_000;

impl ReleaseFiles {
    /// Parses the value of the field `SHA256`.
    pub fn parse(list: &str) -> Result<Self, ReleaseFilesError> {
        let mut files = BTreeMap::new();
        for line in list.lines().filter(|line| !line.trim().is_empty()) {
            let file = || {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [sha256, size, path] = words[..] else { return None };
                let (sha256, size) = (sha256.parse().ok()?, size.parse().ok()?);
                Some((path.to_owned(), ReleaseFile { sha256, size }))
            };
            let wrong = || ReleaseFilesError::Line(line.trim().chars().take(120).collect());
            let (path, file) = file().ok_or_else(wrong)?;
            if files.insert(path, file).is_some_and(|other| other != file) {
                return Err(wrong());
            }
            if files.len() > MAX_FILES {
                return Err(ReleaseFilesError::TooMany);
            }
        }
        Ok(Self(files))
    }

    /// Returns the file at this path relative to the release.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<ReleaseFile> {
        self.0.get(path).copied()
    }

    /// Returns the path of the package index with these bytes.
    #[must_use]
    pub fn index_of(&self, sha256: Digest) -> Option<&str> {
        let is_index = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or_default();
            path.contains("/binary-") && ["Packages", "Packages.gz", "Packages.xz"].contains(&file)
        };
        let mut files = self.0.iter();
        let found = files.find(|(path, file)| file.sha256 == sha256 && is_index(path));
        found.map(|(path, _)| path.as_str())
    }
}
