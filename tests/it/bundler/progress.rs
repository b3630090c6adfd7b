//! Progress output on a terminal, provided by `script` of util-linux.

use vgpu_tests::programs::Program;

use crate::bundler::sandbox::{Sandbox, finds, skip};
use crate::liar::{Act, Liar};

/// Returns a sandbox with six slow items, the smallest first, and their servers.
fn slow() -> (Sandbox, Vec<Liar>) {
    let content = |i: u32| (i..100_000 + i * 4000).flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    let liars: Vec<_> = (0..6).map(|i| Liar::new(&content(i), [Act::Rate(400_000)])).collect();
    let sandbox = Sandbox::empty();
    let items = liars.iter().enumerate();
    let item =
        |(i, liar): (usize, &Liar)| format!("[[file]]\nname = 'item{i}'\nurl = '{}'\n", liar.url());
    let items: String = items.map(item).collect();
    sandbox.write("bundle.toml", &format!("[bundle]\nname = 'net'\nchannel = 'stable'\n{items}"));
    (sandbox, liars)
}

/// Runs the program on a terminal of 80 columns and returns all output.
fn on_terminal(sandbox: &Sandbox, words: &str) -> Option<String> {
    if !finds("script") {
        skip("script");
        return None;
    }
    let program = crate::program(Program::Bundler);
    let line = format!("stty cols 80 rows 24; {program} {words}");
    let mut command = sandbox.command("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    let output = command.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    Some(shown)
}

/// Returns the successive frames that were drawn, each as its lines.
fn frames(shown: &str) -> Vec<Vec<String>> {
    // Skip a control sequence, which ends in a letter.
    let after = |part: &str| {
        let text = part.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        text.chars().skip(1).take_while(|c| *c != '\r').collect::<Vec<char>>()
    };
    let lines = |text: Vec<char>| text.chunks(80).map(|line| line.iter().collect()).collect();
    shown.split("\u{1b}[").skip(1).map(after).filter(|text| !text.is_empty()).map(lines).collect()
}

#[test]
fn a_terminal_shows_a_line_for_each_transfer_and_one_for_all() {
    let (sandbox, _liars) = slow();
    let Some(shown) = on_terminal(&sandbox, "lock") else { return };
    let is_item = |line: &&String| line.starts_with("item") && line.contains("KiB/s");
    let frames = frames(&shown);
    let full = frames.iter().find(|frame| frame.iter().filter(is_item).count() == 4);
    let full = full.unwrap_or_else(|| panic!("{frames:#?}"));
    // One line per item within the width of the terminal, with rate and time; the total is last.
    assert!(full.len() == 5 && full.iter().all(|line| line.chars().count() <= 80), "{full:#?}");
    for line in &full[..4] {
        assert!(line.contains("KiB of ") && line.contains("s left"), "{full:#?}");
    }
    assert!(full[4].contains(" of 6 done") && full[4].contains("KiB/s"), "{full:#?}");
    assert!(shown.contains("fetch item5: 468.7 KiB"), "{shown}");

    // With a lock, the total size is known.
    std::fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    let shown = on_terminal(&sandbox, "fetch").unwrap();
    let is_total = |line: &&String| line.contains("of 7 done");
    let totals: Vec<String> = self::frames(&shown)
        .iter()
        .filter_map(|frame| frame.iter().find(is_total).cloned())
        .collect();
    let known = |line: &String| line.contains(" MiB ") && line.contains("s left");
    assert!(totals.iter().any(known), "{totals:#?}");
    // The largest item is first.
    assert!(shown.find("item5") < shown.find("item0"), "{shown}");
    // The final output has no progress lines.
    assert!(!shown.rsplit('\r').next().unwrap().contains("left"), "{shown}");
}

#[test]
fn elsewhere_lines_say_what_is_done() {
    let (sandbox, _liars) = slow();
    let said = sandbox.ok(&["lock"]).err;
    assert!(!said.contains('\u{1b}') && said.contains("fetch item0: 390.6 KiB"), "{said}");
    std::fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    let said = sandbox.ok(&["fetch"]).err;
    assert!(said.contains("all items are in the cache: 7 items"), "{said}");
    assert!(sandbox.ok(&["fetch", "--quiet"]).err.is_empty());
}
