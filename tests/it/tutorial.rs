//! The commands of `docs/TUTORIAL.md` for the laptop, as a reader types them.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Scratch, expect, run};

/// The stick of the page.
const STICK: &str = "/media/stick";

/// Returns the sections of the page with their commands, each as its words.
fn commands() -> Vec<(String, Vec<Vec<String>>)> {
    let page = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TUTORIAL.md");
    let page = fs::read_to_string(page).unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let sections = page.split("\n## ").skip(1).map(|section| {
        let lines = section.lines().map(str::trim);
        let lines = lines.filter_map(|line| line.strip_prefix("vgpu-bundler ")).map(words);
        (section.lines().next().unwrap().to_owned(), lines.collect())
    });
    sections.filter(|(_, commands): &(_, Vec<_>)| !commands.is_empty()).collect()
}

#[test]
fn every_command_for_the_laptop_works_and_the_lock_asks_for_the_driver() {
    let sections = commands();
    assert_eq!(sections.len(), 3, "{sections:?}");
    for (title, commands) in sections {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        scratch.node(Node::Rtx2080Ti);
        let stick: Utf8PathBuf = scratch.path("stick");
        fs::create_dir_all(&stick).unwrap();
        let inventory = stick.join("node.json");
        expect(scratch.installer(&["inventory", "--output", inventory.as_str()]), 0);
        for command in commands {
            let words: Vec<_> =
                command.iter().map(|word| word.replace(STICK, stick.as_str())).collect();
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let said = expect(scratch.bundler(&words), 0);
            assert!(!said.out.is_empty() || words.contains(&"init"), "{title}: {said:?}");
        }
        if !scratch.path("laptop/bundle.toml").exists() {
            continue;
        }
        // The recipe has all but NVIDIA's file, which only a customer can download.
        let said = run(scratch.bundler(&["lock"]));
        assert_eq!(said.code, Some(1), "{title}: {said:?}");
        for words in ["NVIDIA's licensing portal", "NVIDIA-GRID-Linux-KVM-", "inputs"] {
            assert!(said.err.contains(words), "{title}: {words}: {said:?}");
        }
    }
}
