//! Compares docs/RECIPE.md with the keys that the types accept.

use std::collections::{BTreeMap, BTreeSet};

use super::Recipe;

const PAGE: &str = include_str!("../../../docs/RECIPE.md");

/// Returns the sections of the page that describe a table, by their headings.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let sections = PAGE.split("\n## ").skip(1);
    sections.map(|section| section.split_once('\n').unwrap()).collect()
}

/// Returns the keys in the first column of a section's table.
fn described(section: &str) -> BTreeSet<&str> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap()).collect()
}

/// Returns the keys that the types accept in a table, from the error for a key that none has.
fn accepted(heading: &str) -> BTreeSet<String> {
    let name = heading.trim_matches('`');
    let unknown = match name {
        "[bundle]" => "[bundle]\nno-such-key = 1\n".to_owned(),
        "[[driver]]` `alist" => format!("{HEAD}[[driver]]\nalist = {{ no-such-key = 1 }}\n"),
        _ => {
            let name = name.replace("NAME", "nvidia-259").replace(".ID]", ".0x1e84]");
            // An array of tables is in a table of the array above it.
            let above = if name.starts_with("[[apt.") { "[[apt]]\n" } else { "" };
            format!("{HEAD}{above}{name}\nno-such-key = 1\n")
        }
    };
    let what = Recipe::parse(&unknown).expect_err(&unknown).what;
    let (_, list) = what
        .split_once("unknown field `no-such-key`, expected ")
        .unwrap_or_else(|| panic!("{heading}: {what}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

const HEAD: &str = "[bundle]\nname = \"n\"\nchannel = \"c\"\n";

#[test]
fn the_page_has_every_key_and_no_other() {
    let sections = sections();
    for (heading, section) in &sections {
        let described: Vec<_> = described(section).into_iter().collect();
        let accepted: Vec<_> = accepted(heading).into_iter().collect();
        assert_eq!(described, accepted, "{heading}");
    }
    // The tables at the top are keys themselves.
    let tables = Recipe::parse(&format!("no-such-key = 1\n{HEAD}")).unwrap_err().what;
    let (_, tables) = tables.split_once("expected one of ").unwrap();
    let tables: BTreeSet<_> = tables.split('`').skip(1).step_by(2).collect();
    let of_page: BTreeSet<_> = sections
        .keys()
        .filter(|heading| !heading.contains(['.', ' ']))
        .map(|heading| heading.trim_matches(['`', '[', ']']))
        .collect();
    assert_eq!(of_page, tables);
}

#[test]
fn every_example_of_the_page_is_a_recipe() {
    let mut count = 0;
    for (heading, section) in sections() {
        for example in section.split("```toml\n").skip(1) {
            let example = example.split("```").next().unwrap();
            let head = if example.contains("[bundle]") { "" } else { HEAD };
            let recipe = Recipe::parse(&format!("{head}{example}"));
            assert!(recipe.is_ok(), "{heading}: {recipe:?}\n{example}");
            count += 1;
        }
        assert!(section.contains("```toml\n"), "{heading}: no example");
    }
    assert!(count > 20, "{count} examples");
}
