//! The program itself, on invented roots: what is typed, what is said, what is left behind.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test is no installer: it touches files by itself, and may fail"
)]

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
