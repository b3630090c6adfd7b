//! The integration tests: one binary, with one folder or file per area.
//!
//! The programs run as their users run them: as processes, on files and simulated nodes.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[path = "../kit/servers/archive.rs"]
mod archive;
#[path = "../kit/gpg.rs"]
mod gpg;
#[path = "../kit/servers/liar.rs"]
mod liar;
#[path = "../kit/servers/loopback.rs"]
mod loopback;
#[path = "../kit/servers/proxy.rs"]
mod proxy;
#[path = "../kit/servers/registry.rs"]
mod registry;
#[path = "../kit/servers/shelf.rs"]
mod shelf;
#[path = "../kit/terminal.rs"]
mod terminal;

mod bundler;
mod delta;
mod demo;
mod dls;
mod docs;
mod driver;
mod driver_inputs;
mod fleet;
mod guests;
mod hostile;
mod html;
mod image;
mod installer;
mod interop;
mod inventory;
mod keys;
mod kill;
mod language;
mod license;
mod manifest;
mod memory;
mod menu;
mod offline;
mod pages;
mod schema;
mod script;
mod stick;
mod structure;
mod suitability;
mod trust_page;
mod tutorial;

use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::programs::{Program, Programs};

/// Returns the path under which the demo's executable is `program`.
fn program(program: Program) -> Utf8PathBuf {
    static LINKS: LazyLock<Programs> = LazyLock::new(|| {
        let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("bin");
        Programs::link(Utf8Path::new(env!("CARGO_BIN_EXE_demo")), &folder).unwrap()
    });
    LINKS.path(program)
}
