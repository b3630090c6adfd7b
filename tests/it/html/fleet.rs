//! The comparison of hundreds of nodes.

use std::fs;

use serde_json::{Value, json};
use vgpu_manifest::Digest;
use vgpu_tests::scratch::{Scratch, expect};

/// Writes the report of a node with these facts, as the installer does.
fn write(scratch: &Scratch, node: usize, comparable: &Value) -> String {
    let name = format!("{node}.json");
    let document = json!({
        "schema": 1,
        "digest": Digest::of(comparable.to_string().as_bytes()),
        "comparable": comparable,
        "this-node": { "host-name": format!("pve{node}"), "written": "2026-12-01 10:00:00 UTC" },
    });
    scratch.write(&name, serde_json::to_string_pretty(&document).unwrap());
    name
}

/// Returns a laptop with the reports of 500 nodes, and their names.
fn reports() -> (Scratch, Vec<String>) {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let packages: Vec<Value> =
        (0..60).map(|n| json!({ "package": format!("p{n}"), "version": "1" })).collect();
    let node = |n: usize| {
        let mut facts = json!({ "state": "in-sync", "packages": packages, "kernel": "6.8.12-9" });
        // Twenty nodes differ, each in its own way; three have nothing applied.
        match n {
            0..20 => facts["packages"][n]["version"] = json!("2"),
            20..23 => facts["packages"] = Value::Null,
            _ => {}
        }
        write(&scratch, n, &facts)
    };
    let names = (0..500).map(node).collect();
    (scratch, names)
}

/// Compares the nodes, which differ.
fn compare((scratch, names): &(Scratch, Vec<String>), more: &[&str]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let words = [&["fleet", "compare"], more, &names].concat();
    expect(scratch.bundler(&words), 5).out
}

/// Returns a laptop with `fleet.html`, the page of 500 nodes.
pub(super) fn page() -> Scratch {
    let reports = reports();
    assert_eq!(compare(&reports, &["--html", "fleet.html"]), "");
    reports.0
}

#[test]
fn missing_objects_of_hundreds_of_nodes_are_one_line() {
    let text = compare(&reports(), &[]);
    // One fact whose object is missing and 20 others, each with two values.
    assert_eq!(text.lines().count(), 21 * 3, "{text}");
    assert!(text.contains("\n  497 nodes: (present)\n  pve20, pve21, pve22: none\n"), "{text}");
    assert!(text.contains("\n  496 nodes: 1\n  pve7: 2\n"), "{text}");
}

#[test]
fn the_page_of_hundreds_of_nodes_groups_equal_ones() {
    let scratch = page();
    let html = fs::read_to_string(scratch.path("laptop/fleet.html")).unwrap();
    assert!(html.len() < 200_000, "{} bytes", html.len());
    assert!(html.contains("<b>22</b><span>groups of equal nodes</span>"), "{html}");
    // Equal nodes are one column, and small groups share one.
    assert!(html.contains("<b>A</b> pve23 +476</th>"), "{html}");
    assert!(html.contains("14 more groups: other values"), "{html}");
    let differences = html.find("<h2>Differences</h2>").unwrap();
    assert!(differences < html.find("<h2>Shared facts").unwrap());
}
