//! The evidence of a run in `target/node-suite`: texts, and one page with all of them.

use std::fmt::Write as _;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
pre{white-space:pre-wrap;background:#f4f4f4;padding:1em}summary{cursor:pointer}";

/// Removes the evidence of earlier runs.
pub(super) fn clear() {
    for path in texts() {
        fs::remove_file(path).unwrap();
    }
}

/// Writes a text, such as the transcript of a machine.
pub(super) fn record(name: &str, text: &str) {
    fs::write(folder().join(format!("vm-{name}.txt")), text).unwrap();
}

/// Writes the page, without a script and without anything from elsewhere.
pub(super) fn write_page(summary: &str) {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A node that boots</title>\
         <style>{STYLE}</style><h1>A node that boots</h1><pre>{}</pre>\n",
        escape(summary)
    );
    for path in texts() {
        let name = path.file_stem().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let text = escape(&text);
        let _ = writeln!(page, "<details><summary>{name}</summary><pre>{text}</pre></details>");
    }
    fs::write(folder().join("vm.html"), page).unwrap();
}

fn folder() -> Utf8PathBuf {
    let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("node-suite");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Returns the texts of all machines, in order.
fn texts() -> Vec<Utf8PathBuf> {
    let files = folder().read_dir_utf8().unwrap().map(|file| file.unwrap().into_path());
    let is_ours = |path: &Utf8PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.starts_with("vm-") && path.extension() == Some("txt")
    };
    let mut files: Vec<_> = files.filter(is_ours).collect();
    files.sort();
    files
}

/// Escapes a text for HTML. A console has control characters, which a page may not have.
fn escape(text: &str) -> String {
    let text: String = text.chars().filter(|it| !it.is_control() || *it == '\n').collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
