//! Unified diffs, applied byte by byte.
//!
//! The patches that unlock a driver are diffs of its binary files, with NUL bytes and lines of any
//! length. GNU patch 2.8 refuses those, and no version of it reports the digests before and after.
//! So this module applies them, more strictly than GNU patch does: a hunk must match at exactly its
//! line, every byte of its context must match, and hunks are in order. There is no fuzz, no search
//! for another place, and no stripping of folders or carriage returns.
//!
//! Damage that GNU patch repairs without a doubt is repaired with its result: a last context line
//! without a newline, up to three blank lines cut off at the end, a blank before a tab. The header
//! lines of git are accepted where they add nothing to the names and lines of a plain diff.
//!
//! A [`Patch`] is small and is held in memory. The file that it changes is streamed, and is hashed
//! before and after.

mod apply;
mod error;
mod hunk;
mod parse;
#[cfg(test)]
mod tests;

pub use self::apply::Applied;
pub use self::error::{ApplyError, ApplyFault, PatchError, PatchFault};

use self::hunk::Hunk;
use crate::text;

/// The largest patch that is read, in bytes: 8 MiB. The largest known one has 48 KB.
pub const MAX_PATCH: u64 = 8 << 20;

/// A patch: a diff for each of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    files: Vec<FilePatch>,
}

/// The diff of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    path: TreePath,
    change: Change,
    hunks: Vec<Hunk>,
}

/// The effect of a patch on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The file exists before and after.
    Modified,
    /// The file did not exist before, or was empty.
    Created,
    /// The file does not exist after.
    Deleted,
}

impl Patch {
    /// Parses a patch.
    ///
    /// Text before, between and after the diffs is ignored, unless it could be mistaken for a part
    /// of one.
    pub fn parse(bytes: &[u8]) -> Result<Self, PatchError> {
        parse::patch(bytes).map(|files| Self { files })
    }

    /// Returns the diffs of the changed files, in patch order, each file once.
    #[must_use]
    pub fn files(&self) -> &[FilePatch] {
        &self.files
    }

    /// Returns the diff of the file at `path`, if there is one.
    #[must_use]
    pub fn file(&self, path: &TreePath) -> Option<&FilePatch> {
        self.files.iter().find(|file| file.path == *path)
    }
}

impl FilePatch {
    /// Returns the path of the file, relative to the root of the patched tree.
    #[must_use]
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// Returns the effect on the file.
    #[must_use]
    pub fn change(&self) -> Change {
        self.change
    }
}

text! {
    /// A relative path in a tree, as a patch names it.
    ///
    /// Components of printable ASCII without blanks, quotes and backslashes, joined by `/`. It has
    /// no `..` and one spelling: a leading `./` is removed first.
    TreePath,
    "a path in a tree",
    "parts of printable ASCII joined by `/`, none of them `.` or `..`, at most 1,024 bytes",
    |text| text.len() <= 1024 && text.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\\\"'`".contains(&b);
    (1..=255).contains(&part.len()) && part != "." && part != ".." && part.bytes().all(plain)
}
