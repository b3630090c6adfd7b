//! Unlock libraries: from a commit of a fork of `vgpu_unlock` to its sources with all crates, and to
//! the library that hosts preload.
//!
//! The sources are always included, as one tree in which `cargo build --release --offline --locked`
//! works ([`crates`]). The library is built from that tree, against a glibc as old as that of the
//! host ([`build`]), and checked ([`library`]) before it gets into a lock. The lock has a [`Build`]
//! with everything needed to reproduce each. Building runs the build scripts of the crates with the
//! rights of the user; they run on a node only if the node builds the library.

use camino::Utf8Path;
use vgpu_manifest::ItemName;

mod build;
mod crates;
mod fork;
mod library;
mod record;
mod toolchain;
mod workshop;

pub(crate) use self::library::oldest_glibc;
pub(crate) use self::record::{Making, check_targets, make_again, records};
pub(crate) use self::toolchain::{INSTALL_ZIG, Lacking};

fn cannot_use(path: &Utf8Path) -> String {
    format!("cannot use `{path}`")
}

fn cannot_make(item: &ItemName) -> String {
    format!("cannot make item `{item}`")
}
