//! Debian packages: which ones a recipe needs beyond what a node has.
//!
//! [`version`] and [`relation`] are Debian's grammar, [`stanza`] a paragraph of an index; [`model`]
//! is what is left of a package for the question what can be installed with what.

mod address;
mod archive;
mod error;
mod expand;
mod index;
mod model;
mod names;
mod node;
mod part;
mod relation;
mod release;
mod renew;
mod said;
mod solve;
mod stanza;
mod upstream;
mod version;

pub(crate) use self::address::Address;
pub(crate) use self::error::AptError;
pub(crate) use self::expand::{Expansion, LockedApt, Renewal, expand};
pub(crate) use self::release::{INSTALL_GPGV, Verifier, day};
#[cfg(test)]
pub(crate) use self::solve::Explanation;
pub(crate) use self::solve::{Request, Upgrades};
pub(crate) use self::upstream::{Followed, UpstreamError, follow};
pub(crate) use self::version::Version;
