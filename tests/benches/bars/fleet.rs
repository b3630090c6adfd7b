//! The reports of a large fleet, each of which differs from all others.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use vgpu_manifest::Digest;

use crate::scene::Scene;

/// The number of nodes, as the row of the table says.
const NODES: usize = 500;

/// A folder of the laptop with the reports.
pub(crate) struct Fleet {
    reports: Vec<String>,
}

impl Fleet {
    /// Writes reports of the size of real ones with a hundred packages: 40 KiB each.
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.path("fleet");
        fs::create_dir_all(&folder).unwrap();
        let write = |at: usize| {
            let name = format!("pve{at}.json");
            fs::write(folder.join(&name), report(at)).unwrap();
            name
        };
        Self { reports: (0..NODES).map(write).collect() }
    }

    /// Compares all of them.
    pub(crate) fn compare(&self, scene: &Scene) -> Vec<Command> {
        let mut words = vec!["fleet", "compare"];
        words.extend(self.reports.iter().map(String::as_str));
        scene.bundler("fleet", &words)
    }
}

/// Returns a report with a file of its own, and now and then another kernel or a lost package.
fn report(at: usize) -> String {
    let digest = |text: &str| format!("sha256-{}", Digest::of(text.as_bytes()));
    let change = |number: usize| {
        let content = if number == 0 { at } else { number };
        json!({
            "path": format!("/etc/vgpu/file-{number}.conf"),
            "becomes": { "node": {
                "kind": "file",
                "content": { "id": digest(&content.to_string()), "size": 186 },
                "meta": { "mode": "0644", "uid": 0, "gid": 0 },
            } },
        })
    };
    let package = |number: usize| {
        let is = json!({ "version": format!("{number}.2-1+deb12u1"), "state": "installed" });
        let is = if number == at % 1000 { Value::Null } else { is };
        json!({ "package": format!("package-{number}"), "is": is })
    };
    let step =
        |number: usize| json!({ "summary": format!("place file {number}"), "state": "in-sync" });
    let kernel = if at.is_multiple_of(50) { "6.8.12-8-pve" } else { "6.8.12-9-pve" };
    let comparable = json!({
        "program": "0.1.0",
        "state": "in-sync",
        "applied": {
            "digest": Digest::of(b"bundle").to_string(),
            "state": "applied",
            "steps": (0..40).map(step).collect::<Vec<_>>(),
            "changes": (0..100).map(change).collect::<Vec<_>>(),
            "packages": (0..100).map(package).collect::<Vec<_>>(),
        },
        "machine": { "kernel": kernel, "gpus": ["10de:2235", "10de:2235"] },
    });
    let document = json!({
        "schema": 1,
        "digest": Digest::of(comparable.to_string().as_bytes()).to_string(),
        "comparable": comparable,
        "this-node": { "host-name": format!("pve{at}"), "written": "2026-01-01 00:00:00 UTC" },
    });
    serde_json::to_string_pretty(&document).unwrap()
}
