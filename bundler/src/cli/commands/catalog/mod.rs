//! Catalog queries. They need neither a recipe nor a network.

mod drivers;
mod gpus;
mod matrix;
mod patches;
mod table;
mod why;

#[cfg(feature = "schema")]
pub(crate) use self::gpus::Row as GpuRow;
#[cfg(feature = "schema")]
pub(crate) use self::why::Row as DriverVerdict;

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::Serialize;
use vgpu_manifest::catalog::{ArchitectureId, Gpu};

use super::Context;
use crate::catalog::Extended;

/// Look up GPUs, drivers and kernels, and their compatibility
#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// List GPUs and the vGPU branches that support them
    Gpus(gpus::Args),
    /// List host drivers, guest drivers and supported kernels
    Drivers(drivers::Args),
    /// List unlock patches
    Patches(patches::Args),
    /// List which GPUs work with which drivers on which kernels
    Matrix(matrix::Args),
    /// Explain whether a GPU, a driver and a machine fit together
    Why(why::Args),
}

impl Catalog {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        // The recipe of this folder, if there is one, uses the same files.
        let catalog = Extended::load("".into())?.catalog;
        match self {
            Self::Gpus(args) => args.run(&catalog),
            Self::Drivers(args) => args.run(&catalog),
            Self::Patches(args) => args.run(&catalog),
            Self::Matrix(args) => args.run(&catalog, context),
            Self::Why(args) => args.run(&catalog),
        }
    }
}

/// The GPUs of a query.
#[derive(Debug, clap::Args)]
struct GpuFilter {
    /// Filter by PCI id, name or chip
    text: Option<String>,

    /// Filter by architecture, such as `turing`
    #[arg(long, value_name = "NAME")]
    arch: Option<ArchitectureId>,
}

impl GpuFilter {
    fn takes(&self, gpu: &Gpu) -> bool {
        let text = format!("{} {} {}", gpu.pci_id(), gpu.name, gpu.chip);
        has(&text, self.text.as_deref()) && self.arch.as_ref().is_none_or(|arch| *arch == gpu.arch)
    }
}

/// A row, with the file that added it to the catalog of this program.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Sourced<'c, T> {
    #[serde(flatten)]
    row: T,
    /// The file that added the row; absent for rows of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'c str>,
}

/// Returns a line for each file that added rows to a table.
fn sources<T>(rows: &[Sourced<'_, T>], name: impl Fn(&T) -> String) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Sourced { row, from } in rows {
        if let Some(file) = from {
            files.entry(*file).or_default().push(name(row));
        }
    }
    files.iter().map(|(file, names)| format!("from {file}: {}", names.join(", "))).collect()
}

/// Checks whether `text` contains `part`, ignoring case. `None` matches everything.
fn has(text: &str, part: Option<&str>) -> bool {
    part.is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
}
