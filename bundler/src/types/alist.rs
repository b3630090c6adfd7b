//! Drivers on an AList server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::DriverKind;

use super::url::HttpUrl;

/// A driver in a folder of an AList server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct AlistSource {
    pub(crate) url: HttpUrl,
    pub(crate) path: AlistPath,
    /// The kind of machine that runs the driver.
    pub(crate) driver: DriverKind,
    /// Its version, if the item name contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<DriverVersion>,
}

impl AlistSource {
    /// Returns a description of the request.
    pub(crate) fn wanted(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" {version}"));
        format!("{} driver{}", self.driver, version.unwrap_or_default())
    }
}

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

    /// Returns the path of `name` in this folder; `None` if it is no name.
    pub(crate) fn below(&self, name: &str) -> Option<Self> {
        let path = format!("{}/{name}", self.0.trim_end_matches('/'));
        is_name(name).then(|| path.parse().ok())?
    }

    /// Returns its components.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.0.split('/').filter(|part| !part.is_empty()).collect()
    }

    /// Returns the number of components.
    pub(crate) fn depth(&self) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_down_and_nowhere_else() {
        for good in ["/", "/a", "/a b/c", "/vGPU/16.9/"] {
            assert!(good.parse::<AlistPath>().is_ok(), "{good}");
        }
        for bad in
            ["", "a", "//a", "/a//b", "/..", "/a/../b", "/./a", "/a\n", "/a\\b", &"/a".repeat(600)]
        {
            assert!(bad.parse::<AlistPath>().is_err(), "{bad}");
        }
        let folder: AlistPath = "/a".parse().unwrap();
        assert_eq!(folder.below("b c").unwrap().as_str(), "/a/b c");
        for bad in ["..", "b/c", "", "b\u{1b}"] {
            assert_eq!(folder.below(bad), None, "{bad}");
        }
    }
}
