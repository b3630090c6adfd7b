//! The demo, and the picture of it in the README.
//!
//! `VGPU_GOLDEN=write cargo it demo` draws the picture again.

use std::fs;
use std::process::{Command, Stdio};

use camino::Utf8Path;
use vgpu_tests::picture::{Kind, svg};
use vgpu_tests::scratch::{Said, run};
use vgpu_tests::skip::skip;

/// The sections in the picture, by the starts of their headings.
const SECTIONS: [&str; 3] = ["On the laptop", "Plan, then apply", "The result"];

/// The most lines that a reader looks through.
const MAX_LINES: usize = 125;

#[test]
fn it_shows_the_main_job_and_the_picture_shows_the_same() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.stdin(Stdio::null());
    let Said { code, out, err } = run(demo);
    assert_eq!(code, Some(0), "{out}{err}");
    if let Some(what) = out.lines().find_map(|line| line.trim().strip_prefix("skipped: needs ")) {
        let _ = skip(what);
        return;
    }
    assert!(out.lines().count() <= MAX_LINES, "{} lines", out.lines().count());
    for word in [
        "+ host driver: vGPU 16.9 (535.230.02), patched by driver/535.230.02.patch",
        "+ unlock library: ",
        "+ 3 packages: dkms",
        "+ image registry.example/team/dls:2.0.3",
        "Good \"vgpu-bundle\" signature for alice",
        "intact and trusted: demo 1 of channel stable",
        "fits this node: vGPU 16.9",
        "phase 1 is done",
        "vGPU types   1 offered",
        "qm set VMID --hostpci0 mapping=vgpu-0000-01-00-0,mdev=nvidia-300",
        "everything is in sync",
        "is damaged (bytes ",
        "550.163.02 is built for the running kernel",
        "compared with the stock host: no difference",
        "vgpu-bundler write /media/stick",
    ] {
        assert!(out.contains(word), "{word}:\n{out}");
    }

    let picture = svg("The demo in a terminal", &pictured(&out));
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join("docs/demo.svg");
    if std::env::var_os("VGPU_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &picture).unwrap();
    }
    // Headings and commands; sizes in the output change with the program.
    let known = fs::read_to_string(path).unwrap();
    let [drawn, known] = [&picture, &known].map(|svg| {
        let steps =
            |line: &&str| line.contains("class=\"heading\"") || line.contains("class=\"command\"");
        let text = |line: &str| Some(line.split_once('>')?.1.to_owned());
        svg.lines().filter(steps).filter_map(text).collect::<Vec<_>>()
    });
    assert_eq!(drawn, known, "the picture is out of date: `VGPU_GOLDEN=write cargo it demo`");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.lines().take(30).any(|line| line.contains("docs/demo.svg")));
}

/// Returns the lines of the sections in the picture.
fn pictured(out: &str) -> Vec<&str> {
    let mut shown = false;
    let mut lines: Vec<&str> = Vec::new();
    for line in out.lines() {
        if Kind::of(line) == Kind::Heading {
            shown = SECTIONS.iter().any(|section| line.contains(section));
        }
        if shown {
            lines.push(line);
        }
    }
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}
