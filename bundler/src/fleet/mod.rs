//! Comparison of nodes by their reports.
//!
//! A [`Report`] comes from `vgpu-installer report`. The facts of its comparable part, named by their
//! place in the document, go into one tree of all nodes, and [`Reports::compare`] finds those that
//! differ. A fact that a later installer adds is compared without a change here. [`mappings`] collects
//! the devices of all nodes.

mod compare;
mod mappings;
mod report;
mod tree;

pub(crate) use self::compare::{Alike, Comparison, Difference, FleetNode, Held, Reports};
pub(crate) use self::mappings::{ClusterMapping, mappings};
pub(crate) use self::report::{Report, Signed};
