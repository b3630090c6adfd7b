//! The installer end to end on simulated roots: its input, its output, and the resulting files.

mod apply;
mod damage;
mod delta;
mod edges;
pub(crate) mod fixture;
mod interrupt;
mod json;
mod policies;
mod remove;
mod report;
mod reviewed;
mod status;
mod store;
mod terminal;
mod tree;
mod trust;
mod upstream;
mod verify;
