use std::io;

use super::TreePath;

/// Why a text is not a patch that we apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {fault}")]
pub struct PatchError {
    pub(super) line: usize,
    pub(super) fault: PatchFault,
}

/// What is wrong with a patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchFault {
    /// It is larger than [`MAX_PATCH`](super::MAX_PATCH).
    #[error("it is larger than {} bytes", super::MAX_PATCH)]
    TooLarge,
    /// There is no diff in it.
    #[error("there is no unified diff in it")]
    Empty,
    /// It is another kind of patch.
    #[error("{0} is not supported; make the patch with `diff -a -u`")]
    Kind(&'static str),
    /// A name is not a path in the tree.
    #[error("`{}` is not the path of a file below the root of the driver", .0.escape_debug())]
    Name(String),
    /// The names before and after have nothing to do with each other.
    #[error("it calls one file `{0}` and `{1}`; make the patch for `patch -p0`")]
    Names(TreePath, TreePath),
    /// A file has the name `/dev/null`, but the hunks say that it has content.
    #[error("`/dev/null` stands for a file that has content")]
    Null,
    /// The names of a file are followed by something else than a hunk.
    #[error("the names of a file must be followed by a hunk")]
    NoHunk,
    /// A hunk without the names of a file.
    #[error("a hunk without the names of its file")]
    Stray,
    /// A file has two diffs.
    #[error("the file `{0}` has a second diff")]
    Twice(TreePath),
    /// The header of a hunk does not have its form.
    #[error("expected `@@ -LINE,COUNT +LINE,COUNT @@`")]
    HunkHeader,
    /// A line of a hunk does not begin as it must.
    #[error("a line of a hunk must begin with a blank, `-`, `+` or `\\ `")]
    HunkLine,
    /// A hunk has more lines than its header says.
    #[error("the hunk has more lines of one kind than its header says")]
    Count,
    /// The patch ends in a hunk.
    #[error("the patch ends in the middle of a hunk")]
    Truncated,
    /// A hunk has context only.
    #[error("the hunk changes nothing")]
    NoChange,
    /// There is more after the end of a file.
    #[error("there is more after a line that ends the file")]
    AfterEnd,
    /// A hunk begins before the one before it ends.
    #[error("the hunk begins before the one before it ends")]
    Order,
}

/// A patch does not fit a file. What was written must not be used.
#[derive(Debug, thiserror::Error)]
#[error("the patch does not fit `{path}`: {fault}")]
pub struct ApplyError {
    /// The file.
    pub path: TreePath,
    /// What is wrong.
    #[source]
    pub fault: ApplyFault,
}

/// How a patch and a file do not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyFault {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// A file that it is to create is there, and is not empty.
    #[error("it is to be created, but is there already")]
    Exists,
    /// The file has other bytes than the patch expects.
    #[error("line {line} of the file is not what hunk {hunk} expects")]
    Mismatch {
        /// The hunk, from 1.
        hunk: usize,
        /// The line of the file, from 1.
        line: u64,
    },
    /// The file ends before or in a hunk.
    #[error("the file ends at line {line}, before the end of hunk {hunk}")]
    TooShort {
        /// The hunk, from 1.
        hunk: usize,
        /// The last line of the file, from 1.
        line: u64,
    },
    /// The file goes on where the patch says that it ends.
    #[error("the file goes on after hunk {hunk}, which is to be its end")]
    TooLong {
        /// The hunk, from 1.
        hunk: usize,
    },
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// What it becomes cannot be written.
    #[error("what it becomes cannot be written: {0}")]
    Write(#[source] io::Error),
}

impl ApplyFault {
    /// Whether the file is another than the patch was made for. Otherwise reading or writing failed.
    #[must_use]
    pub fn is_other_file(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Write(_))
    }
}
