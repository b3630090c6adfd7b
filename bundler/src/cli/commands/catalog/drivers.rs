use vgpu_manifest::catalog::{Build, BuildRow, Catalog, Driver, DriverFile};

use super::table::{lines, or_dash};
use super::{Sourced, has, sources};
use crate::ui::{print, print_json};

/// List host drivers with their guest drivers and supported kernels.
///
/// A question mark marks kernels that are untested or on which sources disagree.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Filter by release, version or file name
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
        let drivers = catalog.drivers().iter().filter(|it| self.takes(it));
        let from = |row: &Driver| catalog.added_by(&format!("driver {}", row.release));
        let drivers: Vec<_> = drivers.map(|row| Sourced { row, from: from(row) }).collect();
        if self.json {
            return Ok(print_json(&drivers)?);
        }
        let heading =
            ["RELEASE", "HOST", "LINUX GUEST", "WINDOWS GUEST", "PATCH", "MD5", "BUILDS ON"];
        let cells: Vec<_> = drivers.iter().map(|it| cells(it.row)).collect();
        let from = sources(&drivers, |row| row.release.to_string());
        Ok(print(lines(heading, &cells).into_iter().chain(from))?)
    }

    fn takes(&self, driver: &Driver) -> bool {
        let text = format!("{} {} {}", driver.release, driver.host, driver.file);
        has(&text, self.text.as_deref())
            && self.branch.is_none_or(|branch| branch == driver.release.branch())
    }
}

fn cells(driver: &Driver) -> [String; 7] {
    let patch = if driver.patch.is_some() { "yes" } else { "none" };
    let kernels: Vec<_> = driver.kernels.iter().filter_map(kernels).collect();
    [
        driver.release.to_string(),
        driver.host.to_string(),
        driver.linux_guest.to_string(),
        driver.windows_guest.to_string(),
        patch.to_owned(),
        or_dash(driver.md5.map(|md5| md5.to_string()).unwrap_or_default()),
        or_dash(kernels.join(", ")),
    ]
}

/// Formats kernel ranges as `6.8-6.14`, `6.14 patched` or `6.17?`.
fn kernels(row: &BuildRow) -> Option<String> {
    let doubt = match row.build {
        Build::Builds => "",
        Build::Unproven => "?",
        Build::Fails => return None,
    };
    let form = match row.with {
        None => "",
        Some(DriverFile::Original) => " unpatched",
        Some(DriverFile::Patched) => " patched",
    };
    Some(format!("{}{form}{doubt}", row.range))
}
