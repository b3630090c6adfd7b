use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::fetch::Patience;
use crate::net::{Client, Proxy, Timeouts};

/// How to use the network.
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkArgs {
    /// Use only what is in the cache
    #[arg(long)]
    offline: bool,

    /// How many downloads run at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,

    /// How many attempts in a row may bring nothing before a download is given up
    #[arg(long, value_name = "N", default_value = "6")]
    attempts: NonZeroU32,

    /// How many seconds a server may be silent
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u16).range(1..))]
    stall_timeout: u16,
}

/// The network, as far as it may be used.
#[derive(Debug)]
pub(crate) struct Network {
    /// `None` to stay away from it.
    pub(crate) client: Option<Client>,
    pub(crate) patience: Patience,
    pub(crate) width: NonZeroUsize,
}

impl NetworkArgs {
    pub(crate) fn resolve(&self) -> Network {
        let stall = Duration::from_secs(self.stall_timeout.into());
        let defaults = Timeouts::default();
        let timeouts = Timeouts { connect: defaults.connect.min(stall), stall };
        let client =
            (!self.offline).then(|| Client::new(timeouts, Proxy::Environment).with_logins());
        let patience = Patience { attempts: self.attempts.get(), ..Patience::default() };
        Network { client, patience, width: self.jobs }
    }
}
