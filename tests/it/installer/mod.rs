//! The program itself, on invented roots: what is typed, what is said, what is left behind.

mod apply;
mod fixture;
mod remove;
mod report;
mod reviewed;
mod status;
mod store;
mod terminal;
mod tree;
mod trust;
mod verify;
