use super::Context;
use super::update::{Pins, relock};
use crate::options::{NetworkArgs, ProjectArgs, UnsuitableArgs};

/// Pin by digest what the recipe asks for.
///
/// Files and folders are read again each time. Downloads that are pinned stay pinned, without a
/// look at the network, until their addresses change or `update` is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let project = self.project.resolve()?;
        let network = self.network.resolve();
        let cache = context.cache()?;
        let lock = context.lock(&cache)?;
        let relocked = relock(context, &project, &network, &lock, Pins::Keep, self.unsuitable)?;
        if self.json { relocked.print(&project) } else { Ok(()) }
    }
}
