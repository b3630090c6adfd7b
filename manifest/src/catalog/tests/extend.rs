//! Files that extend the catalog.

use crate::catalog::{Catalog, Release};
use crate::database;
use crate::verdict::{Case, Mode, judge};

const OWN: &str = r#"# A release that the program does not know yet.
[[evidence]]
id = "own-portal"
kind = "read"
source = "the archive of the portal"
says = "the versions of 19.7"

[[drivers]]
release = "19.7"
host = "580.190.01"
file = "NVIDIA-Linux-x86_64-580.190.01-vgpu-kvm.run"
linux_guest = "580.190.02"
windows_guest = "583.10"
kernels = [{ range = "6.8-6.17", build = "builds", why = "as-before" }]
evidence = ["own-portal", "branch-continues"]

[[gpus]]
id = "26ff"
name = "L99"
chip = "AD102"
arch = "ada"
native = "19.7-19.7"
sriov = "yes"
evidence = ["own-portal"]
"#;

fn refused(text: &str) -> String {
    Catalog::embedded().extended("own.toml", text).unwrap_err().to_string()
}

#[test]
fn a_file_adds_rows_that_verdicts_and_bundles_use() {
    let catalog = Catalog::embedded().extended("own.toml", OWN).unwrap();
    let driver = catalog.driver(Release::new(19, 7)).unwrap();
    assert_eq!((driver.host.as_str(), driver.newer), ("580.190.01", false));
    assert_eq!(catalog.added_by("driver 19.7"), Some("own.toml"));
    assert_eq!(catalog.added_by("gpu 26ff"), Some("own.toml"));
    assert_eq!(catalog.added_by("driver 19.6"), None);
    let verdict = judge(&catalog, &Case::new("10de:26ff".parse().unwrap(), driver.release));
    let suitable = verdict.suitable().unwrap();
    assert_eq!((suitable.mode, &*suitable.gpu.name), (Mode::Native, "L99"));
    let bytes = database::write(&catalog, &[]).unwrap();
    assert_eq!(database::read(&bytes).unwrap().rows(), catalog.rows());
    // A second file keeps the origin of the first one's rows, and may repeat them.
    let again = catalog.extended("again.toml", OWN).unwrap();
    assert_eq!(again.rows(), catalog.rows());
    assert_eq!(again.added_by("driver 19.7"), Some("own.toml"));
}

#[test]
fn other_contents_of_a_known_row_are_refused_with_file_line_and_field() {
    let embedded = Catalog::embedded();
    let mut row = embedded.driver(Release::new(19, 6)).unwrap().clone();
    let file = |row| {
        let rows = std::collections::BTreeMap::from([("drivers", vec![row])]);
        toml::to_string(&rows).unwrap()
    };
    assert_eq!(embedded.extended("own.toml", &file(row.clone())).unwrap().rows(), embedded.rows());
    row.linux_guest = "580.178.09".parse().unwrap();
    let text = file(row.clone());
    let line = 1 + text.lines().position(|line| line.starts_with("linux_guest")).unwrap();
    assert_eq!(
        refused(&text),
        format!(
            "`own.toml` line {line}: driver 19.6 has `linux_guest` \"580.178.09\", but the catalog has \"580.178.04\""
        )
    );
    // Of several differences, the first line counts.
    row.windows_guest = "1.2".parse().unwrap();
    row.evidence.pop();
    assert!(refused(&file(row.clone())).contains(&format!("line {line}: ")));
    let recorded = embedded.driver(Release::new(19, 6)).unwrap();
    row = recorded.clone();
    row.patch = Some("580.178.05".parse().unwrap());
    let error = refused(&file(row));
    assert!(error.ends_with("has `patch` \"580.178.05\", but the catalog has no value"), "{error}");
}

#[test]
fn the_rules_of_the_catalog_apply() {
    let cases = [
        // The row of the driver begins in line 8, that of the GPU in line 17.
        (
            "evidence = [\"own-portal\", \"branch-continues\"]",
            "evidence = []",
            8,
            "driver 19.7 has no evidence",
        ),
        ("evidence = [\"own-portal\"]\n", "evidence = []\n", 17, "gpu 26ff has no evidence"),
        ("arch = \"ada\"", "arch = \"adda\"", 17, "gpu 26ff names the architecture `adda`"),
        ("why = \"as-before\"", "why = \"as-ever\"", 8, "names the reason `as-ever`"),
        ("release = \"19.7\"", "release = \"22.0\"", 8, "driver 22.0 names the branch `22`"),
        ("id = \"own-portal\"", "id = \"other\"", 17, "names the evidence `own-portal`"),
        ("windows_guest", "window_guest", 13, "unknown field `window_guest`"),
        ("\"26ff\"", "\"26FF\"", 18, "is not a device id"),
        ("[[gpus]]", "[[cards]]", 17, "unknown field `cards`"),
        ("[[gpus]]", "[[gpus", 17, ""),
    ];
    for (from, to, line, problem) in cases {
        assert!(OWN.contains(from), "{from}");
        let error = refused(&OWN.replacen(from, to, 1));
        assert!(error.starts_with(&format!("`own.toml` line {line}: ")), "{to}: {error}");
        assert!(error.contains(problem), "{to}: {error}");
    }
    let idle = "[[evidence]]\nid = \"idle\"\nkind = \"read\"\nsource = \"a\"\nsays = \"b\"\n";
    assert_eq!(refused(idle), "`own.toml` line 1: no row names evidence idle");
    let twice = format!("{OWN}\n{}", &OWN[OWN.find("[[gpus]]").unwrap()..]);
    assert!(refused(&twice).contains("gpu 26ff occurs twice"));
}
