use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::completions::completions;
use crate::ui::print_text;

/// Print what a shell needs to complete our command line.
///
/// For bash: `vgpu-bundler completions bash > ~/.local/share/bash-completion/completions/vgpu-bundler`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        Ok(print_text(&completions(Cli::command(), self.shell))?)
    }
}
