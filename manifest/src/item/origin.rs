use serde::{Deserialize, Serialize};

use super::image::ImageReference;
use super::unlock::CommitId;
use crate::patch::TreePath;

/// The origin of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", from = "OriginFields")]
pub enum Origin {
    /// A file of the bundle's author.
    File,
    /// A folder of the bundle's author, packed by the bundler.
    Folder,
    /// A download.
    Url {
        /// The source address, without user name, password or query.
        url: String,
    },
    /// A commit of a git repository, or an item that the bundler derived from one.
    Git {
        /// The address of the repository, without user name, password or query; absent for a local
        /// repository.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// The commit.
        commit: CommitId,
        /// The file or folder in the repository; absent for the whole repository.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<TreePath>,
    },
    /// Built into the bundler.
    Bundler,
    /// A container registry. The digests are in the item's record.
    Image {
        /// The reference of the image.
        reference: ImageReference,
    },
}

/// The parsed form of [`Origin`]. Serde denies unknown fields only in variants with fields, so
/// every variant has some, possibly none.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum OriginFields {
    File {},
    Folder {},
    Url { url: String },
    Git { url: Option<String>, commit: CommitId, path: Option<TreePath> },
    Bundler {},
    Image { reference: ImageReference },
}

impl From<OriginFields> for Origin {
    fn from(fields: OriginFields) -> Self {
        match fields {
            OriginFields::File {} => Self::File,
            OriginFields::Folder {} => Self::Folder,
            OriginFields::Url { url } => Self::Url { url },
            OriginFields::Git { url, commit, path } => Self::Git { url, commit, path },
            OriginFields::Bundler {} => Self::Bundler,
            OriginFields::Image { reference } => Self::Image { reference },
        }
    }
}

impl Origin {
    /// Returns the source address, if there is one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Url { url } => Some(url),
            Self::Git { url, .. } => url.as_deref(),
            Self::File | Self::Folder | Self::Bundler | Self::Image { .. } => None,
        }
    }
}

/// Returns the origin as text for people.
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File => f.write_str("a local file"),
            Self::Folder => f.write_str("a local folder"),
            Self::Url { url } => f.write_str(url),
            Self::Git { url, commit, path } => {
                f.write_str(url.as_deref().unwrap_or("a local repository"))?;
                if let Some(path) = path {
                    write!(f, " {path}")?;
                }
                write!(f, " at {}", &commit.as_str()[..12])
            }
            Self::Bundler => f.write_str("built into the bundler"),
            Self::Image { reference } => write!(f, "the image {reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_one_spelling() {
        let commit: CommitId = "0123456789".repeat(4).parse().unwrap();
        let url = Some("https://git.example/a".to_owned());
        let origin =
            Origin::Git { url, commit: commit.clone(), path: Some("a/b.patch".parse().unwrap()) };
        let json = serde_json::to_string(&origin).unwrap();
        assert_eq!(serde_json::from_str::<Origin>(&json).unwrap(), origin);
        assert_eq!(origin.to_string(), "https://git.example/a a/b.patch at 012345678901");
        for bad in [
            json.replace("0123456789", "012345678"),
            json.replace("a/b.patch", "../b"),
            json.replace("\"url\"", "\"uri\""),
        ] {
            assert!(serde_json::from_str::<Origin>(&bad).is_err(), "{bad}");
        }
        let local = Origin::Git { url: None, commit, path: None };
        assert_eq!(local.address(), None);
        let json = serde_json::to_string(&local).unwrap();
        assert_eq!(serde_json::from_str::<Origin>(&json).unwrap(), local);
        assert!(json.starts_with(r#"{"kind":"git","commit":"#), "{json}");
    }
}
