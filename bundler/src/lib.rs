//! Makes bundles, online: recipe → lock → cache → signed archive.
//!
//! `cli` has a file for each command, which resolves its arguments and runs it. A [`recipe`] lists
//! the contents of a bundle, and a [`lock`] pins them by digest; both are data, in terms of
//! [`types`]. [`relock`] makes a lock from a recipe: [`items`] obtains and inspects each kind of
//! item, [`apt`] resolves packages, and [`fetch`] and [`net`] download. The [`cache`] stores verified
//! content, and [`pack`] writes the bundle. [`prove`] builds the
//! driver's modules before the bundle is carried.

use std::process::ExitCode;

use vgpu_manifest::ui::Exit;
use vgpu_manifest::ui::help::explain;

mod apt;
mod assist;
mod bounded;
mod cache;
mod catalog;
mod cli;
mod contents;
mod delta;
mod dirs;
mod fetch;
mod fleet;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
#[path = "../../tests/kit/gpg.rs"]
mod gpg;
mod html;
mod items;
mod lock;
mod matrix;
#[cfg_attr(not(feature = "net"), expect(dead_code, reason = "such a build makes no request"))]
mod net;
mod node;
mod outfile;
mod pack;
mod prove;
mod recheck;
mod recipe;
mod relock;
mod sbom;
#[cfg(feature = "schema")]
pub mod schema;
mod secret;
mod stick;
mod trust;
mod types;
mod ui;

#[cfg(feature = "pages")]
pub use crate::cli::commands::completions::completions;
#[cfg(feature = "pages")]
pub use crate::cli::commands::man::manual_pages;
pub use crate::cli::{MANUAL, command};
pub use crate::sbom::BuiltProgram;

use crate::cli::Cli;
use crate::ui::{Talk, Ui};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let (cli, format) = match Cli::from_process() {
        Ok(cli) => cli,
        Err(error) => return explain(&error).into(),
    };
    let talk = if cli.global.quiet { Talk::Quiet } else { Talk::Normal };
    let ui = Ui::new(talk, cli.global.color);
    let (ui, result) = crate::cli::commands::run(cli, ui);
    let exit = result.map_or_else(|error| cli::exit::report(&ui, &error, format), |()| Exit::Done);
    exit.into()
}
