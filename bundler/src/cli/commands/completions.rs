use clap::Command;
use clap_complete::Shell;

use crate::cli::command;
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

/// Returns the completion script of `command` for `shell`.
#[must_use]
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    // Generate in memory, because the generator panics if writing to a closed pipe fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    if shell != Shell::Bash {
        return script;
    }
    // If the name of a program has a hyphen, the generator for bash spells it in two ways and never
    // completes the options of a command (clap-rs/clap#6421). Scripts without the second spelling
    // are unchanged.
    let wrong = name.replace('-', "__subcmd__");
    let right = name.replace('-', "__");
    String::from_utf8_lossy(&script).replace(&wrong, &right).into_bytes()
}
