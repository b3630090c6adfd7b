use vgpu_manifest::catalog::{Catalog, Patch, State};

use super::table::{lines, or_dash};
use super::{Sourced, has, sources};
use crate::ui::{print, print_json};

/// List unlock patches. Each fits exactly one host driver.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Filter by driver version or release
    text: Option<String>,

    /// Filter by branch, such as `16`
    #[arg(long, value_name = "NUMBER")]
    branch: Option<u8>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(&self, catalog: &Catalog) -> anyhow::Result<()> {
        let rows = &catalog.rows().patches;
        let patches = rows.iter().filter(|it| self.takes(catalog, it));
        let from = |row: &Patch| catalog.added_by(&format!("patch {}", row.host));
        let patches: Vec<_> = patches.map(|row| Sourced { row, from: from(row) }).collect();
        if self.json {
            return Ok(print_json(&patches)?);
        }
        let heading = ["PATCH", "RELEASES", "BYTES", "SEEN", "SHA-256"];
        let cells: Vec<_> = patches.iter().map(|it| cells(catalog, it.row)).collect();
        let from = sources(&patches, |row| format!("{}.patch", row.host));
        Ok(print(lines(heading, &cells).into_iter().chain(from))?)
    }

    fn takes(&self, catalog: &Catalog, patch: &Patch) -> bool {
        let releases = releases(catalog, patch);
        let branch = self.branch.map(|branch| format!("{branch}."));
        let of_branch = |prefix| releases.iter().any(|release| release.starts_with(prefix));
        has(&format!("{}.patch {}", patch.host, releases.join(" ")), self.text.as_deref())
            && branch.as_deref().is_none_or(of_branch)
    }
}

fn releases(catalog: &Catalog, patch: &Patch) -> Vec<String> {
    catalog.drivers_by_host(&patch.host).map(|driver| driver.release.to_string()).collect()
}

fn cells(catalog: &Catalog, patch: &Patch) -> [String; 5] {
    let seen = if patch.state == State::Settled { "yes" } else { "name only" };
    [
        format!("{}.patch", patch.host),
        or_dash(releases(catalog, patch).join(" ")),
        or_dash(patch.bytes.map(|bytes| bytes.to_string()).unwrap_or_default()),
        seen.to_owned(),
        or_dash(patch.sha256.map(|digest| digest.to_string()).unwrap_or_default()),
    ]
}
