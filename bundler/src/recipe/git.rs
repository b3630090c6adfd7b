//! The git fields of a recipe.

use std::ops::Range;

use vgpu_manifest::unlock::CommitId;

use super::Fault;
use crate::types::git::{Named, Part, RefName, Revision};
use crate::types::{GitOrigin, GitUrl};

/// The fields of a table that identify a commit of a repository.
#[derive(Debug)]
pub(super) struct Git {
    pub(super) url: Option<GitUrl>,
    pub(super) commit: Option<CommitId>,
    pub(super) branch: Option<RefName>,
    pub(super) tag: Option<RefName>,
}

impl Git {
    /// Returns whether the table has any git field.
    #[must_use]
    pub(super) fn is_absent(&self) -> bool {
        self.url.is_none() && !self.has_revision()
    }

    fn has_revision(&self) -> bool {
        self.commit.is_some() || self.branch.is_some() || self.tag.is_some()
    }

    /// Returns a path in the commit.
    pub(super) fn origin(self, part: Part, span: Range<usize>) -> Result<GitOrigin, Fault> {
        let fault = |what: &str| Fault { span: span.clone(), what: what.to_owned() };
        let url = self.url.clone().ok_or_else(|| fault("`git` must name the repository"))?;
        let revision = self.revision().ok_or_else(|| fault(ONE_OF))?;
        Ok(GitOrigin { url, revision, part })
    }

    /// Returns the selected commit, if there is exactly one.
    pub(super) fn revision(self) -> Option<Revision> {
        match (self.commit, self.branch, self.tag) {
            (Some(commit), None, None) => Some(Revision::Exact(commit)),
            (None, Some(branch), None) => Some(Revision::Open(Named::Branch(branch))),
            (None, None, Some(tag)) => Some(Revision::Open(Named::Tag(tag))),
            _ => None,
        }
    }
}

/// Returns the error if there is none, or more than one.
pub(super) const ONE_OF: &str = "exactly one of `commit`, `branch` and `tag` must say which commit; `branch` and `tag` are looked up once, by `vgpu-bundler lock`";
