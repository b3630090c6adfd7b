//! `--json`: every command prints one document, also when it fails.

use serde_json::Value;
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Said, Scratch, run};

/// Returns the document of a run, and checks that it is the whole of stdout and fits the exit status.
fn document(said: &Said, words: &[&str]) -> Value {
    let document: Value = serde_json::from_str(&said.out)
        .unwrap_or_else(|error| panic!("{words:?}: {error}\n{}\n{}", said.out, said.err));
    let class = match said.code {
        Some(0) => "done",
        Some(1) => "failed",
        Some(2) => "usage",
        Some(3) => "untrusted",
        Some(4) => "unsuitable",
        Some(5) => "differs",
        Some(10) => "reboot",
        other => panic!("{words:?}: {other:?}"),
    };
    if let Some(error) = document.get("error") {
        assert_eq!(error["class"], class, "{words:?}");
        let message = error["message"].as_str().unwrap();
        let first = message.lines().next().unwrap();
        assert!(said.err.contains(first), "{words:?}: {message}\n{}", said.err);
    } else if let Some(result) = document.get("result") {
        assert_eq!(*result, class, "{words:?}");
    }
    document
}

/// Returns the words of every command, without arguments.
fn commands(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
    let below: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    if below.is_empty() {
        return vec![words.to_vec()];
    }
    let with = |it: &clap::Command| [words, &[it.get_name().to_owned()]].concat();
    below.into_iter().flat_map(|it| commands(it, &with(it))).collect()
}

#[test]
fn every_command_answers_with_one_document() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    let all = commands(&vgpu_installer::command(), &[]);
    assert!(all.len() > 25, "{all:?}");
    for command in &all {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--json"]).collect();
        let said = run(scratch.installer(&words));
        let document = document(&said, &words);
        assert!(said.code == Some(0) || said.code == Some(5) || document.get("error").is_some());
    }
}

#[test]
fn changes_tell_what_they_have_done() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    scratch.write("a.conf", "some = \"text\"\n");
    scratch.write(
        "bundle.toml",
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n\
         [[file]]\nname = 'etc/a.conf'\npath = 'a.conf'\n\
         [host]\n[[host.file]]\nitem = 'etc/a.conf'\npath = '/etc/a.conf'\n",
    );
    assert_eq!(run(scratch.bundler(&["build"])).code, Some(0));
    let bundle = scratch.path("laptop/gpu-1.vgpu.tar");
    let json = |words: &[&str]| {
        let words = [words, &["--json"]].concat();
        document(&run(scratch.installer(&words)), &words)
    };

    let applied = json(&["apply", "--yes", bundle.as_str()]);
    assert_eq!(applied["result"], "done");
    assert_eq!((&applied["channel"], &applied["sequence"]), (&"stable".into(), &1.into()));
    let steps = applied["steps"].as_array().unwrap();
    assert!(steps.contains(&"write /etc/a.conf from `etc/a.conf`".into()), "{steps:?}");
    // The catalog is an item too.
    assert_eq!((&applied["reboot"], &applied["staged"]), (&"not-needed".into(), &2.into()));
    assert_eq!(json(&["apply", "--yes", bundle.as_str()])["steps"], Value::Array(Vec::new()));
    assert_eq!(json(&["store", "gc"])["frees"], 0);

    std::fs::write(scratch.path("node/etc/a.conf"), "changed by hand\n").unwrap();
    assert_eq!(json(&["status"])["state"], "drifted");
    let removed = json(&["remove", "--dry-run"]);
    assert!(removed["removes"].as_array().is_some_and(|lines| !lines.is_empty()), "{removed}");
    let reverted = json(&["revert", "--yes"]);
    assert_eq!((&reverted["result"], &reverted["still-applied"]), (&"done".into(), &0.into()));
    assert_eq!(reverted["kept"][0]["path"], "/etc/a.conf");
    assert_eq!(json(&["forget", "--yes"])["result"], "done");
    let untrusted = json(&["apply", "--yes", bundle.as_str()]);
    assert_eq!(untrusted["error"]["class"], "untrusted");
    assert!(untrusted["error"]["hint"].as_str().unwrap().contains("trust"), "{untrusted}");
}
