//! Unified diffs, applied byte by byte.
//!
//! The patches that unlock a driver are diffs of its binary files, with NUL bytes and lines of any
//! length in them. GNU patch 2.8 refuses those, and no version of it tells which bytes it began
//! and ended with. So we apply them ourselves, and more strictly than GNU patch does: a hunk holds
//! at exactly the line it names, every byte of its context must be there, and hunks come in order.
//! There is no fuzz, no search for another place, and no stripping of folders or carriage returns.
//!
//! A [`Patch`] is small and is held in memory. The file that it changes is not: it streams past,
//! and is hashed on the way in and out.

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

/// The longest patch that is read, in bytes: 8 MiB. The longest known one has 48 KB.
pub const MAX_PATCH: u64 = 8 << 20;

/// A patch: what it does to each of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    files: Vec<FilePatch>,
}

/// What a patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    path: TreePath,
    change: Change,
    hunks: Vec<Hunk>,
}

/// What becomes of a patched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is there before and after.
    Modified,
    /// It was not there before, or was empty.
    Created,
    /// It is not there any more.
    Deleted,
}

impl Patch {
    /// Read a patch.
    ///
    /// Text before, between and after the diffs is ignored, as long as it cannot be mistaken for
    /// a part of one.
    pub fn parse(bytes: &[u8]) -> Result<Self, PatchError> {
        parse::patch(bytes).map(|files| Self { files })
    }

    /// The files that it changes, in its order, each once.
    #[must_use]
    pub fn files(&self) -> &[FilePatch] {
        &self.files
    }

    /// What it does to the file at `path`, if anything.
    #[must_use]
    pub fn file(&self, path: &TreePath) -> Option<&FilePatch> {
        self.files.iter().find(|file| file.path == *path)
    }
}

impl FilePatch {
    /// Where the file is, from the root of the patched tree.
    #[must_use]
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// What becomes of it.
    #[must_use]
    pub fn change(&self) -> Change {
        self.change
    }
}

text! {
    /// A path below the root of a tree, as a patch names it.
    ///
    /// Parts of printable ASCII without blanks, quotes and backslashes, joined by `/`. It is
    /// relative, cannot climb, and has one spelling: a leading `./` is taken off before.
    TreePath,
    "a path in a tree",
    "parts of printable ASCII joined by `/`, none of them `.` or `..`, at most 1,024 bytes",
    |text| text.len() <= 1024 && text.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\\\"'`".contains(&b);
    (1..=255).contains(&part.len()) && part != "." && part != ".." && part.bytes().all(plain)
}
