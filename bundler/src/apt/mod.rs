//! Debian packages: resolves the packages that a recipe needs and a node lacks.
//!
//! [`model`] holds the properties of a package that the solver uses.

mod archive;
mod error;
mod expand;
mod index;
mod keyring;
mod model;
mod names;
mod node;
mod part;
#[cfg(fuzzing)]
pub(crate) use self::release::fuzzing;
mod release;
mod renew;
mod solve;
mod summary;
mod upstream;

pub(crate) use self::error::AptError;
pub(crate) use self::expand::{Expansion, Renewal, expand};
pub(crate) use self::keyring::installed;
pub(crate) use self::release::{INSTALL_GPGV, Verifier, day};
#[cfg(test)]
pub(crate) use self::solve::Explanation;
pub(crate) use self::upstream::{Followed, UpstreamError, follow};
