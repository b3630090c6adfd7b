//! Licences for guests. Nothing of it happens unless it is asked for here.

mod appliance;
mod backup;
mod guests;
mod install;
mod remove;
mod restore;
mod status;
mod token;
mod r#use;

use clap::Subcommand;

use crate::cli::{Exit, Refused, Target};
use crate::host::{Command, Host, HostError, Look};
use crate::license::service::UNIT;
use crate::license::{Service, in_force};
use crate::ui::Ui;

/// NVIDIA's own License System (DLS) is the one that NVIDIA supports: point guests at it with `license
/// use`. FastAPI-DLS, which a bundle may carry, is for those who can answer for its use.
#[derive(Debug, Subcommand)]
pub(crate) enum License {
    /// Have guests of this node use a licence server elsewhere: NVIDIA's own, or another node's.
    Use(r#use::Use),
    /// Get NVIDIA's own licence server, an appliance that a bundle carries, to set it up.
    Appliance(appliance::Appliance),
    /// Run the licence server that a bundle carries on this node.
    Install(Box<install::Install>),
    /// Ask the licence server how it is.
    Status(status::Status),
    /// Write down everything that must not be lost, in one file.
    Backup(backup::Backup),
    /// Put a backup back.
    Restore(restore::Restore),
    /// Get a token for a guest that cannot reach the server itself.
    Token(token::Token),
    /// Write scripts, root certificate and a page for guests.
    Guests(guests::GuestFiles),
    /// Take the licence server away. What must not be lost stays, unless it is to be discarded.
    Remove(remove::Remove),
}

impl License {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        match self {
            Self::Use(command) => command.run(target, ui),
            Self::Appliance(command) => command.run(&target, ui),
            Self::Install(command) => command.run(target, ui),
            Self::Status(command) => command.run(&target, ui),
            Self::Backup(command) => command.run(target, ui),
            Self::Restore(command) => command.run(target, ui),
            Self::Token(command) => command.run(&target, ui),
            Self::Guests(command) => command.run(&target, ui),
            Self::Remove(command) => command.run(target, ui),
        }
    }
}

/// The licence server that runs here.
fn service_of(look: &dyn Look) -> anyhow::Result<Service> {
    let none = || {
        Refused::Senseless(
            "no licence server was set up on this node: `vgpu-installer license install`"
                .to_owned(),
        )
    };
    Ok(in_force(look)?.ok_or_else(none)?)
}

/// Start the service for a moment; what happens with it at boot stays as it is.
fn start(host: &mut dyn Host, service: &Service) -> Result<(), HostError> {
    match &service.container {
        Some(container) => host.run(&container.start()),
        None => host.run(&Command::new("systemctl", &["start", UNIT])),
    }
}

/// Stop it for a moment. Proxmox VE refuses to stop a container that does not run.
fn stop(host: &mut dyn Host, service: &Service) -> Result<(), HostError> {
    match &service.container {
        Some(container) if container.runs(host)? => host.run(&container.stop()),
        Some(_) => Ok(()),
        None => host.run(&Command::new("systemctl", &["stop", UNIT])),
    }
}
