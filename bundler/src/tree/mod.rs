//! Folders as archives that are the same, byte for byte, wherever and whenever they are packed.
//!
//! Only what a tree of sources is made of goes in: names, contents, whether a file is a program,
//! and links that stay inside. Owners, dates, other permissions, attributes and hard links do
//! not, because they differ between two checkouts of the same thing.

mod link;
mod pack;
mod packer;
mod scan;
#[cfg(test)]
mod tests;
mod unpack;

use camino::Utf8PathBuf;

pub(crate) use self::link::LinkFault;
pub(crate) use self::pack::WINDOW_LOG;
pub(crate) use self::packer::pack;
pub(crate) use self::scan::{content_size, scan};
pub(crate) use self::unpack::unpack;

/// A folder cannot be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TreeError {
    /// Something in it cannot be read.
    #[error("cannot read `{}`", .path.as_str().escape_debug())]
    Io {
        /// What.
        path: Utf8PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A name would not mean the same everywhere.
    #[error("the name `{path}` {why}")]
    Name {
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A link leads out of the folder, or would elsewhere.
    #[error("the link `{}` to `{}` {why}", .path.as_str().escape_debug(), .target.escape_debug())]
    Link {
        /// The link.
        path: Utf8PathBuf,
        /// Where it leads.
        target: String,
        /// What is wrong with it.
        why: LinkFault,
    },
    /// It holds something else than files, folders and links.
    #[error("`{}` is {kind}; only files, folders and links can be packed", .path.as_str().escape_debug())]
    Kind {
        /// What.
        path: Utf8PathBuf,
        /// Its kind.
        kind: &'static str,
    },
    /// There is nothing in it.
    #[error("there is nothing in it")]
    Empty,
    /// Something to be left out is not there.
    #[error("`{}`, which is to be left out, is not there", .0.as_str().escape_debug())]
    NothingToExclude(Utf8PathBuf),
    /// A file has another length than a moment ago.
    #[error("`{}` has changed while it was being packed", .0.as_str().escape_debug())]
    Changed(Utf8PathBuf),
    /// The archive could not be read.
    #[error("cannot read the archive")]
    Read(#[source] std::io::Error),
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] std::io::Error),
    /// The archive has more bytes than an item may have.
    #[error("its archive has {size} bytes, which is more than an item may have")]
    TooLarge {
        /// How many it has.
        size: u64,
    },
}
