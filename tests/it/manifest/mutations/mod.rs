//! The reader before bytes that nobody meant: it refuses, and never panics.

mod archive;
mod frame;
mod manifest;
