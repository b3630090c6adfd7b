//! The commands in `docs/coming-from-the-script.md`, checked against the programs.

const GUIDE: &str = include_str!("../../docs/coming-from-the-script.md");

/// Returns the code spans of a text.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the rows of the table below a heading, each as its first cell and the rest.
fn rows(heading: &str) -> Vec<(&str, &str)> {
    let (_, rest) = GUIDE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|line| line.trim_matches(['|', ' ']).split_once(" | ").unwrap());
    cells.filter(|(first, _)| !first.starts_with("---")).skip(1).collect()
}

#[test]
fn every_command_in_the_guide_is_one() {
    let mut seen = 0;
    for span in code(GUIDE) {
        let words: Vec<&str> = span.split_whitespace().collect();
        let command = match words[0] {
            "vgpu-installer" if words.len() > 1 => vgpu_installer::command(),
            "vgpu-bundler" if words.len() > 1 => vgpu_bundler::command(),
            _ => continue,
        };
        seen += 1;
        if let Err(error) = command.try_get_matches_from(&words) {
            assert!(!error.use_stderr(), "`{span}`: {error}");
        }
    }
    assert!(seen > 30, "only {seen} commands");
}

#[test]
fn every_flag_and_every_menu_entry_has_its_row() {
    let first = |heading| rows(heading).into_iter().map(|(cell, _)| cell).collect::<Vec<_>>();
    let flags = first("Flags");
    for flag in ["--debug", "--step 1", "--step 2", "--url URL", "--file NAME", "--help"] {
        assert!(flags.iter().any(|cell| cell.contains(&format!("`{flag}`"))), "{flag}");
    }
    let common = ["New vGPU installation", "Upgrade vGPU installation", "Remove vGPU installation"];
    let older = ["Download vGPU drivers", "License vGPU", "Exit"];
    let newer = ["Download vGPU (host) drivers", "Download guest drivers", "License vGPU", "Exit"];
    for (heading, rest) in
        [("Menu, versions 1.1 to 1.61", &older[..]), ("Menu, versions 1.7 to 1.84", &newer[..])]
    {
        let entries: Vec<_> = common.iter().chain(rest).collect();
        let expected: Vec<_> =
            entries.iter().enumerate().map(|(i, entry)| format!("{} {entry}", i + 1)).collect();
        assert_eq!(first(heading), expected, "{heading}");
    }
    for heading in ["Flags", "Menu, versions 1.7 to 1.84", "Questions that the script asks"] {
        for (what, answer) in rows(heading) {
            assert!(!answer.trim().is_empty(), "{what}");
        }
    }
}
