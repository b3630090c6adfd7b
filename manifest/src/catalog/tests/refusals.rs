//! The faults that the validator refuses, one bad fixture for each.

use crate::catalog::{Catalog, CatalogError, Rows, validate};

/// The smallest catalog that has a row of each kind.
const GOOD: &str = include_str!("good.toml");

fn rows(text: &str) -> Rows {
    let mut rows = Rows::default();
    rows.add_toml("good.toml", text).unwrap();
    // Every rule must have its evidence, which is the same for all in this fixture.
    rows.rules = crate::catalog::Rule::ALL
        .iter()
        .map(|id| crate::catalog::RuleRow { id: *id, evidence: vec!["one".parse().unwrap()] })
        .collect();
    rows
}

/// Returns the problems of the fixture after `from` in it is replaced by `to`.
fn spoiled(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from:?} is not in the fixture");
    validate(&rows(&GOOD.replacen(from, to, 1)))
}

/// Returns why the fixture cannot be parsed after `from` in it is replaced by `to`.
fn unreadable(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the fixture");
    let mut rows = Rows::default();
    match rows.add_toml("bad.toml", &GOOD.replacen(from, to, 1)) {
        Err(CatalogError::Syntax { file, source }) => format!("{file}: {}", source.message()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_fixture_is_good() {
    assert_eq!(validate(&rows(GOOD)), [""; 0]);
    assert!(Catalog::new(rows(GOOD)).is_ok());
}

#[test]
fn refuses_a_row_without_evidence() {
    let kinds = [
        ("chips = [\"TU\"]", "architecture turing"),
        ("name = \"Tesla T4\"", "gpu 1eb8"),
        ("apicv = \"used\"", "branch 16"),
        ("state = \"works\"", "unlocking turing on 16"),
        ("windows_guest = \"536.25\"", "driver 16.0"),
        ("bytes = 12198", "patch 535.54.06"),
        ("shown = [\"1e02-1ff9\"]", "identity rtx-6000"),
        ("commit = \"71ec870\"", "library mbilker"),
        ("sizes = [4960]", "layout 16.0-16.0"),
        ("role = \"default\"", "kernel 6.8 on PVE 8"),
        ("published = \"2026-09-30\"", "bulletin 5861"),
        ("says = \"it builds\"", "reason matrix"),
    ];
    for (line, row) in kinds {
        let (before, after) = GOOD.split_once(line).unwrap();
        let after = after.replacen("evidence = [\"one\"]", "evidence = []", 1);
        let problems = validate(&rows(&format!("{before}{line}{after}")));
        assert_eq!(problems, [format!("{row} has no evidence")]);
    }
}

#[test]
fn refuses_an_unproven_row_with_one_piece_of_evidence() {
    assert_eq!(
        spoiled("windows_guest = \"536.25\"", "windows_guest = \"536.25\"\nstate = \"unproven\""),
        ["driver 16.0 is unproven, but names fewer than two pieces of evidence"]
    );
}

#[test]
fn refuses_a_reference_to_nothing() {
    let cases = [
        (
            "arch = \"turing\"\nnative",
            "arch = \"turin\"\nnative",
            "gpu 1eb8 names the architecture `turin`",
        ),
        ("unlock = \"rtx-6000\"", "unlock = \"rtx-600\"", "gpu 1e07 names the identity `rtx-600`"),
        (
            "native = [\"turing\"]",
            "native = [\"turin\"]",
            "branch 16 names the architecture `turin`",
        ),
        (
            "patch = \"535.54.06\"",
            "patch = \"535.54.07\"",
            "driver 16.0 names the patch `535.54.07`",
        ),
        ("why = \"matrix\"", "why = \"matrices\"", "driver 16.0 names the reason `matrices`"),
        ("release = \"16.0\"", "release = \"15.0\"", "driver 15.0 names the branch `15`"),
        ("fixed = [\"16.0\"]", "fixed = [\"16.2\"]", "bulletin 5861 names the driver `16.2`"),
        ("fixed = [\"16.0\"]", "fixed = []\nunfixed = [17]", "bulletin 5861 names the branch `17`"),
        (
            "evidence = [\"one\"]",
            "evidence = [\"none\"]",
            "architecture turing names the evidence `none`",
        ),
    ];
    for (from, to, problem) in cases {
        let problem = format!("{problem}, which does not exist");
        let found = spoiled(from, to);
        assert!(found.contains(&problem), "{found:?}");
    }
}

#[test]
fn refuses_a_rule_without_a_row() {
    let mut rows = rows(GOOD);
    rows.rules.pop();
    assert_eq!(
        validate(&rows)[0],
        "the verdict names the rule `passthrough`, which does not exist"
    );
}

#[test]
fn refuses_evidence_and_reasons_that_no_row_names() {
    let more = "\n[[evidence]]\nid = \"two\"\nkind = \"read\"\nsource = \"a\"\nsays = \"b\"\n";
    let reason = "\n[[reasons]]\nid = \"idle\"\nsays = \"c\"\nevidence = [\"one\"]\n";
    let problems = validate(&rows(&format!("{GOOD}{more}{reason}")));
    assert_eq!(problems, ["no row names evidence two", "no row names reason idle"]);
}

#[test]
fn refuses_overlapping_ranges() {
    let second = ", { range = \"6.11-\", build = \"fails\", why = \"matrix\" }]";
    assert_eq!(
        spoiled(" }]", &format!(" }}{second}")),
        ["kernels of driver 16.0 overlaps: 5.15-6.14 and 6.11-"]
    );
    assert_eq!(
        spoiled("ids = [\"1e00-1fff\"]", "ids = [\"1e00-1fff\", \"1f00-20ff\"]"),
        ["ids of architectures overlaps: 1e00-1fff and 1f00-20ff"]
    );
    assert_eq!(
        spoiled("shown = [\"1e02-1ff9\"]", "shown = [\"1e02-1ff9\", \"1ff9-1ff9\"]"),
        ["ids of identities overlaps: 1e02-1ff9 and 1ff9-1ff9"]
    );
    let found = spoiled(
        "native = \"16.0-16.0\"",
        "native = \"16.0-16.0\"\nnative_unproven = \"16.0-16.1\"",
    );
    assert!(found.contains(&"releases of gpu 1eb8 overlaps: 16.0-16.0 and 16.0-16.1".to_owned()));
}

#[test]
fn rows_for_either_form_of_a_file_may_share_a_kernel() {
    let one = "range = \"5.15-6.14\", build";
    let both = "range = \"5.15-6.14\", with = \"original\", build = \"fails\", why = \"matrix\" }, { range = \"5.15-6.14\", with = \"patched\", build";
    assert_eq!(spoiled(one, both), Vec::<String>::new());
}

#[test]
fn refuses_rows_that_occur_twice() {
    let again = "[[kernels]]\npve = \"8\"\nseries = \"6.8\"\nnewest = \"6.8.12-43-pve\"\nrole = \"stale\"\nevidence = [\"one\"]\n";
    let problems = validate(&rows(&format!("{GOOD}\n{again}")));
    assert_eq!(problems, ["kernel 6.8 on PVE 8 occurs twice"]);
    assert_eq!(
        spoiled("fixed = [\"16.0\"]", "fixed = [\"16.0\"]\nunfixed = [16]"),
        ["bulletin 5861: branch 16 occurs twice"]
    );
    assert!(
        spoiled("release = \"16.0\"", "release = \"16.x\"")
            .contains(&"driver 16.x has no number".to_owned())
    );
}

#[test]
fn refuses_rows_that_contradict_each_other() {
    let cases = [
        ("chip = \"TU104\"", "chip = \"GA104\"", "architecture of gpu 1eb8 contradicts GA104"),
        ("native = [\"turing\"]", "native = []", "gpu 1eb8 contradicts branch 16"),
        ("id = \"1e07\"", "id = \"1e01\"", "gpu 1e01 contradicts identity rtx-6000"),
        (
            "unlock = \"rtx-6000\"",
            "unlock_state = \"no\"",
            "gpu 1e07 contradicts its missing identity",
        ),
        (
            "x86_64-535.54.06-vgpu",
            "x86_64-535.54.07-vgpu",
            "file of driver 16.0 contradicts 535.54.06",
        ),
    ];
    for (from, to, problem) in cases {
        assert_eq!(spoiled(from, to), [problem]);
    }
}

#[test]
fn refuses_an_invalid_row_when_it_is_parsed() {
    let md5 = "b892f75f8522264bc176f5a555acb176";
    for bad in [format!("{md5}6"), md5[1..].to_owned(), md5.to_uppercase()] {
        let error = unreadable(md5, &bad);
        assert!(error.contains("is not an MD5: expected 32 lower-case hex digits"), "{error}");
    }
    let wrong = [
        ("5.15-6.14", "6.14-5.15", "is not a range of kernels"),
        ("16.0-16.0", "16.0", "is not a range of releases"),
        ("1e02-1ff9", "1ff9-1e02", "is not a range of device ids"),
        ("\"2026-07\"", "\"2026-13\"", "is not a month"),
        ("release = \"16.0\"", "release = \"16\"", "is not a release of NVIDIA vGPU"),
        ("id = \"1e07\"", "id = \"1E07\"", "is not a device id"),
        ("build = \"builds\"", "build = \"maybe\"", "is not a state of a build"),
        ("kind = \"read\"", "kind = \"heard\"", "is not a kind of evidence"),
        ("role = \"default\"", "roll = \"default\"", "unknown field `roll`"),
        ("says = \"it builds\"\n", "", "missing field `says`"),
    ];
    for (from, to, problem) in wrong {
        let error = unreadable(from, to);
        assert!(error.starts_with("bad.toml: ") && error.contains(problem), "{error}");
    }
}
