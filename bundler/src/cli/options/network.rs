use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::project::{Project, ProjectArgs};
use crate::fetch::Patience;
use crate::net::{Client, Proxy, Timeouts};

/// Options of the commands that read the inputs of a recipe.
#[derive(Debug, clap::Args)]
pub(crate) struct InputArgs {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

impl InputArgs {
    pub(crate) fn resolve(&self) -> anyhow::Result<(Project, Network)> {
        Ok((self.project.resolve()?, self.network.resolve()))
    }
}

/// Network options.
#[derive(Debug, clap::Args)]
struct NetworkArgs {
    /// Use only cached inputs
    #[arg(long)]
    offline: bool,

    /// Number of parallel downloads
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,

    /// Attempts without progress before a download fails
    #[arg(long, value_name = "N", default_value = "6")]
    attempts: NonZeroU32,

    /// Seconds without data before an attempt fails
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u16).range(1..))]
    stall_timeout: u16,
}

/// The permitted network use.
#[derive(Debug)]
pub(crate) struct Network {
    /// `None` with `--offline`.
    pub(crate) client: Option<Client>,
    pub(crate) patience: Patience,
    pub(crate) width: NonZeroUsize,
}

impl NetworkArgs {
    fn resolve(&self) -> Network {
        let stall = Duration::from_secs(self.stall_timeout.into());
        let defaults = Timeouts::default();
        let timeouts = Timeouts { connect: defaults.connect.min(stall), stall };
        let client =
            (!self.offline).then(|| Client::new(timeouts, Proxy::Environment).with_logins());
        let patience = Patience { attempts: self.attempts.get(), ..Patience::default() };
        Network { client, patience, width: self.jobs }
    }
}
