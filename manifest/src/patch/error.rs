use std::io;

use super::TreePath;

/// The reason why a text is not a supported patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {fault}")]
pub struct PatchError {
    pub(super) line: usize,
    pub(super) fault: PatchFault,
}

/// The fault of a patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchFault {
    /// It is larger than [`MAX_PATCH`](super::MAX_PATCH).
    #[error("it is larger than {} bytes", super::MAX_PATCH)]
    TooLarge,
    /// It contains no diff.
    #[error("there is no unified diff in it")]
    Empty,
    /// It is another kind of patch.
    #[error("{0} is not supported; make the patch with `diff -a -u`")]
    Kind(&'static str),
    /// A name is not a path in the tree.
    #[error("`{}` is not a path relative to the root of the driver", .0.escape_debug())]
    Name(String),
    /// Its line ends were converted, and with them bytes of binary files.
    #[error("the line ends were converted to CR LF; download the patch again as a binary file")]
    Converted,
    /// The old and the new name are unrelated.
    #[error("the names `{0}` and `{1}` of a file differ; make the patch for `patch -p0`")]
    Names(TreePath, TreePath),
    /// A file has the name `/dev/null`, but its hunks have content.
    #[error("`/dev/null` has content in a hunk")]
    Null,
    /// The names of a file are not followed by a hunk.
    #[error("the names of a file must be followed by a hunk")]
    NoHunk,
    /// A hunk without file names.
    #[error("a hunk without the names of its file")]
    Stray,
    /// A file has two diffs.
    #[error("the file `{0}` has a second diff")]
    Twice(TreePath),
    /// The header of a hunk is malformed.
    #[error("expected `@@ -LINE,COUNT +LINE,COUNT @@`")]
    HunkHeader,
    /// A line of a hunk has an invalid first character.
    #[error("a line of a hunk must begin with a blank, `-`, `+` or `\\ `")]
    HunkLine,
    /// A hunk has more lines than its header says.
    #[error("the hunk has more lines of one kind than its header says")]
    Count,
    /// The patch ends inside a hunk.
    #[error("the patch ends in the middle of a hunk; download it again")]
    Truncated,
    /// A hunk has context only.
    #[error("the hunk changes nothing")]
    NoChange,
    /// There are more lines after the end of a file.
    #[error("more lines follow the end of the file")]
    AfterEnd,
    /// A hunk begins before the end of the previous one.
    #[error("the hunk begins before the one before it ends")]
    Order,
}

/// A patch does not fit a file. The partial output must be discarded.
#[derive(Debug, thiserror::Error)]
#[error("the patch does not fit `{path}`: {fault}")]
pub struct ApplyError {
    /// The file.
    pub path: TreePath,
    /// The mismatch.
    #[source]
    pub fault: ApplyFault,
}

/// A mismatch between a patch and a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyFault {
    /// The file does not exist.
    #[error("there is no such file")]
    Missing,
    /// A file that the patch creates exists and is not empty.
    #[error("the patch creates the file, but it exists already")]
    Exists,
    /// The file has other bytes than the patch expects.
    #[error("line {line} of the file does not match hunk {hunk}")]
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
    /// The file continues where the patch says that it ends.
    #[error("the file continues after hunk {hunk}, which should end it")]
    TooLong {
        /// The hunk, from 1.
        hunk: usize,
    },
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Read(#[source] io::Error),
    /// The new file cannot be written.
    #[error("cannot write the patched file: {0}")]
    Write(#[source] io::Error),
}

impl ApplyFault {
    /// Checks whether the file differs from the one that the patch was made for. Otherwise, reading
    /// or writing failed.
    #[must_use]
    pub fn is_other_file(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Write(_))
    }
}
