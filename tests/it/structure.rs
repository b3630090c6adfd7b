//! The structure of the crates: no import cycle between the modules below a crate's root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

/// The modules that each module imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Returns the Rust files of a folder, without those that are only compiled for tests.
fn sources(folder: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        let is_test = ["tests", "testing", "signatures"].contains(&path.file_stem().unwrap());
        if path.is_dir() && !is_test {
            sources(&path, found);
        } else if path.extension() == Some("rs") && !is_test {
            found.push(path);
        }
    }
}

/// Returns the names that follow `prefix` in a text, also those in braces: `crate::{a, b::c}`.
fn names_after(text: &str, prefix: &str) -> Vec<String> {
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let mut names = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let (mut depth, mut starts) = (1, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => starts = true,
                _ if starts && !c.is_whitespace() => {
                    names.push(word(&list[at..]));
                    starts = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

fn imports(root: &Utf8Path) -> Imports {
    let mut paths = Vec::new();
    sources(root, &mut paths);
    let module = |path: &Utf8Path| {
        let first = path.strip_prefix(root).unwrap().components().next().unwrap();
        first.as_str().trim_end_matches(".rs").to_owned()
    };
    let modules: BTreeSet<_> = paths.iter().map(|path| module(path)).collect();
    let mut imports = Imports::new();
    for path in &paths {
        let from = module(path);
        if ["lib", "main"].contains(&&*from) {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = text.lines().map(|line| line.split("//").next().unwrap());
        let code = code.collect::<Vec<_>>().join("\n");
        // The depth of the file's module below the root of the crate.
        let depth = path.strip_prefix(root).unwrap().components().count()
            - usize::from(path.file_name() == Some("mod.rs"));
        let mut names = names_after(&code, "crate::");
        names.extend(names_after(&code, &"super::".repeat(depth)));
        let others = names.into_iter().filter(|name| *name != from && modules.contains(name));
        imports.entry(from.clone()).or_default().extend(others);
    }
    imports
}

/// Removes modules that import only removed ones, until none is left or only cycles are.
fn cyclic(mut imports: Imports) -> Imports {
    loop {
        let names: BTreeSet<String> = imports.keys().cloned().collect();
        let before = imports.len();
        imports.retain(|_, others| others.iter().any(|other| names.contains(other)));
        if imports.len() == before {
            return imports;
        }
    }
}

#[test]
fn no_modules_of_a_crate_import_each_other() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["keys", "manifest", "bundler", "installer"] {
        let imports = imports(&root.join(name).join("src"));
        assert!(imports.values().any(|others| !others.is_empty()), "{name}: {imports:?}");
        let cyclic = cyclic(imports);
        assert!(cyclic.is_empty(), "{name}: these modules import each other: {cyclic:#?}");
    }
}

#[test]
fn a_cycle_is_found() {
    let text = "use crate::{a, b::{c, d}};\nlet x = crate::e::f(); mycrate::g; // crate::h\n";
    assert_eq!(names_after(text, "crate::"), ["a", "b", "e", "h"]);
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in pairs {
            imports.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        imports
    };
    assert!(cyclic(imports(&[("a", "b"), ("b", "c")])).is_empty());
    assert_eq!(cyclic(imports(&[("a", "b"), ("b", "c"), ("c", "b")])).len(), 3);
}
