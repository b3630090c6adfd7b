//! Catalog queries. They need neither a recipe nor a network.

mod drivers;
mod gpus;
mod patches;
mod table;
mod why;

use clap::Subcommand;

/// Look up GPUs, drivers and kernels, and their compatibility
#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// List GPUs and the vGPU branches that support them
    Gpus(gpus::Args),
    /// List host drivers, guest drivers and supported kernels
    Drivers(drivers::Args),
    /// List unlock patches
    Patches(patches::Args),
    /// Explain whether a GPU, a driver and a machine fit together
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

/// Checks whether `text` contains `part`, ignoring case. `None` matches everything.
fn has(text: &str, part: Option<&str>) -> bool {
    part.is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
}
