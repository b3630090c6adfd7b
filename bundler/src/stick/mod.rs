//! Sticks: a node without a network needs only a stick and a fingerprint on paper.
//!
//! An [`image`] has the same files. [`plan`] is pure: it derives the files to write from the wanted files, the limits of the
//! [`medium`] and the files that are there. [`put`] writes, [`read_back`] verifies past the page
//! cache, and [`start_here`] is the page for the operator.

mod content;
mod image;
mod medium;
mod names;
mod plan;
mod program;
mod put;
mod read_back;
mod start_here;

pub(crate) use self::content::{Content, SignedFile};
pub(crate) use self::image::{Image, LARGEST_FILE, Staging};
#[cfg(test)]
pub(crate) use self::medium::Facts;
pub(crate) use self::medium::{Machine, Medium};
pub(crate) use self::names::key_file;
pub(crate) use self::plan::{Found, Parts, Piece, Plan, Replace, Room, split};
pub(crate) use self::program::{Linkage, Program, installed};
pub(crate) use self::put::{put, same_archive, same_content, write_archive};
pub(crate) use self::read_back::{FromMedium, Watch, differs, forget, read_small};
pub(crate) use self::start_here::{PAGE_HEAD, Signer, StartHere};
