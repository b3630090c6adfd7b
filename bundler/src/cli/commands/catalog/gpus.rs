use serde::Serialize;
use vgpu_manifest::catalog::{Catalog, Gpu};
use vgpu_manifest::verdict::{Sharing, Support};

use super::table::{lines, or_dash};
use super::{GpuFilter, Sourced, sources};
use crate::ui::{print, print_json};

/// List GPUs and the vGPU branches that support them.
///
/// The column uses the terms of the Bash script's `gpu_info.db`: `Native`, `Yes` for GPUs that
/// need the unlock library, `Unknown` where sources disagree, and `No`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    gpus: GpuFilter,

    /// Filter by supporting branch, such as `16`
    #[arg(long, value_name = "NUMBER")]
    branch: Option<u8>,

    /// List only GPUs that support vGPU natively
    #[arg(long)]
    native: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A GPU and the branches that support it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Row<'c> {
    #[serde(flatten)]
    gpu: &'c Gpu,
    #[serde(flatten)]
    support: Support,
}

impl Args {
    pub(super) fn run(&self, catalog: &Catalog) -> anyhow::Result<()> {
        let named = catalog.gpus().iter().filter(|gpu| self.gpus.takes(gpu));
        let rows = named.map(|gpu| Row { gpu, support: Support::of(catalog, gpu) });
        let rows = rows.filter(|row| self.takes(&row.support));
        let from = |row: &Row<'_>| catalog.added_by(&format!("gpu {}", row.gpu.id));
        let rows: Vec<_> = rows.map(|row| Sourced { from: from(&row), row }).collect();
        if self.json {
            return Ok(print_json(&rows)?);
        }
        let heading = ["ID", "NAME", "CHIP", "ARCHITECTURE", "VGPU", "BRANCHES", "SHOWN AS"];
        let cells: Vec<_> = rows.iter().map(|it| cells(&it.row)).collect();
        let from = sources(&rows, |row| row.gpu.id.to_string());
        Ok(print(lines(heading, &cells).into_iter().chain(from))?)
    }

    fn takes(&self, support: &Support) -> bool {
        let is_native = support.sharing == Sharing::Native;
        self.branch.is_none_or(|branch| support.branches.contains(&branch))
            && (is_native || !self.native)
    }
}

fn cells(Row { gpu, support }: &Row<'_>) -> [String; 7] {
    let branches: Vec<_> = support.branches.iter().map(u8::to_string).collect();
    let unlocked = support.sharing != Sharing::Native && support.sharing != Sharing::No;
    let shown_as = gpu.unlock.as_ref().filter(|_| unlocked).map(ToString::to_string);
    [
        gpu.id.to_string(),
        gpu.name.clone(),
        gpu.chip.clone(),
        gpu.arch.to_string(),
        support.sharing.to_string(),
        or_dash(branches.join(" ")),
        or_dash(shown_as.unwrap_or_default()),
    ]
}
