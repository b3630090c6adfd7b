//! The reader on mutated input: it refuses, and never panics.

mod archive;
mod frame;
mod manifest;
