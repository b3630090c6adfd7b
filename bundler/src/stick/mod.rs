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

pub(crate) use self::content::{Content, SignedFile};
#[cfg(test)]
pub(crate) use self::medium::Facts;
pub(crate) use self::medium::{Machine, Medium};
pub(crate) use self::names::key_file;
pub(crate) use self::plan::{Found, Parts, Piece, Plan, Replace, Room, split};
pub(crate) use self::program::{Linkage, Program};
pub(crate) use self::put::{put, same_archive, same_content, write_archive};
pub(crate) use self::read_back::{FromMedium, Watch, differs, forget, read_small};
pub(crate) use self::start_here::{Signer, StartHere};
