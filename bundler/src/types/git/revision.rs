use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::unlock::CommitId;

/// A reference to a commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revision {
    Exact(CommitId),
    /// A name that is not resolved yet.
    Open(Named),
    /// A name, and the commit that it was resolved to for the lock.
    Settled(Named, CommitId),
}

/// A name for a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Branch(RefName),
    Tag(RefName),
    /// An abbreviated id.
    Short(ShortId),
}

/// The form of a [`Revision`] in a recipe and in a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RevisionFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<CommitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) branch: Option<RefName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<RefName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) short: Option<ShortId>,
}

/// The name of a branch or a tag, without `refs/…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct RefName(String);

/// An abbreviated commit id: 7 to 39 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct ShortId(String);

/// A text that is not a valid git name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {what}", .text.escape_debug())]
pub(crate) struct ParseRevisionError {
    text: String,
    what: &'static str,
}

impl Revision {
    /// Returns the commit, if it is resolved.
    #[must_use]
    pub(crate) fn commit(&self) -> Option<&CommitId> {
        match self {
            Self::Exact(commit) | Self::Settled(_, commit) => Some(commit),
            Self::Open(_) => None,
        }
    }

    /// Returns the name, if there is one besides the id.
    #[must_use]
    pub(crate) fn name(&self) -> Option<&Named> {
        match self {
            Self::Open(name) | Self::Settled(name, _) => Some(name),
            Self::Exact(_) => None,
        }
    }
}

impl TryFrom<RevisionFields> for Revision {
    type Error = &'static str;

    fn try_from(fields: RevisionFields) -> Result<Self, Self::Error> {
        let RevisionFields { commit, branch, tag, short } = fields;
        let name = match (branch, tag, short) {
            (Some(branch), None, None) => Some(Named::Branch(branch)),
            (None, Some(tag), None) => Some(Named::Tag(tag)),
            (None, None, Some(short)) => Some(Named::Short(short)),
            (None, None, None) => None,
            _ => return Err("a commit is named by one of `branch` and `tag`"),
        };
        match (name, commit) {
            (None, Some(commit)) => Ok(Self::Exact(commit)),
            (Some(name), None) => Ok(Self::Open(name)),
            (Some(name), Some(commit)) => Ok(Self::Settled(name, commit)),
            (None, None) => Err("which commit must be said by `commit`, `branch` or `tag`"),
        }
    }
}

impl From<Revision> for RevisionFields {
    fn from(revision: Revision) -> Self {
        let mut fields = Self { commit: revision.commit().cloned(), ..Self::default() };
        match revision.name().cloned() {
            Some(Named::Branch(name)) => fields.branch = Some(name),
            Some(Named::Tag(name)) => fields.tag = Some(name),
            Some(Named::Short(short)) => fields.short = Some(short),
            None => {}
        }
        fields
    }
}

impl RefName {
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl ShortId {
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RefName {
    type Error = ParseRevisionError;

    /// Stricter than git: printable ASCII without the syntax of patterns and revisions.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-/@#".contains(&b);
        let part = |part: &str| {
            !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(['.', '/'])
        };
        let good = text.len() <= 200
            && text.bytes().all(plain)
            && text.split('/').all(part)
            && !["..", "@{", ".lock"].iter().any(|it| text.contains(it))
            && !text.starts_with("refs/");
        if good {
            return Ok(Self(text));
        }
        Err(ParseRevisionError { text, what: "the name of a branch or a tag" })
    }
}

impl TryFrom<String> for ShortId {
    type Error = ParseRevisionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if (7..40).contains(&text.len()) && text.bytes().all(hex) {
            return Ok(Self(text));
        }
        Err(ParseRevisionError { text, what: "the beginning of the id of a commit" })
    }
}

impl From<RefName> for String {
    fn from(name: RefName) -> Self {
        name.0
    }
}

impl From<ShortId> for String {
    fn from(id: ShortId) -> Self {
        id.0
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch `{}`", name.as_str()),
            Self::Tag(name) => write!(f, "tag `{}`", name.as_str()),
            Self::Short(id) => write!(f, "commit `{}…`", id.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<RefName, ParseRevisionError> {
        RefName::try_from(text.to_owned())
    }

    #[test]
    fn names_mean_nothing_else_to_git() {
        for good in ["main", "v1.0", "feature/x", "release-2", "a@b", "v1.0+b1"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "a..b",
            "a/",
            "/a",
            "a//b",
            "a.lock",
            "a@{1}",
            "a b",
            "a\nb",
            "refs/heads/a",
            "a*",
            "a^",
            "a~1",
            "a:b",
            ".a",
            "a/.b",
            "a/-b",
            "ä",
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_commit_is_named_in_one_way() {
        let commit: CommitId = "1".repeat(40).parse().unwrap();
        let fields = |text: &str| toml::from_str::<RevisionFields>(text).unwrap();
        let exact = fields(&format!("commit = '{commit}'"));
        let settled = fields(&format!("commit = '{commit}'\nbranch = 'main'"));
        for fields in [exact, settled, fields("tag = 'v1'"), fields("short = '1234567'")] {
            let revision = Revision::try_from(fields.clone()).unwrap();
            assert_eq!(RevisionFields::from(revision), fields);
        }
        assert!(Revision::try_from(fields("")).is_err());
        assert!(Revision::try_from(fields("tag = 'a'\nbranch = 'b'")).is_err());
        assert!(toml::from_str::<RevisionFields>("short = '12345'").is_err());
    }
}
