//! The pages for users: the messages that they quote exist, and so do the commands and options.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use clap::error::ErrorKind;

fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns the files below a folder with one of these extensions.
fn files(folder: &Utf8Path, extensions: &[&str], found: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path.extension().is_some_and(|it| extensions.contains(&it)) {
            found.push(path);
        }
    }
}

/// Returns the sources of the programs, with each continued text in one line and without tests.
fn sources() -> Vec<String> {
    let mut paths = Vec::new();
    for name in ["keys", "manifest", "bundler", "installer"] {
        files(&root().join(name).join("src"), &["rs"], &mut paths);
    }
    let is_test = |path: &Utf8PathBuf| path.iter().any(|part| part.starts_with("test"));
    paths.retain(|path| !is_test(&path.strip_prefix(root()).unwrap().to_owned()));
    let text = |path: &Utf8PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let mut parts = code.split("\\\n");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |text, part| text + part.trim_start())
    };
    paths.iter().map(text).collect()
}

/// Checks whether the parts of a message follow each other in a text, in the length of a message.
fn quotes(text: &str, parts: &[&str]) -> bool {
    text.match_indices(parts[0]).any(|(at, _)| {
        let end = text.char_indices().map(|(at, _)| at).find(|end| *end >= at + 400);
        let mut rest = &text[at..end.unwrap_or(text.len())];
        parts.iter().all(|part| {
            let found = rest.find(part);
            rest = found.map_or("", |at| &rest[at + part.len()..]);
            found.is_some()
        })
    })
}

#[test]
fn every_message_of_the_troubleshooting_page_exists() {
    let page = fs::read_to_string(root().join("docs/TROUBLESHOOTING.md")).unwrap();
    let sources = sources();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let messages: Vec<&str> =
        headings.flat_map(|heading| heading.split('`').skip(1).step_by(2)).collect();
    assert!(messages.len() > 30, "{messages:?}");
    let is_unknown = |message: &&str| {
        let parts: Vec<_> = message.split('…').map(str::trim).filter(|it| !it.is_empty()).collect();
        !sources.iter().any(|text| quotes(text, &parts))
    };
    let unknown: Vec<_> = messages.into_iter().filter(is_unknown).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn a_message_is_found_only_as_a_whole() {
    let text = "#[error(\"`{path}` has {n} free, but {m} are needed\")]";
    assert!(quotes(text, &["has", "free, but", "are needed"]));
    assert!(!quotes(text, &["has", "are needed", "free, but"]));
    assert!(!quotes(text, &["has", "free", "is needed"]));
}

/// Returns the command lines of a page: in code blocks and in inline code.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_block = false;
    let text = page.replace("\\\n", " ");
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            found.push(line.trim().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    let is_ours = |line: &String| {
        let program = line.split(' ').next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        ["vgpu-bundler", "vgpu-installer"].contains(&name) && line.contains(' ')
    };
    found.retain(is_ours);
    found
}

/// Returns the error for a command, an argument or a value that the program does not know.
fn unknown(line: &str) -> Option<String> {
    let words: Vec<&str> = line
        .split_whitespace()
        .take_while(|word| !["#", "|", "&&", ">", "<", ";"].iter().any(|it| word.starts_with(it)))
        .collect();
    let command = match words.first()?.rsplit('/').next()? {
        "vgpu-bundler" => vgpu_bundler::command(),
        _ => vgpu_installer::command(),
    };
    let error = command.try_get_matches_from(words).err()?;
    let is_unknown = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::TooManyValues
    );
    is_unknown.then(|| format!("{line}: {}", error.to_string().lines().next().unwrap_or_default()))
}

#[test]
fn every_command_of_the_pages_exists() {
    let mut paths = vec![root().join("README.md")];
    files(&root().join("docs"), &["md"], &mut paths);
    files(&root().join(".github"), &["md", "yml"], &mut paths);
    let (mut count, mut wrong) = (0, Vec::new());
    for path in paths {
        for line in commands(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            wrong.extend(unknown(&line).map(|why| format!("{}: {why}", path.file_name().unwrap())));
        }
    }
    assert!(count > 100, "{count} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unknown("vgpu-installer aply x").is_some());
    assert!(unknown("vgpu-bundler lock --of-line").is_some());
}

#[test]
fn every_link_between_the_pages_leads_to_a_file() {
    let mut paths = vec![root().join("README.md")];
    files(&root().join("docs"), &["md"], &mut paths);
    files(&root().join(".github"), &["md"], &mut paths);
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap();
            let is_outside = target.is_empty() || target.contains("://");
            if !is_outside && !path.parent().unwrap().join(target).exists() {
                wrong.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
