//! The evidence of a run in `target/node-suite`: texts, and one page with all of them.

use std::fmt::Write as _;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
pre{white-space:pre-wrap;background:#f4f4f4;padding:1em}summary{cursor:pointer}";

/// The evidence of one scenario.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// The name of the scenario in the names of its files.
    name: &'static str,
    /// The title of its page.
    title: &'static str,
}

impl Evidence {
    /// Begins anew: removes the evidence of earlier runs.
    pub(super) fn new(name: &'static str, title: &'static str) -> Self {
        let evidence = Self { name, title };
        for path in evidence.texts() {
            fs::remove_file(path).unwrap();
        }
        evidence
    }

    fn path(self, file: &str) -> Utf8PathBuf {
        folder().join(format!("vm-{}{file}", self.name))
    }

    /// Writes a text, such as the transcript of a machine.
    pub(super) fn record(self, text: &str, content: &str) {
        fs::write(self.path(&format!(".{text}.txt")), content).unwrap();
    }

    /// Writes the page, without a script and without anything from elsewhere.
    pub(super) fn write_page(self, summary: &str) {
        let (title, summary) = (escape(self.title), escape(summary));
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <style>{STYLE}</style><h1>{title}</h1><pre>{summary}</pre>\n"
        );
        for path in self.texts() {
            let name = path.file_stem().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let text = escape(&text);
            let _ = writeln!(page, "<details><summary>{name}</summary><pre>{text}</pre></details>");
        }
        fs::write(self.path(".html"), page).unwrap();
    }

    /// Returns its texts, in order.
    fn texts(self) -> Vec<Utf8PathBuf> {
        let files = folder().read_dir_utf8().unwrap().map(|file| file.unwrap().into_path());
        let start = format!("vm-{}.", self.name);
        let is_ours = |path: &Utf8PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.starts_with(&start) && path.extension() == Some("txt")
        };
        let mut files: Vec<_> = files.filter(is_ours).collect();
        files.sort();
        files
    }
}

fn folder() -> Utf8PathBuf {
    let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("node-suite");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Escapes a text for HTML. A console has control characters, which a page may not have.
fn escape(text: &str) -> String {
    let text: String = text.chars().filter(|it| !it.is_control() || *it == '\n').collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
