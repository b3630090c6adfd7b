//! Invocation of standard tools.

use std::fs::File;
use std::process::{Command, Output};

use camino::Utf8Path;

/// Runs a tool in a folder and returns its output, even on failure.
pub(crate) fn run(folder: &Utf8Path, tool: &str, words: &[&str]) -> Output {
    Command::new(tool).args(words).current_dir(folder).env("LC_ALL", "C").output().unwrap()
}

/// Runs a tool that must succeed, with a file as its input, and returns its output.
pub(crate) fn fed(folder: &Utf8Path, input: &str, tool: &str, words: &[&str]) -> Vec<u8> {
    let mut command = Command::new(tool);
    command.args(words).current_dir(folder).env("LC_ALL", "C");
    let output = command.stdin(File::open(folder.join(input)).unwrap()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {words:?}: {error}");
    output.stdout
}

/// Runs a tool that must succeed, without input.
pub(crate) fn ok(folder: &Utf8Path, tool: &str, words: &[&str]) -> Vec<u8> {
    let output = run(folder, tool, words);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {words:?}: {error}");
    output.stdout
}

/// Returns the lines of an output.
pub(crate) fn lines(output: Vec<u8>) -> Vec<String> {
    String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
}
