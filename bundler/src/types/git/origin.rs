use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::patch::TreePath;

use super::revision::RevisionFields;
use super::{GitUrl, Named, Revision};
use crate::types::LocalPath;

/// A part of a git repository at some commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "GitFields", try_from = "GitFields")]
pub(crate) struct GitOrigin {
    pub(crate) url: GitUrl,
    pub(crate) revision: Revision,
    pub(crate) part: Part,
}

/// A file or folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A folder with everything below it.
    Folder {
        /// The path; none for the whole commit.
        path: Option<TreePath>,
        /// Paths in the folder to leave out, with everything below them.
        exclude: Vec<LocalPath>,
    },
    File(TreePath),
}

/// The form of a [`GitOrigin`] in a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct GitFields {
    url: GitUrl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<vgpu_manifest::unlock::CommitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<super::RefName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<super::RefName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    short: Option<super::ShortId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<TreePath>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<LocalPath>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<TreePath>,
}

impl GitOrigin {
    /// Checks whether a lock with this origin was made for `wanted`.
    ///
    /// An unresolved name matches the commit that it was resolved to in the lock.
    #[must_use]
    pub(crate) fn serves(&self, wanted: &Self) -> bool {
        let same = self.url == wanted.url && self.part == wanted.part;
        let revision = match (&self.revision, &wanted.revision) {
            (Revision::Settled(have, _), Revision::Open(want)) => have == want,
            (have, want) => have == want,
        };
        same && revision
    }

    /// Returns the form for the manifest. Only a settled origin has a commit.
    #[must_use]
    pub(crate) fn for_manifest(&self) -> Option<vgpu_manifest::Origin> {
        let path = match &self.part {
            Part::Folder { path, .. } => path.clone(),
            Part::File(path) => Some(path.clone()),
        };
        let commit = self.revision.commit()?.clone();
        Some(vgpu_manifest::Origin::Git { url: self.url.public(), commit, path })
    }
}

impl TryFrom<GitFields> for GitOrigin {
    type Error = &'static str;

    fn try_from(fields: GitFields) -> Result<Self, Self::Error> {
        let GitFields { url, commit, branch, tag, short, folder, exclude, file } = fields;
        let revision = RevisionFields { commit, branch, tag, short }.try_into()?;
        let part = match (file, folder) {
            (Some(file), None) if exclude.is_empty() => Part::File(file),
            (None, path) => Part::Folder { path, exclude },
            _ => return Err("it is either a `file` or a `folder`"),
        };
        Ok(Self { url, revision, part })
    }
}

impl From<GitOrigin> for GitFields {
    fn from(origin: GitOrigin) -> Self {
        let RevisionFields { commit, branch, tag, short } = origin.revision.into();
        let (folder, exclude, file) = match origin.part {
            Part::Folder { path, exclude } => (path, exclude, None),
            Part::File(path) => (None, Vec::new(), Some(path)),
        };
        Self { url: origin.url, commit, branch, tag, short, folder, exclude, file }
    }
}

impl fmt::Display for GitOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path comes last, after a slash, because a patch is recognized by its file name.
        match &self.revision {
            Revision::Exact(commit) | Revision::Settled(_, commit) => {
                write!(f, "{} at {}", self.url, &commit.as_str()[..12])?;
            }
            Revision::Open(name @ (Named::Branch(_) | Named::Tag(_) | Named::Short(_))) => {
                write!(f, "{} at {name}", self.url)?;
            }
        }
        match &self.part {
            Part::Folder { path: None, .. } => Ok(()),
            Part::Folder { path: Some(path), .. } | Part::File(path) => write!(f, " /{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> GitOrigin {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_lock_has_it_in_one_spelling() {
        let commit = "a1".repeat(20);
        for text in [
            format!("url = \"https://git.example/a\"\ncommit = \"{commit}\"\n"),
            format!("url = \"a\"\ncommit = \"{commit}\"\nbranch = \"main\"\nfolder = \"src\"\n"),
            "url = \"a\"\ntag = \"v1\"\nexclude = [\"b\"]\n".to_owned(),
            format!("url = \"a\"\ncommit = \"{commit}\"\nfile = \"x/1.2.3.patch\"\n"),
        ] {
            assert_eq!(toml::to_string(&origin(&text)).unwrap(), text);
        }
        let text = format!("url = 'a'\ncommit = '{commit}'\nfile = 'b'\nfolder = 'c'");
        assert!(toml::from_str::<GitOrigin>(&text).is_err());
    }

    #[test]
    fn a_lock_serves_what_it_was_made_for() {
        let settled = |commit: &str| {
            origin(&format!("url = 'a'\nbranch = 'main'\ncommit = '{}'", commit.repeat(40)))
        };
        let open = origin("url = 'a'\nbranch = 'main'");
        assert!(settled("1").serves(&open));
        assert!(settled("1").serves(&settled("1")));
        assert!(!settled("1").serves(&settled("2")));
        assert!(!settled("1").serves(&origin("url = 'a'\nbranch = 'other'")));
        assert!(!settled("1").serves(&origin("url = 'b'\nbranch = 'main'")));
        assert!(!settled("1").serves(&origin("url = 'a'\nbranch = 'main'\nfolder = 'x'")));
        assert_eq!(open.for_manifest(), None);
        let manifest = settled("1").for_manifest().unwrap();
        assert_eq!(manifest.to_string(), "a local repository at 111111111111");
    }
}
