//! Transcripts of the interactive questions. `VGPU_BLESS=1` writes them again, for review.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::sandbox;
use crate::bundler::sandbox::{Sandbox, has};
use crate::terminal::{END, INTERRUPT, Terminal};

/// Compares the screen and the written files with the transcript of this name.
fn compare(name: &str, sandbox: &Sandbox, seen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("it/bundler/init/screens")
        .join(format!("{name}.txt"));
    let written = sandbox.work("bundle.toml");
    let written = if written.exists() { "and there is a recipe" } else { "and nothing is left" };
    let seen = seen.replace("\u{1b}[1;31m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", "");
    let now = format!("{seen}--- {written}\n");
    if std::env::var_os("VGPU_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, now, "{}", path.display());
}

fn start(sandbox: &Sandbox, words: &[&str]) -> Terminal {
    let mut command = sandbox.bundler(&[&["init"], words].concat());
    // Proposals depend on the drivers that NVIDIA supports: November 2026.
    command.env("SOURCE_DATE_EPOCH", "1796040000");
    Terminal::start(&command, "]: ")
}

/// Returns the command line that the program shows.
fn shown(seen: &str) -> Vec<String> {
    let (_, rest) = seen.split_once("Equivalent command:\n  vgpu-bundler ").unwrap();
    let line = rest.lines().next().unwrap();
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn an_inventory_leads_to_a_recipe_and_to_a_command_that_writes_the_same() {
    if !has("setsid") {
        return;
    }
    let sandbox = sandbox("tesla-t4");
    let mut terminal = start(&sandbox, &[]);
    terminal
        .answer("Name of the bundle", "Not A Name")
        .answer("Name of the bundle", "gpu")
        .answer("Channel", "")
        .answer("Inventory file", "nowhere.json")
        .answer("Inventory file", "node.json")
        .answer("NVIDIA vGPU release", "1.0")
        .answer("NVIDIA vGPU release", "18.4")
        .answer("host driver", "inputs/portal.zip")
        .answer("Use these mirrors?", "perhaps")
        .answer("Use these mirrors?", "y")
        .answer("Guest licensing", "")
        .answer("Write", "");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    compare("inventory", &sandbox, &seen);

    let recipe = sandbox.read("bundle.toml");
    fs::remove_file(sandbox.work("bundle.toml")).unwrap();
    let words = shown(&seen);
    sandbox.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(sandbox.read("bundle.toml"), recipe);
}

#[test]
fn without_an_inventory_a_gpu_will_do_and_nothing_is_taken_for_granted() {
    if !has("setsid") {
        return;
    }
    let sandbox = Sandbox::empty();
    let mut terminal = start(&sandbox, &[]);
    terminal
        .answer("Name of the bundle", "")
        .answer("Channel", "test")
        .answer("Inventory file", "")
        .answer("GPUs", "10de:zzzz")
        .answer("GPUs", "128b")
        .answer("Proxmox VE release", "8")
        .answer("Proxmox VE release", "8.4")
        .answer("Kernel", "")
        .answer("GPUs", "1e07")
        .answer("Proxmox VE release", "8.4")
        .answer("Kernel", "6.8.12-43-pve")
        .answer("NVIDIA vGPU release", "")
        .answer("host driver", "")
        .answer("Guest licensing", "fastapi-dls=registry.example/team/dls:2")
        .answer("Write", "yes");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    compare("gpu", &sandbox, &seen);
    let licensing = "licensing = \"fastapi-dls=registry.example/team/dls:2\"\n";
    assert!(sandbox.read("bundle.toml").contains(licensing));
}

#[test]
fn a_recipe_that_is_for_no_machine_yet_takes_few_answers() {
    if !has("setsid") {
        return;
    }
    let sandbox = Sandbox::empty();
    let mut terminal = start(&sandbox, &[]);
    for question in ["Name", "Channel", "Inventory file", "GPUs", "Guest licensing", "Write"] {
        terminal.answer(question, "");
    }
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    compare("bare", &sandbox, &seen);
}

#[test]
fn a_whole_card_needs_neither_driver_nor_packages() {
    if !has("setsid") {
        return;
    }
    let sandbox = sandbox("a2-and-gt-710");
    let mut terminal = start(&sandbox, &["--inventory", "node.json"]);
    terminal
        .answer("Name", "")
        .answer("Channel", "")
        .answer("NVIDIA vGPU release", "passthrough")
        .answer("Guest licensing", "nvidia-dls")
        .answer("Write", "n");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(1), "{seen}");
    compare("passthrough", &sandbox, &seen);
}

#[test]
fn with_a_name_only_mirrors_are_asked_for() {
    if !has("setsid") {
        return;
    }
    let sandbox = sandbox("script-leftovers");
    let words = ["--name", "gpu", "--inventory", "node.json"];
    let mut terminal = start(&sandbox, &words);
    terminal.answer("Use these mirrors?", "").answer("Write", "");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    compare("mirrors", &sandbox, &seen);
    assert!(sandbox.read("bundle.toml").contains("# UNCONFIRMED MIRRORS"));

    // A complete command line, or one without a terminal, asks no questions.
    for (more, recipe) in [("--accept-mirrors", "a.toml"), ("--no-input", "b.toml")] {
        let terminal = start(&sandbox, &[&words[..], &["--recipe", recipe, more]].concat());
        let (code, seen) = terminal.end();
        assert_eq!((code, seen.contains('?')), (Some(0), false), "{seen}");
    }
}

#[test]
fn leaving_writes_no_file() {
    if !has("setsid") {
        return;
    }
    for (name, keys, status) in [
        ("ctrl-d", END, Some(1)),
        ("ctrl-c", INTERRUPT, None),
        ("half-a-line", "gp\u{4}\u{4}", Some(1)),
    ] {
        let sandbox = sandbox("tesla-t4");
        let mut terminal = start(&sandbox, &[]);
        terminal.answer("Name", "gpu").asked("Channel").press(keys);
        let (code, seen) = terminal.end();
        assert_eq!(code, status, "{seen}");
        compare(name, &sandbox, &seen);
        let left: Vec<_> = fs::read_dir(sandbox.work("")).unwrap().collect();
        assert_eq!(left.len(), 1, "only the inventory: {left:?}");
    }
    // The same at the last question.
    let sandbox = Sandbox::empty();
    let mut terminal = start(&sandbox, &[]);
    for question in ["Name", "Channel", "Inventory file", "GPUs", "Guest licensing"] {
        terminal.answer(question, "");
    }
    terminal.asked("Write").press(INTERRUPT);
    assert_eq!(terminal.end().0, None);
    assert_eq!(fs::read_dir(sandbox.work("")).unwrap().count(), 0);
}

#[test]
fn a_taken_name_is_told_before_anything_is_asked() {
    if !has("setsid") {
        return;
    }
    let sandbox = Sandbox::empty();
    sandbox.write("bundle.toml", "mine\n");
    let (code, seen) = start(&sandbox, &[]).end();
    assert_eq!(code, Some(1));
    assert!(seen.contains("`bundle.toml` exists already"), "{seen}");
    assert_eq!(sandbox.read("bundle.toml"), "mine\n");
}

#[test]
fn half_a_terminal_is_none() {
    if !has("setsid") {
        return;
    }
    let sandbox = Sandbox::empty();
    let command = sandbox.bundler(&["init"]);
    let deaf = Terminal::start_with(&command, |command| {
        command.stdin(Stdio::null());
    });
    let (code, seen) = deaf.end();
    assert_eq!(code, Some(0), "{seen}");
    fs::remove_file(sandbox.work("bundle.toml")).unwrap();
    let mute = Terminal::start_with(&command, |command| {
        command.stderr(Stdio::null());
    });
    let (code, seen) = mute.end();
    assert_eq!((code, seen.as_str()), (Some(0), ""));
}
