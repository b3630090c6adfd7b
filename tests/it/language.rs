//! The language of all texts: words that the style rules out, and the form of every help page.
//!
//! Each rule has the number of findings that the tree is allowed to have. Lower it when you remove
//! some; never raise it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

/// A line of the tree: its text in lower case, and whether a doc comment begins in it.
type Rule = (&'static str, fn(&str, Line) -> bool, usize);

/// The location of the line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Whether it is the first line of a doc comment.
    DocStart,
    Other,
}

const RULES: &[Rule] = &[
    ("somebody", |text, _| has(text, "somebody"), 167),
    ("nobody", |text, _| has(text, "nobody"), 200),
    ("whoever", |text, _| has(text, "whoever"), 69),
    ("for good", |text, _| has(text, "for good"), 23),
    ("by itself", |text, _| has(text, "by itself"), 26),
    ("as far as", |text, _| has(text, "as far as"), 28),
    ("of NVIDIA's", |text, _| has(text, "of nvidia's"), 27),
    ("docs that begin with What", |text, at| at == Line::DocStart && starts(text, "what"), 1045),
    ("docs that begin with Who", |text, at| at == Line::DocStart && starts(text, "who"), 39),
    (
        "docs that begin with Whether it",
        |text, at| at == Line::DocStart && starts(text, "whether it"),
        32,
    ),
];

/// Checks whether `text` contains `words` as whole words.
fn has(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric();
        let (before, after) = (&text[..at], &text[at + words.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// Checks whether a comment begins with `words`.
fn starts(text: &str, words: &str) -> bool {
    let comment = text.trim_start().trim_start_matches(['/', '!']).trim_start();
    comment.starts_with(words) && has(comment, words)
}

/// Returns the sources and documents of the repository, except this file.
fn files(folder: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() && !path.is_symlink() {
            if !["target", ".git"].contains(&path.file_name().unwrap()) {
                files(&path, found);
            }
        } else if matches!(path.extension(), Some("rs" | "md" | "toml"))
            && !path.ends_with("tests/it/language.rs")
        {
            found.push(path);
        }
    }
}

#[test]
fn texts_use_no_more_words_that_the_style_rules_out() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    files(root, &mut paths);
    assert!(paths.len() > 100, "{paths:?}");
    let mut found: Vec<Vec<String>> = vec![Vec::new(); RULES.len()];
    for path in &paths {
        let text = fs::read_to_string(path).unwrap().to_lowercase();
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let is_doc = |line: &str| ["///", "//!"].iter().any(|it| line.trim().starts_with(it));
            let at = if is_doc(line) && !is_doc(before) { Line::DocStart } else { Line::Other };
            for (found, (_, rule, _)) in found.iter_mut().zip(RULES) {
                if rule(line, at) {
                    let path = path.strip_prefix(root).unwrap();
                    found.push(format!("{path}:{}: {}", number + 1, line.trim()));
                }
            }
            before = line;
        }
    }
    let counts: Vec<_> = RULES
        .iter()
        .zip(&found)
        .map(|((name, _, most), found)| (name, found.len(), most))
        .collect();
    let worse = RULES.iter().zip(&found).filter(|((_, _, most), found)| found.len() > *most);
    let worse: Vec<String> =
        worse.map(|((name, _, _), found)| format!("{name}:\n  {}", found.join("\n  "))).collect();
    assert!(worse.is_empty(), "{}\n{counts:?}", worse.join("\n"));
}

/// Calls `act` with the short and the long help page of `command` and of all its subcommands.
fn pages(command: &mut clap::Command, act: &mut dyn FnMut(&str, String)) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    act(&name, command.render_help().to_string());
    act(&name, command.render_long_help().to_string());
    for below in command.get_subcommands_mut().filter(|it| it.get_name() != "help") {
        pages(below, act);
    }
}

#[test]
fn every_help_page_has_examples_and_fits_80_columns() {
    let (mut count, mut wrong) = (0, Vec::new());
    for mut command in [vgpu_bundler::command(), vgpu_installer::command()] {
        command.build();
        pages(&mut command, &mut |name, page| {
            count += 1;
            if !page.contains("Examples:\n") {
                wrong.push(format!("{name}: no examples"));
            }
            let wide = page.lines().filter(|line| line.chars().count() > 80);
            wrong.extend(wide.map(|line| format!("{name}: {line}")));
        });
    }
    assert!(count > 80, "{count} pages");
    assert!(wrong.len() <= WRONG_PAGES, "{} findings:\n{}", wrong.len(), wrong.join("\n"));
}

/// The allowed number of findings in the help pages. Lower it when you remove some.
const WRONG_PAGES: usize = 0;

#[test]
fn the_rules_find_what_they_are_for() {
    assert!(has("if somebody asks", "somebody") && has("by itself.", "by itself"));
    assert!(!has("whoevers", "whoever") && !has("for goodness", "for good"));
    assert!(starts("/// what it is", "what") && starts("//! whether it is", "whether it"));
    assert!(!starts("/// whatever", "what") && !starts("/// says what", "what"));
}
