//! A laptop with every page, and the documents that they are from.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Scratch, expect};

use crate::suitability::{build, equip, init, recipe};

/// Every page of [`scene`].
pub(super) const PAGES: [&str; 7] = [
    "plan.html",
    "bundle.html",
    "report.html",
    "pending.html",
    "fleet.html",
    "same.html",
    "matrix.html",
];

/// Returns a laptop with the pages of a bundle, its plan, reports of nodes, their comparison, and
/// the matrix of the catalog. Names and texts of the node are hostile.
pub(super) fn scene() -> Scratch {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    let file = scratch.path("laptop/node.json");
    expect(scratch.installer(&["inventory", "-o", file.as_str()]), 0);
    equip(&scratch, "6.8.12-43-pve");
    assert_eq!(init(&scratch, &[]).code, Some(0));
    scratch.write("bundle.toml", format!("{}{FILES}", recipe(&scratch)));
    let bundle = build(&scratch, &[]);

    let put = |path: &str, text: &str, mode| {
        let path = scratch.path("node").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    put("etc/a.conf", "old <script>alert(1)</script>\n", 0o644);
    put("etc/secret.conf", "</pre><img src=x>\n", 0o600);
    let page = |file: &str, page: &str| {
        expect(scratch.bundler(&["show", file, "--html", page]), 0);
    };
    let plan = scratch.path("laptop/plan.json");
    expect(scratch.installer(&["plan", "--output", plan.as_str(), &bundle]), 0);
    page("plan.json", "plan.html");
    page(&bundle, "bundle.html");

    let report = |name: &str, host: &str| {
        put("proc/sys/kernel/hostname", host, 0o644);
        let path = scratch.path("laptop").join(name);
        expect(scratch.installer(&["report", "--output", path.as_str()]), 0);
    };
    // Phase 1, a reboot, phase 2.
    put("proc/sys/kernel/random/boot_id", "first\n", 0o644);
    expect(scratch.installer(&["apply", "--yes", &bundle]), 10);
    report("pending.json", "pve0\n");
    page("pending.json", "pending.html");
    put("proc/sys/kernel/random/boot_id", "second\n", 0o644);
    expect(scratch.installer(&["apply", "--yes", &bundle]), 0);
    report("0.json", "pve0\n");
    report("2.json", "pve2\n");
    put("etc/a.conf", "drifted\n", 0o600);
    report("1.json", "pve1<img src=x onerror=alert(1)>\n");
    page("1.json", "report.html");
    let compare = |reports: &[&str], page: &str, code| {
        let words = [&["fleet", "compare", "--html", page], reports].concat();
        assert_eq!(expect(scratch.bundler(&words), code).out, "");
    };
    compare(&["0.json", "1.json", "2.json"], "fleet.html", 5);
    compare(&["0.json", "2.json"], "same.html", 0);
    expect(scratch.bundler(&["catalog", "matrix", "--arch", "turing", "--html", "matrix.html"]), 0);
    scratch
}

/// The files that the recipe places on the node.
const FILES: &str = r#"
[[file]]
name = "etc/a.conf"
path = "a.conf"

[[file]]
name = "etc/secret.conf"
path = "secret.conf"

[[host.file]]
item = "etc/a.conf"
path = "/etc/a.conf"

[[host.file]]
item = "etc/secret.conf"
path = "/etc/secret.conf"
mode = "0755"

[[host.file]]
item = "etc/a.conf"
path = "/etc/ssh/sshd_config.d/vgpu.conf"
"#;
