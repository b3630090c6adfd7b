//! Debian packages: resolves the packages that a recipe needs and a node lacks.
//!
//! [`relation`] is the grammar of dependencies, [`stanza`] is a paragraph of an index, and
//! [`model`] holds the properties of a package that the solver uses.

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

pub(crate) use self::address::Address;
pub(crate) use self::error::AptError;
pub(crate) use self::expand::{Expansion, LockedApt, Renewal, expand};
pub(crate) use self::release::{INSTALL_GPGV, Verifier, day};
#[cfg(test)]
pub(crate) use self::solve::Explanation;
pub(crate) use self::solve::{Request, Upgrades};
pub(crate) use self::upstream::{Followed, UpstreamError, follow};
