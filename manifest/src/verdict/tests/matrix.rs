//! The field matrix of `matrix.toml`.

use serde::Deserialize;

use super::CATALOG;
use crate::catalog::{DriverFile, EvidenceId, Release, Rule};
use crate::platform::KernelSeries;
use crate::verdict::{Case, Goal, Verdict, judge};

#[derive(Deserialize)]
struct Matrix {
    kernels: Vec<KernelSeries>,
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    driver: Release,
    file: DriverFile,
    builds: String,
    cites: EvidenceId,
}

#[test]
fn builds_where_the_field_matrix_says_so() {
    let matrix: Matrix = toml::from_str(include_str!("matrix.toml")).unwrap();
    for row in &matrix.row {
        assert_eq!(row.builds.len(), matrix.kernels.len());
        let gpu = if row.file == DriverFile::Original { "10de:1eb8" } else { "10de:1e07" };
        let mut cited = false;
        for (series, expected) in matrix.kernels.iter().zip(row.builds.chars()) {
            let mut case = Case::new(gpu.parse().unwrap(), row.driver);
            case.goal = Goal::Vgpu { driver: row.driver, file: Some(row.file) };
            case.target.kernel = Some(format!("{series}.1-1-pve").parse().unwrap());
            let verdict = judge(&CATALOG, &case);
            let found = match &verdict {
                Verdict::Unsuitable(it) if it.rule() == Rule::Build => '-',
                Verdict::Unsuitable(it) => panic!("{case:?}: {}", it.reason.says),
                Verdict::Suitable(it) => {
                    let open =
                        |doubt: &super::super::Doubt<'_>| doubt.statement.rule == Rule::Build;
                    if it.doubts.iter().any(open) { '?' } else { '+' }
                }
            };
            assert_eq!(found, expected, "vGPU {} {} on {series}", row.driver, row.file);
            let source = &CATALOG.evidence(&row.cites).unwrap().source;
            cited |= format!("{verdict:#}").contains(source.as_str());
        }
        assert!(cited, "vGPU {} never cites {}", row.driver, row.cites);
    }
}

#[test]
fn the_matrix_speaks_of_every_host_file() {
    let matrix: Matrix = toml::from_str(include_str!("matrix.toml")).unwrap();
    for driver in CATALOG.drivers() {
        let named = |row: &Row| CATALOG.driver(row.driver).unwrap().host == driver.host;
        assert!(matrix.row.iter().any(named), "{} is missing", driver.release);
    }
}
