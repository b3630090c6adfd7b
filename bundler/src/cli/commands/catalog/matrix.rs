use camino::Utf8PathBuf;
use vgpu_manifest::catalog::{Catalog, State};
use vgpu_manifest::ui::count;
use vgpu_manifest::verdict::{GpuName, Summary};

use super::GpuFilter;
use super::table::lines;
use crate::cli::commands::Context;
use crate::html;
use crate::matrix::{Cell, Group, Matrix};
use crate::ui::{print, print_json};

/// List which GPUs work with which drivers on which kernels, with reasons.
///
/// A question mark marks verdicts that are unverified: no test is recorded, or sources disagree.
/// GPUs with the same verdicts share a table, and numbers refer to the reasons below it. `--html`
/// writes a page instead of printing text.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    gpus: GpuFilter,

    /// Filter by branch of the drivers, such as `16`
    #[arg(long, value_name = "NUMBER")]
    branch: Option<u8>,

    /// Write the matrix to this new file, as a page for a browser or a printer
    #[arg(long, value_name = "FILE")]
    html: Option<Utf8PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(&self, catalog: &Catalog, context: &Context) -> anyhow::Result<()> {
        let gpus = catalog.gpus().iter().filter(|gpu| self.gpus.takes(gpu));
        let matrix = Matrix::of(catalog, gpus, |driver| {
            self.branch.is_none_or(|branch| branch == driver.release.branch())
        });
        if let Some(path) = &self.html {
            html::matrix(&matrix).write(path)?;
            context.ui.note(format_args!("wrote {path:?}"));
        }
        if self.json {
            print_json(&matrix)?;
        } else if self.html.is_none() {
            print(text(&matrix))?;
        }
        Ok(())
    }
}

fn text(matrix: &Matrix) -> Vec<String> {
    let columns: Vec<String> =
        matrix.kernels.iter().map(|it| format!("{}/{}", it.pve, it.series)).collect();
    let mut text = vec!["columns: release of Proxmox VE / series of its kernel".to_owned()];
    for group in &matrix.groups {
        text.push(String::new());
        text.extend(group_text(group, &columns));
    }
    let number = matrix.unsupported.len();
    if number > 0 {
        text.push(String::new());
        let gpus = count(number, "GPU");
        text.push(format!("{gpus} without vGPU on any of these drivers; `catalog why` explains"));
    }
    text
}

fn group_text(group: &Group, columns: &[String]) -> Vec<String> {
    let mut text: Vec<String> = group.gpus.iter().map(GpuName::to_string).collect();
    let heading: Vec<&str> =
        std::iter::once("DRIVER").chain(columns.iter().map(String::as_str)).collect();
    let rows: Vec<Vec<String>> = group
        .drivers
        .iter()
        .map(|row| {
            let cells = row.cells.iter().map(cell);
            std::iter::once(row.release.to_string()).chain(cells).collect()
        })
        .collect();
    text.extend(lines(heading, &rows));
    let reasons = group.reasons.iter().enumerate();
    text.extend(reasons.map(|(at, says)| format!("{:>4}  {says}", at + 1)));
    text
}

/// Formats a verdict with the numbers of its reasons: `native? 1,2`.
fn cell(cell: &Cell) -> String {
    let verdict = match cell.verdict {
        Summary::Suitable(mode, State::Settled) => mode.to_string(),
        Summary::Suitable(mode, State::Unproven) => format!("{mode}?"),
        Summary::Unsuitable(_) => "no".to_owned(),
    };
    let numbers: Vec<String> = cell.because.iter().map(|at| (at + 1).to_string()).collect();
    format!("{verdict} {}", numbers.join(",")).trim_end().to_owned()
}
