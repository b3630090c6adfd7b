//! The reader before bytes that nobody meant: it refuses, and never panics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archive;
mod frame;
mod manifest;
