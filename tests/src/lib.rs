//! Black-box suites, and what they share.

pub mod programs;
pub mod skip;
pub mod tree;
