use clap_complete::Shell;

use crate::cli::command;
use crate::cli::completions::completions;
use crate::ui::print_text;

/// Print shell completions.
///
/// For bash: `vgpu-bundler completions bash >
/// ~/.local/share/bash-completion/completions/vgpu-bundler`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Shell
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        Ok(print_text(&completions(command(), self.shell))?)
    }
}
