use std::fs;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::CommandFactory as _;

use super::Context;
use crate::cli::Cli;

/// Write the manual: a page for the program and one for each command.
///
/// Read them with `man -l DIR/vgpu-bundler.1`, or write them to `~/.local/share/man/man1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for the pages
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let folder = &self.folder;
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{folder}`"))?;
        let pages = clap_mangen::generate_to(Cli::command(), folder);
        pages.with_context(|| format!("cannot write the pages to `{folder}`"))?;
        context.ui.note(format_args!("wrote the pages to `{folder}`; `man -l` shows one"));
        Ok(())
    }
}
