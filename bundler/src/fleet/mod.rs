//! Whether nodes that should be the same are: the reports of all of them, compared.
//!
//! A [`report`] is what `vgpu-installer report` wrote; its comparable part is taken apart into
//! facts, each with a name that says where it stands, and [`compare`] finds those that are not the
//! same everywhere. So a fact that a later installer adds is compared without a change here.

mod compare;
mod facts;
mod report;

pub(crate) use self::compare::{Difference, compare};
pub(crate) use self::report::{Report, Signed};
