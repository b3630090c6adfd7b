//! Git repositories as sources, through the `git` program.
//!
//! A repository is fetched into a bare one in the cache, with as little history as the server allows.
//! There is no git working tree: [`Repository::list`] and [`Blobs`] return the content of a commit
//! byte for byte, unaffected by attributes, filters, line endings and `export-subst`, and
//! [`check_out`] writes it to disk. Git checks every fetched object (`fsck`), and the fetched commit
//! must have the requested id.

mod blobs;
mod checkout;
mod error;
mod list;
mod program;
mod repository;
mod watch;

pub(crate) use self::blobs::Blobs;
pub(crate) use self::checkout::{Selection, check_out};
pub(crate) use self::error::{submodule, too_large, unresolved};
pub(crate) use self::list::{Entry, Kind};
pub(crate) use self::repository::{Reach, Repository};
