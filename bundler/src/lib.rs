//! Makes bundles, online: recipe → lock → cache → signed archive.
//!
//! `commands/` has a file for each command, which resolves its arguments (`cli`, `options`) and
//! runs it. A [`recipe`] lists the contents of a bundle, a [`lock`] pins them by digest. [`source`]
//! obtains the bytes, with [`fetch`] and [`net`] for downloads, [`git`] for repositories and
//! [`tree`] for folders. The [`cache`] stores them, and [`pack`] writes the bundle.

use std::process::ExitCode;

use vgpu_manifest::ui::Exit;

mod apt;
mod cache;
mod cli;
mod commands;
#[cfg(feature = "pages")]
mod completions;
mod dirs;
mod doctor;
mod driver;
mod exit;
mod fetch;
mod fleet;
mod git;
#[cfg(test)]
#[path = "../../tests/kit/gpg.rs"]
mod gpg;
mod headers;
mod image;
mod lock;
#[cfg(feature = "pages")]
mod manual_pages;
#[cfg_attr(not(feature = "net"), expect(dead_code, reason = "such a build makes no request"))]
mod net;
mod options;
mod pack;
mod proposal;
mod recheck;
mod recipe;
mod sbom;
mod secret;
mod source;
mod stick;
mod tree;
mod trust;
mod ui;
mod unlock;
mod wants;

pub use crate::cli::{MANUAL, command};
#[cfg(feature = "pages")]
pub use crate::completions::completions;
#[cfg(feature = "pages")]
pub use crate::manual_pages::manual_pages;

use crate::cli::Cli;
use crate::ui::{Talk, Ui};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::from_process() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` arrive here too, and are no errors.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    let talk = if cli.global.quiet { Talk::Quiet } else { Talk::Normal };
    let ui = Ui::new(talk, cli.global.color);
    let (ui, result) = commands::run(cli, ui);
    let exit = result.map_or_else(|error| exit::tell(&ui, &error), |()| Exit::Done);
    exit.into()
}
