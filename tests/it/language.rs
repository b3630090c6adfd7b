//! The language of all texts: words that the style rules out, and the form of every help page.
//!
//! Each rule has the number of findings that the tree is allowed to have. Lower it when you remove
//! some; never raise it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

/// Words that are ruled out, where, and the allowed number of lines with them.
type Rule = (&'static str, Place, usize);

/// The lines that a rule applies to.
#[derive(Clone, Copy)]
enum Place {
    Anywhere,
    /// The first line of a doc comment, at its beginning.
    DocStart,
}

const RULES: &[Rule] = &[
    ("somebody", Place::Anywhere, 0),
    ("nobody", Place::Anywhere, 0),
    ("whoever", Place::Anywhere, 0),
    ("for good", Place::Anywhere, 0),
    ("by itself", Place::Anywhere, 0),
    ("as far as", Place::Anywhere, 0),
    ("of nvidia's", Place::Anywhere, 0),
    ("what", Place::DocStart, 0),
    ("who", Place::DocStart, 0),
    ("whether it", Place::DocStart, 0),
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
    comment.strip_prefix(words).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn is_doc(line: &str) -> bool {
    ["///", "//!"].iter().any(|mark| line.trim_start().starts_with(mark))
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
        let path = path.strip_prefix(root).unwrap();
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let begins_doc = is_doc(line) && !is_doc(before);
            for (found, (words, place, _)) in found.iter_mut().zip(RULES) {
                let is_hit = match place {
                    // `for good in` is a loop.
                    Place::Anywhere => has(&line.replace("for good in", ""), words),
                    Place::DocStart => begins_doc && starts(line, words),
                };
                if is_hit {
                    found.push(format!("{path}:{}: {}", number + 1, line.trim()));
                }
            }
            before = line;
        }
    }
    let worse: Vec<String> = RULES
        .iter()
        .zip(&found)
        .filter(|((_, _, most), found)| found.len() > *most)
        .map(|((words, _, most), found)| {
            format!("{words}: {} lines, {most} allowed:\n  {}", found.len(), found.join("\n  "))
        })
        .collect();
    assert!(worse.is_empty(), "{}", worse.join("\n"));
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
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_rules_find_what_they_are_for() {
    assert!(has("if somebody asks", "somebody") && has("by itself.", "by itself"));
    assert!(!has("whoevers", "whoever") && !has("for goodness", "for good"));
    assert!(starts("/// what it is", "what") && starts("//! whether it is", "whether it"));
    assert!(!starts("/// whatever", "what") && !starts("/// says what", "what"));
}
