//! Guest licensing. It is opt-in.

mod appliance;
mod backup;
mod guests;
mod install;
mod remove;
mod status;
mod token;
mod r#use;

#[cfg(feature = "schema")]
pub(crate) use self::status::Found;

use clap::Subcommand;

use crate::cli::{Exit, Refused, Target};
use crate::host::{Command, Host, HostError, Look};
use crate::journal::run_transient;
use crate::license::service::UNIT;
use crate::license::{Service, in_force};
use crate::ui::Ui;

/// NVIDIA supports its own NVIDIA License System (DLS): point guests at it with `license use`.
/// FastAPI-DLS is a third-party server that a bundle can carry; its use is the operator's
/// responsibility.
#[derive(Debug, Subcommand)]
pub(crate) enum License {
    /// Use a license server elsewhere: NVIDIA's, or another node's
    Use(r#use::Use),
    /// Extract the NVIDIA License System appliance from a bundle
    Appliance(appliance::Appliance),
    /// Run the bundle's license server on this node
    Install(Box<install::Install>),
    /// Show the health of the license server
    Status(status::Status),
    /// Back up keys, certificates and leases to one file
    Backup(backup::Backup),
    /// Restore a backup
    Restore(backup::Restore),
    /// Get a token for a guest that cannot reach the server
    Token(token::Token),
    /// Write license scripts and instructions for guests
    Guests(guests::GuestFiles),
    /// Remove the license server; keeps its keys by default
    Remove(remove::Remove),
}

impl License {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        match self {
            Self::Use(command) => command.run(target, ui),
            Self::Appliance(command) => command.run(&target, ui),
            Self::Install(command) => command.run(target, ui),
            Self::Status(_) => status::Status::run(&target, ui),
            Self::Backup(command) => command.run(target, ui),
            Self::Restore(command) => command.run(target, ui),
            Self::Token(command) => command.run(&target, ui),
            Self::Guests(command) => command.run(&target, ui),
            Self::Remove(command) => command.run(target, ui),
        }
    }
}

fn service_of(look: &dyn Look) -> anyhow::Result<Service> {
    let none = || {
        Refused::Senseless(
            "no license server is installed on this node; run `vgpu-installer license install`"
                .to_owned(),
        )
    };
    Ok(in_force(look)?.ok_or_else(none)?)
}

/// Starts the service. Its state at boot stays the same.
fn start(host: &mut dyn Host, service: &Service) -> Result<(), HostError> {
    match &service.container {
        Some(container) => run_transient(host, &container.start()),
        None => run_transient(host, &Command::new("systemctl", &["start", UNIT])),
    }
}

/// Stops the service. Proxmox VE refuses to stop a container that does not run.
fn stop(host: &mut dyn Host, service: &Service) -> Result<(), HostError> {
    match &service.container {
        Some(container) if container.runs(host)? => run_transient(host, &container.stop()),
        Some(_) => Ok(()),
        None => run_transient(host, &Command::new("systemctl", &["stop", UNIT])),
    }
}
