//! Filling a stick, so that a node without a network can be reached with nothing but it and a
//! fingerprint on paper.
//!
//! [`plan`] is pure: from what is to go there, the [`medium`]'s limits and what lies there already,
//! it says what is to be written. [`put`] writes, each file under a temporary name first;
//! [`read_back`] reads everything again, past the page cache. [`start_here`] is the page that a
//! person finds there.

mod content;
mod medium;
mod names;
mod plan;
mod program;
mod put;
mod read_back;
mod start_here;

use camino::Utf8PathBuf;
use vgpu_manifest::{CopyError, ReadError, VerifyError};

use crate::size::ByteSize;

pub(crate) use self::content::{Content, SignedFile};
#[cfg(test)]
pub(crate) use self::medium::Facts;
pub(crate) use self::medium::{Machine, Medium};
pub(crate) use self::names::key_file;
pub(crate) use self::plan::{Found, Parts, Piece, Plan, Replace, Room, split};
pub(crate) use self::program::{Linkage, Program, ProgramError};
pub(crate) use self::put::{put, same_archive, same_content, write_archive};
pub(crate) use self::read_back::{FromMedium, Watch, forget, read_small};
pub(crate) use self::start_here::{Signer, StartHere};

/// Why a stick was not filled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StickError {
    /// A file there could not be read or written.
    #[error("cannot {verb} `{path}`")]
    Io {
        /// What was to be done.
        verb: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// It does not fit.
    #[error("`{folder}` has {free} free, but {needed} are needed")]
    NoRoom {
        /// Where it was to go.
        folder: Utf8PathBuf,
        /// What is free there.
        free: ByteSize,
        /// What is needed.
        needed: ByteSize,
    },
    /// Files of these names are there, and are not the same.
    #[error("`{folder}` has other files of the same names: {}", .names.join(", "))]
    Occupied {
        /// Where it was to go.
        folder: Utf8PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// Something of this name is there that is no file.
    #[error("`{0}` is there, and is not a regular file")]
    NotAFile(Utf8PathBuf),
    /// The parts would be larger than a file can be there.
    #[error("parts of {part} are larger than a file can be there, which is {largest}")]
    PartTooLarge {
        /// The length of the parts.
        part: ByteSize,
        /// The largest file.
        largest: ByteSize,
    },
    /// The bundle would have too many parts.
    #[error("the bundle would have {0} parts, more than 999; choose larger ones")]
    TooManyParts(u64),
    /// The bundle could not be copied.
    #[error("cannot copy the bundle to `{folder}`")]
    Copy {
        /// Where it was to go.
        folder: Utf8PathBuf,
        /// What went wrong.
        source: CopyError,
    },
    /// What is there now is not what was written.
    #[error("the medium does not give back what was written to `{path}`: {why}")]
    Differs {
        /// The file.
        path: Utf8PathBuf,
        /// How that shows.
        why: Differs,
    },
}

/// How it shows that a medium lies.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Differs {
    /// A small file has other bytes.
    #[error("it has other bytes")]
    Bytes,
    /// The bundle is not trusted any more.
    #[error(transparent)]
    Frame(#[from] VerifyError),
    /// An item of the bundle is damaged.
    #[error(transparent)]
    Payload(#[from] ReadError),
    /// It is another bundle.
    #[error("it is another bundle")]
    Other,
}
