//! Checks the JSON that the programs print against the schemas in `docs/schema`.
//!
//! Debian's python3-jsonschema decides. One process serves all tests of a binary, because starting it
//! takes longer than a check. Schemas allow additional fields; the check does not.

#![expect(clippy::missing_panics_doc, reason = "a panic fails the test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::skip;

/// The process that checks.
struct Checker {
    _child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

static CHECKER: LazyLock<Option<Mutex<Checker>>> = LazyLock::new(|| {
    // Debian's Python first: another one in the PATH may lack the module.
    let imports = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", "import jsonschema"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let Some(python) = ["/usr/bin/python3", "python3"].into_iter().find(imports) else {
        return skip::without("python3-jsonschema");
    };
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/schema/check.py");
    let mut command = Command::new(python);
    command.args([script, folder()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let stdin = child.stdin.take().expect("a pipe");
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    Some(Mutex::new(Checker { _child: child, stdin, stdout }))
});

/// Returns the folder of the schemas.
#[must_use]
pub fn folder() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema")
}

/// Checks the output of a command with `--json`, and returns the name of its schema; `None` if
/// there is nothing to check.
#[must_use]
pub fn check(command: &Command, out: &str) -> Option<String> {
    let words: Vec<_> = command.get_args().filter_map(|word| word.to_str()).collect();
    if !words.contains(&"--json") || out.is_empty() {
        return None;
    }
    let program = Utf8Path::new(command.get_program().to_str()?).file_name()?;
    let definition = match program {
        "vgpu-bundler" => vgpu_bundler::command(),
        "vgpu-installer" => vgpu_installer::command(),
        _ => return None,
    };
    let document: Value = serde_json::from_str(out).ok()?;
    let name = if document.get("error").is_some() {
        "error".to_owned()
    } else {
        let words = std::iter::once(program).chain(words.iter().copied());
        schema_of(program, &definition.try_get_matches_from(words).expect("a command"))
    };
    let fault = fault(&name, out)?;
    assert!(fault.is_empty(), "{words:?}: {name}: {fault}\n{out}");
    Some(name)
}

/// Returns the name of the schema of a command's document.
fn schema_of(program: &str, matches: &clap::ArgMatches) -> String {
    let (mut name, mut matches) = (program.to_owned(), matches);
    while let Some((word, inner)) = matches.subcommand() {
        name = format!("{name}-{word}");
        matches = inner;
    }
    let has_own = folder().join(format!("{name}.json")).exists();
    if has_own { name } else { format!("{program}-done") }
}

/// Returns the first fault of a document, empty if there is none; `None` if the check is skipped.
#[must_use]
pub fn fault(name: &str, document: &str) -> Option<String> {
    let mut checker = CHECKER.as_ref()?.lock().expect("an earlier check has not failed");
    writeln!(checker.stdin, "{name}\t{}", Value::from(document)).expect("the checker reads");
    checker.stdin.flush().expect("the checker reads");
    let mut line = String::new();
    let count = checker.stdout.read_line(&mut line).expect("the checker answers");
    assert_ne!(count, 0, "the checker has ended: {name}");
    Some(line.trim_end().to_owned())
}
