//! The command line as typed. This module does no I/O.

pub(crate) mod commands;
pub(crate) mod exit;
mod manual;
pub(crate) mod options;

use camino::Utf8PathBuf;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use vgpu_manifest::ui::Color;

use self::commands::{
    build, cache, catalog, diff, doctor, expand, extract, fetch, fleet, init, inspect, key, lock,
    policy, prove, schema, show, sign, update, verify, write,
};
pub use self::manual::MANUAL;

/// Make signed bundles for hosts without network access
#[derive(Debug, Parser)]
#[command(name = "vgpu-bundler", version, help_expected = true, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Cache folder [default: $XDG_CACHE_HOME/vgpu-offline]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) cache: Option<Utf8PathBuf>,

    /// Print errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Use color: `auto`, `always` or `never`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(value_parser = color(), hide_possible_values = true)]
    pub(crate) color: Color,
}

fn color() -> impl TypedValueParser<Value = Color> {
    PossibleValuesParser::new(Color::NAMES).try_map(|name| name.parse::<Color>())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new recipe
    Init(init::Args),
    /// Print the long form of a recipe
    Expand(expand::Args),
    /// Pin every input of the recipe by digest
    Lock(lock::Args),
    /// Re-resolve downloads and update the lock
    Update(update::Args),
    /// Download all locked inputs into the cache
    Fetch(fetch::Args),
    /// Build and check the driver's modules for the node's kernel
    Prove(prove::Args),
    /// Build the signed bundle from the lock
    Build(build::Args),
    /// Add a signature to a bundle
    Sign(sign::Args),
    /// Verify signatures and every byte of a bundle
    Verify(verify::Args),
    /// Show the contents of a bundle
    Inspect(inspect::Args),
    /// Write a page about a bundle, a plan or a report
    Show(show::Args),
    /// Extract items from a bundle
    Extract(extract::Args),
    /// Show the differences between two bundles
    Diff(diff::Args),
    /// Write a bundle and its tools to a stick
    Write(write::Args),
    /// Look up GPUs, drivers and kernels, and their compatibility
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Compare the reports of nodes
    Fleet(fleet::Args),
    /// Create and show signing keys
    Key(key::Args),
    /// Write and sign the policies of nodes
    Policy(policy::Args),
    /// Manage the download cache
    Cache(cache::Args),
    /// Check this machine for missing tools
    Doctor(doctor::Args),
    /// Print the JSON Schema of a document
    Schema(schema::Args),
    /// Print shell completions
    #[cfg(feature = "pages")]
    Completions(commands::completions::Args),
    /// Write the manual pages
    #[cfg(feature = "pages")]
    Man(commands::man::Args),
}

/// The form of the requested output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    /// With `--json`: one document, also on failure.
    Json,
}

impl Format {
    /// Determined from the arguments of the command, which is the innermost one.
    fn of(matches: &clap::ArgMatches) -> Self {
        if let Some((_, inner)) = matches.subcommand() {
            return Self::of(inner);
        }
        match matches.try_get_one::<bool>("json") {
            Ok(Some(true)) => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Returns the command line definition with its examples.
#[must_use]
pub fn command() -> clap::Command {
    MANUAL.complete(Cli::command())
}

impl Cli {
    /// Parses the arguments of this process.
    ///
    /// # Errors
    ///
    /// A usage error, or the requested help or version.
    pub(crate) fn from_process() -> Result<(Self, Format), clap::Error> {
        let matches = command().try_get_matches()?;
        let format = Format::of(&matches);
        Ok((Self::from_arg_matches(&matches)?, format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    /// Collects every command by its path.
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
        // Their output is meant for programs already.
        assert_eq!(without, ["completions", "man"]);
    }
}
