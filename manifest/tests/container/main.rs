//! The container, from outside: what is written is read back, and nothing else is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bytes;
mod fixture;
mod frame;
mod parts;
mod sizes;
