use std::fs;
use std::time::Instant;

use crate::installer::fixture::{Site, Spec, key};

#[test]
fn equal_nodes_have_equal_reports_but_for_what_is_their_own() {
    let alice = key(1);
    let reports = ["node-a", "node-b"].map(|name| {
        let site = Site::named(name);
        site.trust(&alice, "alice", &[]).expect(0);
        let bundle = site.bundle(&Spec::full(1), &[&alice]);
        site.run(&["apply", "--yes", &bundle]).expect(10);
        let file = site.path("stick/report.json");
        let first = site.run(&["report", "--output", file.as_str()]).expect(0).out;
        let json = site.run(&["report", "--json"]).expect(0).json();
        assert!(first.contains(json["digest"].as_str().unwrap()), "{first}");
        assert_eq!(json["this-node"]["host-name"], name);
        assert!(!json["comparable"].to_string().contains(name));
        assert!(fs::read_to_string(file).unwrap().contains("\"this-node\""));
        (site, json)
    });
    let [(a, first), (_, second)] = &reports;
    assert_eq!(first["comparable"], second["comparable"]);
    assert_eq!(first["digest"], second["digest"]);

    fs::remove_file(a.path("root/etc/modules-load.d/vgpu-offline.conf")).unwrap();
    let drifted = a.run(&["report", "--json"]).expect(0).json();
    assert_ne!(drifted["digest"], second["digest"]);
    assert_eq!(drifted["comparable"]["state"], "drifted");
}

#[test]
fn an_inventory_has_no_serial_numbers_unless_requested() {
    let site = Site::new();
    let quiet = site.run(&["inventory"]).expect(0);
    assert!(!quiet.out.contains("node-a"), "{}", quiet.out);
    assert_eq!(quiet.json()["cpu"]["vendor"], "intel");
    let file = site.path("stick/node.json");
    site.run(&["inventory", "--identity", "--output", file.as_str()]).expect(0);
    assert!(fs::read_to_string(file).unwrap().contains("node-a"));
    assert!(!site.path("root/var").exists());
}

#[test]
fn a_host_that_was_never_touched_stays_so() {
    let site = Site::new();
    assert!(site.run(&["status"]).expect(0).out.contains("nothing is installed"));
    site.run(&["report"]).expect(0);
    site.run(&["revert", "--yes"]).expect(0);
    site.run(&["guard"]).expect(0);
    assert!(!site.path("root/var").exists());
}

/// The bars are 100 ms each. Other load only makes a command slower, so the best of several runs
/// counts.
#[test]
fn commands_that_only_look_are_quick() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::small(1, "x"), &[&alice]);
    site.run(&["apply", "--yes", &bundle]).expect(0);
    let best = |args: &[&str]| {
        let time = |_| {
            let begun = Instant::now();
            site.run(args).expect(0);
            begun.elapsed()
        };
        (0..10).map(time).min().unwrap()
    };
    // A ratio, because the machine may be busy: `--version` only starts the process. `plan` also hashes
    // its own executable, which is twenty times as large as the released one; `benches` has the bars.
    let start = best(&["--version"]);
    for args in [&["status"][..], &["inventory"], &["plan", &bundle]] {
        let took = best(args);
        assert!(took < start * 80, "{args:?} took {took:?}, and `--version` {start:?}");
    }
}
