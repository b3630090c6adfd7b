//! Unlock libraries: from a commit of a fork of `vgpu_unlock` to its sources with all crates, and to
//! the library that hosts preload.
//!
//! The sources always ride along, as one tree in which `cargo build --release --offline --locked`
//! works ([`crates`]). The library is built here from that very tree, against a glibc as old as that
//! of the host ([`build`]), and looked into ([`library`]) before it gets into a lock. What it takes to
//! make both again elsewhere stands in the lock, as a [`Build`]. Building runs the build scripts
//! of the crates, with the rights of whoever builds; nothing of it runs on a node unless it is to
//! build there.

use camino::Utf8Path;
use vgpu_manifest::ItemName;

mod build;
mod crates;
mod fork;
mod library;
mod record;
mod toolchain;
mod workshop;

pub(crate) use self::fork::library_for;
pub(crate) use self::record::{Build, Making, make_again, records};
pub(crate) use self::toolchain::{INSTALL_ZIG, Lacking, Toolchain};

fn cannot_use(path: &Utf8Path) -> String {
    format!("cannot use `{path}`")
}

fn cannot_make(item: &ItemName) -> String {
    format!("cannot make item `{item}`")
}
