//! Git repositories as a recipe names them, and as a lock records them.

mod origin;
mod revision;
mod url;

pub(crate) use self::origin::{GitOrigin, Part};
pub(crate) use self::revision::{Named, RefName, Revision, ShortId};
pub(crate) use self::url::GitUrl;
