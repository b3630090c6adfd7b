//! The command line, as it is typed. Nothing here looks at the world.

use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};

use crate::commands::{
    build, cache, catalog, completions, diff, doctor, extract, fetch, fleet, init, inspect, key,
    lock, man, sign, update, verify, write,
};

/// Make signed bundles for hosts that have no network.
#[derive(Debug, Parser)]
#[command(name = "vgpu-bundler", version, help_expected = true, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// The folder of the cache [default: $XDG_CACHE_HOME/vgpu-offline]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) cache: Option<Utf8PathBuf>,

    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a recipe to begin with
    Init(init::Args),
    /// Pin by digest what the recipe asks for
    Lock(lock::Args),
    /// Pin again what downloads turn out to be now
    Update(update::Args),
    /// Get everything that is locked into the cache
    Fetch(fetch::Args),
    /// Make the signed bundle of the lock
    Build(build::Args),
    /// Add a signature to a bundle
    Sign(sign::Args),
    /// Check that a bundle is trusted and whole
    Verify(verify::Args),
    /// Show what a bundle holds
    Inspect(inspect::Args),
    /// Take items out of a bundle
    Extract(extract::Args),
    /// Show what has changed between two bundles
    Diff(diff::Args),
    /// Put a bundle onto a stick, with all that a node needs for it
    Write(write::Args),
    /// Look up what is known of GPUs, drivers and kernels, and whether they go together
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Compare nodes by their reports
    Fleet(fleet::Args),
    /// Make and show signing keys
    Key(key::Args),
    /// Look after the cache
    Cache(cache::Args),
    /// Say what this laptop lacks
    Doctor(doctor::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Write the manual
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    /// Every command, by the words that lead to it.
    fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, bool)>) {
        let mut subcommands = command.get_subcommands().peekable();
        if subcommands.peek().is_none() {
            let has_json = command.get_arguments().any(|arg| arg.get_id() == "json");
            found.push((words.trim_start().to_owned(), has_json));
        }
        for subcommand in subcommands {
            leaves(subcommand, &format!("{words} {}", subcommand.get_name()), found);
        }
    }

    #[test]
    fn every_command_can_answer_a_program() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        let without: Vec<_> =
            found.iter().filter(|(_, has)| !has).map(|(words, _)| words).collect();
        // These write scripts and pages, which are for programs already.
        assert_eq!(without, ["completions", "man"]);
    }
}
