//! Checks on in-memory hosts: healthy ones, and each with one fault.

mod bad;
mod good;
mod scene;

use super::*;
