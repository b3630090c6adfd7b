//! The proof on hosts in memory: whole ones, and each with one thing wrong.

mod bad;
mod good;
mod scene;

use super::*;
