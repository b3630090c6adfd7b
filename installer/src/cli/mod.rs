//! The command line: arguments become types, and results become exit statuses.

pub(crate) mod commands;
mod failure;
mod manual;
mod medium;
mod menu;
mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use vgpu_manifest::ui::Color;
pub(crate) use vgpu_manifest::ui::Exit;
use vgpu_manifest::ui::help::explain;

pub(crate) use self::failure::{Advise, Refused, conclude, only_waits};
pub use self::manual::MANUAL;
pub(crate) use self::medium::{Removable, removable};
pub(crate) use self::target::Target;

use crate::host::real::deny_network;
use crate::ui::{Format, Ui};

/// Apply signed vGPU bundles to a Proxmox host, offline
///
/// Nothing on the host changes before the bundle's signatures are verified, and every change can
/// be reverted. Without a command, shows a menu on a terminal.
#[derive(Debug, Parser)]
#[command(name = "vgpu-installer", version, help_expected = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Work on the system in this folder instead of the running one; commands are only recorded,
    /// in its `/var/lib/vgpu-offline/commands.log`
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: Utf8PathBuf,
    /// Run commands inside the `--root` folder instead of recording them
    #[arg(long, global = true)]
    chroot: bool,
    /// Also print the commands that are run, and their output; the log
    /// `/var/log/vgpu-offline/installer.log` always has them
    #[arg(long, global = true)]
    debug: bool,
    /// Use color: `auto`, `always` or `never`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(value_parser = color(), hide_possible_values = true)]
    color: Color,
    /// Print one JSON document on stdout, also on failure
    #[arg(long, global = true)]
    json: bool,
}

fn color() -> impl TypedValueParser<Value = Color> {
    PossibleValuesParser::new(Color::NAMES).try_map(|name| name.parse::<Color>())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Manage trusted signing keys
    #[command(subcommand)]
    Trust(commands::trust::Trust),
    /// Verify signatures and every byte of a bundle
    Verify(commands::verify::Verify),
    /// Show the contents of a trusted bundle
    Inspect(commands::inspect::Inspect),
    /// Check whether a bundle fits this node, and explain why
    Check(commands::check::Check),
    /// Show the changes that a bundle would make to this host
    Plan(commands::plan::Plan),
    /// Apply a bundle to this host
    Apply(Box<commands::apply::Apply>),
    /// Show what is installed and whether it has drifted
    Status(commands::status::Status),
    /// Revert the last bundle, or all of them
    Revert(commands::revert::Revert),
    /// Remove everything that was installed, or components of it
    Remove(commands::remove::Remove),
    /// Find damage to the installer's own state, and repair it
    Repair(commands::repair::Repair),
    /// Delete the installer's own state, including trust
    Forget(commands::forget::Forget),
    /// Show the guest image and how to attach it to a guest
    GuestDrivers(commands::guest_drivers::GuestDrivers),
    /// Write a report of what was verified and changed
    Report(commands::report::Report),
    /// Manage the local item store
    #[command(subcommand)]
    Store(commands::store::Store),
    /// Save a hardware inventory for vgpu-bundler
    Inventory(commands::inventory::Inventory),
    /// Manage guest licensing: a license server and guest files
    #[command(subcommand)]
    License(commands::license::License),
    /// Enable SR-IOV virtual functions (used by the systemd unit)
    #[command(hide = true)]
    Sriov(commands::sriov::Sriov),
    /// Keep booting a kernel that has the module (used by hooks)
    #[command(hide = true)]
    Guard(commands::guard::Guard),
}

/// Runs the program with the arguments of this process.
pub(crate) fn main() -> ExitCode {
    let exit = match Cli::parse_words(std::env::args_os()) {
        Ok(Cli { global, command: Some(command) }) => run(&global, command),
        Ok(Cli { global, command: None }) => without_command(&global),
        Err(error) => explain(&error),
    };
    exit.into()
}

fn run(global: &Global, command: Command) -> Exit {
    let ui = global.ui();
    let run = || {
        if command.needs_no_network() {
            deny_network().context("cannot deny the network to this program (seccomp)")?;
        }
        let target = Target::open(global)?;
        ui.also_to(target.host.log());
        command.run(target, &ui)
    };
    let exit = conclude(&ui, run());
    ui.ends(exit.code());
    exit
}

/// Shows the menu on a terminal, and the help elsewhere.
fn without_command(global: &Global) -> Exit {
    let ui = global.ui();
    if !ui.can_ask() {
        ui.say(command().render_help());
        return Exit::Usage;
    }
    menu::run(global, &ui)
}

/// Returns the command line definition, for completions and manual pages.
///
/// The installer has no command for these, to stay small.
#[must_use]
pub fn command() -> clap::Command {
    MANUAL.complete(Cli::command())
}

impl Cli {
    fn parse_words(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command().try_get_matches_from(words)?)
    }
}

impl Command {
    /// Checks whether neither this command nor any program that it runs needs a network. Those
    /// of the other commands that need none have it denied one by one.
    fn needs_no_network(&self) -> bool {
        match self {
            Self::Trust(_)
            | Self::Verify(_)
            | Self::Inspect(_)
            | Self::Store(_)
            | Self::Repair(_)
            | Self::Inventory(_)
            | Self::GuestDrivers(_)
            | Self::Sriov(_)
            | Self::Guard(_) => true,
            // They ask a license server on this node whether it works, or Proxmox VE for storages.
            Self::Check(_)
            | Self::Plan(_)
            | Self::Apply(_)
            | Self::Status(_)
            | Self::Revert(_)
            | Self::Remove(_)
            | Self::Forget(_)
            | Self::Report(_)
            | Self::License(_) => false,
        }
    }

    fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        match self {
            Self::Trust(command) => command.run(target, ui),
            Self::Verify(command) => command.run(&target, ui),
            Self::Inspect(command) => command.run(&target, ui),
            Self::Check(command) => command.run(&target, ui),
            Self::Plan(command) => command.run(&target, ui),
            Self::Apply(command) => command.run(target, ui),
            Self::Status(command) => command.run(target, ui),
            Self::Revert(command) => command.run(target, ui),
            Self::Remove(command) => command.run(target, ui),
            Self::Repair(command) => command.run(&target, ui),
            Self::Forget(command) => command.run(target, ui),
            Self::GuestDrivers(_) => commands::guest_drivers::GuestDrivers::run(target, ui),
            Self::Report(command) => command.run(target, ui),
            Self::Store(command) => command.run(target, ui),
            Self::Inventory(command) => command.run(&target, ui),
            Self::License(command) => command.run(target, ui),
            Self::Sriov(command) => command.run(target, ui),
            Self::Guard(command) => command.run(target, ui),
        }
    }
}

impl Global {
    /// Returns the equivalent command-line arguments.
    fn words(&self) -> Vec<String> {
        let Self { root, chroot, debug, color, json } = self;
        let mut words = Vec::new();
        if root != "/" {
            words.push(format!("--root={root}"));
        }
        words.extend(chroot.then(|| "--chroot".to_owned()));
        words.extend(debug.then(|| "--debug".to_owned()));
        words.extend(json.then(|| "--json".to_owned()));
        if *color != Color::Auto {
            words.push(format!("--color={}", color.name()));
        }
        words
    }

    #[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
    fn ui(&self) -> Ui {
        let format = if self.json { Format::Json } else { Format::Text };
        Ui::new(self.color, std::env::var_os("NO_COLOR").as_deref(), format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_everything_has_its_help() {
        Cli::command().debug_assert();
    }
}
