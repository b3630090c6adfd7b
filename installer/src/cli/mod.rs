//! The command line: what is typed becomes types here, and what comes of it an exit status.

mod exit;
mod failure;
mod medium;
mod target;

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};
use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::PciId;
use vgpu_manifest::shell_word;

pub use self::exit::Exit;
pub use self::failure::{Advise, Refused, only_waits, tell};
pub use self::medium::{Removable, removable};
pub use self::target::Target;

use crate::commands;
use crate::facts::gpus;
use crate::menu;
use crate::ui::{Colour, Ui, printable};

/// Use signed vGPU bundles on a Proxmox host, offline.
///
/// Nothing on the host changes before the bundle's signatures hold, and everything that changes
/// can be taken back. Without a command it shows a menu on a terminal.
#[derive(Debug, Parser)]
#[command(name = "vgpu-installer", version, help_expected = true)]
#[command(after_help = "\
Exit status: 0 done, 1 failed, 2 wrong usage, 3 not trusted or corrupt, 4 host unsuitable, \
5 drifted, 10 done and a reboot is needed.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What holds for every command.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// Work on the system in this folder instead of the running one.
    ///
    /// Commands that an installation needs are then only listed, in the folder's
    /// `/var/lib/vgpu-offline/commands.log`.
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: Utf8PathBuf,
    /// Run those commands with that folder as their root directory.
    #[arg(long, global = true)]
    chroot: bool,
    /// Show on the terminal, too, what is run and what it says. Whatever changes the host is always
    /// written down in `/var/log/vgpu-offline/installer.log`.
    #[arg(long, global = true)]
    debug: bool,
    /// Use no colours. `NO_COLOR` in the environment does the same.
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whom this host trusts.
    #[command(subcommand)]
    Trust(commands::trust::Trust),
    /// Check a bundle, every byte of it.
    Verify(commands::verify::Verify),
    /// Show what a trusted bundle holds.
    Inspect(commands::inspect::Inspect),
    /// Say whether a bundle fits this node, and why.
    Check(commands::check::Check),
    /// Show what a bundle would change on this host.
    Plan(commands::plan::Plan),
    /// Make this host what a bundle asks for.
    Apply(Box<commands::apply::Apply>),
    /// Ask whether the host is still what it was made.
    Status(commands::status::Status),
    /// Take back what was applied.
    Revert(commands::revert::Revert),
    /// Remove what was installed: all of it, or some components.
    Remove(commands::remove::Remove),
    /// Remove all that the installer keeps for itself.
    Forget(commands::forget::Forget),
    /// Say where the drivers for guests are, and how a guest gets them.
    GuestDrivers(commands::guest_drivers::GuestDrivers),
    /// Write down what was verified and changed, for comparing nodes.
    Report(commands::report::Report),
    /// Look after the verified items that this host keeps.
    #[command(subcommand)]
    Store(commands::store::Store),
    /// Write down what this machine is, for the bundler.
    Inventory(commands::inventory::Inventory),
    /// Licences for guests: a licence server here or elsewhere, and what guests need.
    #[command(subcommand)]
    License(commands::license::License),
    /// Switch on the virtual functions of NVIDIA's GPUs.
    Sriov(commands::sriov::Sriov),
    /// Keep this host booting a kernel that has the driver's module.
    Guard(commands::guard::Guard),
}

/// Run the program with the arguments of this process.
pub(crate) fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(Cli { global, command: Some(command) }) => run(&global, command),
        Ok(Cli { global, command: None }) => without_command(&global),
        Err(error) => explain(&error),
    };
    exit.into()
}

fn run(global: &Global, command: Command) -> Exit {
    let ui = Ui::new(global.colour());
    let run = || {
        let target = Target::open(global)?;
        ui.also_to(target.host.diary());
        command.run(target, &ui)
    };
    let exit = run().unwrap_or_else(|error| tell(&ui, &error));
    ui.ends(exit.code());
    exit
}

/// Show the menu, or the help if nobody would see it.
fn without_command(global: &Global) -> Exit {
    let ui = Ui::new(global.colour());
    let mut tree = command();
    if !ui.can_ask() {
        ui.say(tree.render_help());
        return Exit::Usage;
    }
    let Some(words) = menu::choose(&tree, &of_nvidia(global), &ui) else { return Exit::Done };
    let words = [vec![tree.get_name().to_owned()], global.words(), words].concat();
    let shown: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    ui.say("");
    ui.say(printable(&shown.join(" ")));
    match Cli::try_parse_from(&words) {
        Ok(Cli { global, command: Some(command) }) => run(&global, command),
        Ok(Cli { command: None, .. }) => Exit::Usage,
        Err(error) => explain(&error),
    }
}

/// The GPUs of NVIDIA's that the menu can ask about; none where the host cannot be looked at, which the
/// command that is chosen then says.
fn of_nvidia(global: &Global) -> Vec<Gpu> {
    let target = Target::open(global);
    let mut gpus = target.map(|target| gpus(&target.host)).unwrap_or_default();
    gpus.retain(|gpu| gpu.id.vendor() == PciId::NVIDIA);
    gpus
}

/// Say what is wrong with a command line, or what help or version were asked for.
fn explain(error: &clap::Error) -> Exit {
    // Help and version are no errors, and go to stdout.
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    let _ = error.print();
    exit
}

/// The command line, for whoever writes completions and a manual from it.
///
/// The program itself has no command for that: it is to stay small.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

impl Command {
    fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        match self {
            Self::Trust(command) => command.run(target, ui),
            Self::Verify(command) => command.run(&target, ui),
            Self::Inspect(command) => command.run(&target, ui),
            Self::Check(command) => command.run(target, ui),
            Self::Plan(command) => command.run(&target, ui),
            Self::Apply(command) => command.run(target, ui),
            Self::Status(command) => command.run(target, ui),
            Self::Revert(command) => command.run(target, ui),
            Self::Remove(command) => command.run(target, ui),
            Self::Forget(command) => command.run(target, ui),
            Self::GuestDrivers(command) => command.run(target, ui),
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
    /// As somebody would type it.
    fn words(&self) -> Vec<String> {
        let Self { root, chroot, debug, no_color } = self;
        let mut words = Vec::new();
        if root != "/" {
            words.push(format!("--root={root}"));
        }
        words.extend(chroot.then(|| "--chroot".to_owned()));
        words.extend(debug.then(|| "--debug".to_owned()));
        words.extend(no_color.then(|| "--no-color".to_owned()));
        words
    }

    #[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
    fn colour(&self) -> Colour {
        let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if self.no_color || asked_not_to { Colour::Never } else { Colour::Auto }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_everything_has_its_help() {
        Cli::command().debug_assert();
    }
}
