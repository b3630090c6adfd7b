//! The pages of the bundler, from real outputs of both programs.

mod fleet;
mod scene;
#[cfg(feature = "slow")]
mod slow;

use std::fs;
use std::process::Command;

use serde_json::Value;
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::skip::have;

use self::scene::{PAGES, scene};

/// Returns the text of a page, as readers see it.
fn text_of(scratch: &Scratch, page: &str) -> String {
    let html = fs::read_to_string(scratch.path("laptop").join(page)).unwrap();
    let body = html.split_once("<body>").unwrap().1;
    let mut text = String::new();
    let mut is_tag = false;
    for c in body.chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (escaped, plain)| text.replace(escaped, plain))
}

/// One scene serves both checks: it takes most of the time.
#[test]
fn pages_of_real_documents_are_complete_and_valid() {
    if !have("xz") {
        return;
    }
    let scratch = scene();
    pages_show_what_the_documents_have(&scratch);
    if have("tidy") {
        a_validator_accepts_every_page(&scratch);
    }
}

fn a_validator_accepts_every_page(scratch: &Scratch) {
    for page in PAGES {
        let mut tidy = Command::new("tidy");
        tidy.args(["-quiet", "-errors", "-utf8", page]).current_dir(scratch.path("laptop"));
        let said = run(tidy);
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{page}");
    }
}

fn pages_show_what_the_documents_have(scratch: &Scratch) {
    let shows = |page: &str, texts: &[&str]| {
        let shown = text_of(scratch, page);
        for text in texts {
            assert!(shown.contains(text), "{page} lacks {text:?}:\n{shown}");
        }
    };
    shows(
        "plan.html",
        &[
            "Phase 1: before the reboot",
            "Phase 2: after the reboot",
            "/etc/a.conf",
            "mode 0600, owner 0:0",
            "-old <script>alert(1)</script>",
            "+a.conf",
            "Content not shown: not everyone may read it.",
            // The text of a new file.
            "+blacklist nouveau",
            "6.8.12-43-pve",
            "Security-relevant",
        ],
    );
    shows(
        "bundle.html",
        &["Signed by alice", "etc/a.conf", "a local file", "SHA256:", "mode 0755"],
    );
    shows(
        "report.html",
        &[
            "pve1<img src=x onerror=alert(1)>",
            "The node has drifted",
            "drifted",
            "now: file, 8 B, mode 0600",
            "in sync",
            "not signed",
        ],
    );
    shows("fleet.html", &["3 nodes", "The nodes differ", "≠ ", "A pve0 +1", "(present)"]);
    shows(
        "matrix.html",
        &["vGPU on", "Tesla T4", "PVE 9", "unlock?", "may not build on this kernel"],
    );

    // No name of the outside became markup.
    for page in PAGES {
        let html = fs::read_to_string(scratch.path("laptop").join(page)).unwrap();
        for markup in ["<script", "<img", "javascript:"] {
            assert!(!html.contains(markup), "{page} has {markup}");
        }
    }
}

#[test]
fn a_page_is_a_new_file_and_other_documents_are_refused() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let show = |file: &str, code| {
        let said = expect(scratch.bundler(&["show", file, "--html", "x.html", "--json"]), code);
        assert_eq!(scratch.path("laptop/x.html").exists(), code == 0, "{file}");
        said
    };
    assert!(show("none", 1).err.contains("cannot read `none`"));
    scratch.write("other.json", r#"{ "schema": 1 }"#);
    let said = show("other.json", 1);
    assert!(said.err.contains("`other.json` is neither a plan nor a report"), "{}", said.err);
    assert!(said.err.contains("hint: write one on the node"), "{}", said.err);
    let error: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(error["error"]["class"], "failed");
    scratch.write("cut.json", r#"{ "review": "#);
    assert!(show("cut.json", 1).err.contains("`cut.json` is not JSON"));
    scratch.write("plan.json", r#"{ "review": { "schema": 1 } }"#);
    assert!(show("plan.json", 1).err.contains("`plan.json` is not a plan: missing field"));
    scratch.write("report.json", r#"{ "comparable": {} }"#);
    assert!(show("report.json", 1).err.contains("`report.json` is not a report"));

    expect(scratch.bundler(&["catalog", "matrix", "T4", "--html", "x.html"]), 0);
    let said = expect(scratch.bundler(&["catalog", "matrix", "T4", "--html", "x.html"]), 1);
    assert!(said.err.contains("`x.html` exists already"), "{}", said.err);
    assert_eq!(said.out, "");
}

#[test]
fn the_matrix_as_text_and_json_has_the_same_verdicts() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let matrix = |more: &[&str]| {
        let words = [&["catalog", "matrix", "1eb8", "--branch", "16"], more].concat();
        expect(scratch.bundler(&words), 0).out
    };
    let text = matrix(&[]);
    let json: Value = serde_json::from_str(&matrix(&["--json"])).unwrap();
    let group = &json["groups"][0];
    assert_eq!(group["gpus"][0]["id"], "1eb8");
    let row = text.lines().find(|line| line.starts_with("16.9 ")).unwrap();
    let is_verdict = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit());
    let cells: Vec<_> = row.split_whitespace().skip(1).filter(is_verdict).collect();
    let kernels = json["kernels"].as_array().unwrap();
    assert_eq!(cells.len(), kernels.len());
    let is_row = |row: &&Value| row["release"] == "16.9";
    let found = group["drivers"].as_array().unwrap().iter().find(is_row).unwrap();
    for (cell, verdict) in cells.iter().zip(found["cells"].as_array().unwrap()) {
        let verdict = &verdict["verdict"];
        assert_eq!(*cell == "no", verdict.get("unsuitable").is_some(), "{cell} {verdict}");
    }
    // `why` says the same about each kernel.
    for (kernel, cell) in kernels.iter().zip(&cells) {
        let [newest, pve] = ["newest", "pve"].map(|it| kernel[it].as_str().unwrap());
        let pve = format!("{pve}.0");
        let words = ["catalog", "why", "--gpu", "1eb8", "--driver", "16.9", "--json"];
        let words = [&words[..], &["--kernel", newest, "--pve", &pve]].concat();
        let why: Value = serde_json::from_str(&expect(scratch.bundler(&words), 0).out).unwrap();
        assert_eq!(*cell == "no", why["verdict"] == "unsuitable", "{newest}: {cell}");
        assert_eq!(cell.ends_with('?'), why["state"] == "unproven", "{newest}: {cell}");
    }
}
