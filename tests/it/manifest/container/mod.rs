//! The container, from outside: what is written is read back, and nothing else is.

mod bytes;
mod fixture;
mod frame;
mod parts;
mod sizes;
