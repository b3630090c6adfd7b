use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// A local path in a recipe.
///
/// Not empty, and without control characters. A relative path starts at the folder of the recipe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct LocalPath(Utf8PathBuf);

/// A text is not a valid path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path: expected at least one character, and no control characters", .0.escape_debug())]
pub(crate) struct ParseLocalPathError(String);

impl LocalPath {
    /// Returns the path, resolved against the base.
    #[must_use]
    pub(crate) fn below(&self, base: &Utf8Path) -> Utf8PathBuf {
        base.join(&self.0)
    }

    /// The path as written.
    #[must_use]
    pub(crate) fn as_path(&self) -> &Utf8Path {
        &self.0
    }
}

impl FromStr for LocalPath {
    type Err = ParseLocalPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(ParseLocalPathError(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for LocalPath {
    type Error = ParseLocalPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LocalPath> for String {
    fn from(path: LocalPath) -> Self {
        path.0.into()
    }
}
