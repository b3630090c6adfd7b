mod cases;
mod matrix;
mod nearest;
mod newer;
mod properties;
mod text;

use std::sync::LazyLock;

use super::{Case, Summary, judge, summarize};
use crate::catalog::Catalog;

/// Read once for all tests.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

#[test]
fn the_summary_is_the_verdict_in_short() {
    for gpu in ["10de:1e07", "10de:1bb3", "10de:26b9", "10de:2684", "10de:1380"] {
        for driver in CATALOG.drivers() {
            let case = Case::new(gpu.parse().unwrap(), driver.release);
            assert_eq!(summarize(&CATALOG, &case), judge(&CATALOG, &case).summary(), "{case:?}");
        }
    }
    let served = |driver: &str| {
        let case = Case::new("10de:1eb8".parse().unwrap(), driver.parse().unwrap());
        summarize(&CATALOG, &case)
    };
    assert!(matches!(served("20.1"), Summary::Suitable(..)));
    assert!(matches!(served("21.0"), Summary::Unsuitable(_)));
}
