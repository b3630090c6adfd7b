//! What is known, and what follows from it. Nothing here needs a recipe or a network.

mod drivers;
mod gpus;
mod patches;
mod table;
mod why;

use clap::Subcommand;

/// Look up what is known of GPUs, drivers and kernels, and whether they go together.
#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// List GPUs, and which branches of NVIDIA vGPU serve them
    Gpus(gpus::Args),
    /// List host drivers with their guests, and on which kernels they build
    Drivers(drivers::Args),
    /// List the unlock patches
    Patches(patches::Args),
    /// Say whether a GPU, a driver and a machine go together, why, and what does instead
    Why(why::Args),
}

impl Catalog {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let catalog = vgpu_manifest::catalog::Catalog::embedded();
        match self {
            Self::Gpus(args) => args.run(&catalog),
            Self::Drivers(args) => args.run(&catalog),
            Self::Patches(args) => args.run(&catalog),
            Self::Why(args) => args.run(&catalog),
        }
    }
}

/// Whether `text` has `part` in it, whatever the case; everything has nothing in it.
fn has(text: &str, part: Option<&str>) -> bool {
    part.is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
}
