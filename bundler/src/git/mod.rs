//! Git repositories as sources, by the real `git` program.
//!
//! A repository is fetched into a bare one in the cache, as little of it as the server lets us. There
//! is never a working tree of git's: [`Repository::list`] and [`Blobs`] give what a commit has, byte
//! for byte, so that no attribute, filter, line ending or `export-subst` of it has any say, and
//! [`check_out`] writes that down. Every fetched object is checked by git (`fsck`), and what was
//! fetched must be the commit that was asked for.

mod blobs;
mod checkout;
mod error;
mod list;
mod origin;
mod program;
mod repository;
mod revision;
mod url;
mod watch;

pub(crate) use self::blobs::Blobs;
pub(crate) use self::checkout::{Selection, check_out};
pub(crate) use self::error::{submodule, too_large, unresolved};
pub(crate) use self::list::{Entry, Kind};
pub(crate) use self::origin::{GitOrigin, Part};
pub(crate) use self::repository::{Reach, Repository};
pub(crate) use self::revision::{Named, RefName, Revision, ShortId};
pub(crate) use self::url::GitUrl;
