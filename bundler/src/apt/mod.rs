//! Debian packages: which ones a recipe needs beyond what a node has.
//!
//! [`version`] and [`relation`] are Debian's grammar, [`stanza`] a paragraph of an index; [`model`]
//! is what is left of a package for the question what can be installed with what.
#![expect(dead_code, reason = "nothing asks yet; removed with the first recipe that does")]

mod model;
mod relation;
mod solve;
mod stanza;
mod version;

pub(crate) use self::version::Version;
