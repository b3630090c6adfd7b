//! Comparison of nodes by their reports.
//!
//! A [`report`] comes from `vgpu-installer report`. Its comparable part is split into facts, named
//! by their path in the document, and [`compare`] finds those that differ. A fact that a later
//! installer adds is compared without a change here.

mod compare;
mod facts;
mod report;

pub(crate) use self::compare::{Difference, compare};
pub(crate) use self::report::{Report, Signed};
