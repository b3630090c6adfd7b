use anyhow::Context as _;
use camino::Utf8PathBuf;

use super::Context;
use crate::cli::manual_pages::manual_pages;
use crate::cli::{MANUAL, command};

/// Write the manual pages, one for the program and one for each command.
///
/// Read them with `man -l DIR/vgpu-bundler.1`, or write them to `~/.local/share/man/man1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output folder
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let folder = &self.folder;
        let pages = manual_pages(command(), &MANUAL, folder);
        pages.with_context(|| format!("cannot write the pages to `{folder}`"))?;
        context.ui.note(format_args!("wrote the pages to `{folder}`; `man -l` shows one"));
        Ok(())
    }
}
