use super::Context;
use super::update::write_lock;
use crate::cli::options::{InputArgs, UnsuitableArgs};
use crate::relock::Pins;

/// Pin every input of the recipe by digest.
///
/// Reads local files and folders again each time. Keeps pinned downloads, without network access,
/// until their addresses change or `update` is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let (project, network) = self.inputs.resolve()?;
        let cache = context.cache()?;
        let lock = context.lock(&cache)?;
        let relocked = write_lock(context, &project, &network, &lock, Pins::Keep, self.unsuitable)?;
        if self.json {
            return relocked.print(&project);
        }
        context.ui.note("next: vgpu-bundler build");
        Ok(())
    }
}
