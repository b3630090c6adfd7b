use std::ops::Range;

/// The number of context lines around a change.
const CONTEXT: usize = 3;

/// Returns a unified diff between two contents of a file with equally many lines, as `diff -a -u`
/// writes it.
pub(super) fn diff(path: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    let [old, new] =
        [old, new].map(|bytes| bytes.split_inclusive(|b| *b == b'\n').collect::<Vec<_>>());
    assert_eq!(old.len(), new.len(), "lines come or go");
    let mut text = format!(
        "--- {path}\t2024-01-01 00:00:00.000000000 +0000\n+++ {path}\t2024-01-02 00:00:00.000000000 +0000\n"
    )
    .into_bytes();
    for lines in hunks(&old, &new) {
        let (start, count) = (lines.start + 1, lines.len());
        text.extend(format!("@@ -{start},{count} +{start},{count} @@\n").into_bytes());
        let mut at = lines.start;
        while at < lines.end {
            let changed = (at..lines.end).take_while(|at| old[*at] != new[*at]).count();
            if changed == 0 {
                line(&mut text, b' ', old[at]);
                at += 1;
                continue;
            }
            old[at..at + changed].iter().for_each(|content| line(&mut text, b'-', content));
            new[at..at + changed].iter().for_each(|content| line(&mut text, b'+', content));
            at += changed;
        }
    }
    text
}

/// Returns the changed lines as hunks, merged where their context overlaps.
fn hunks(old: &[&[u8]], new: &[&[u8]]) -> Vec<Range<usize>> {
    let mut hunks: Vec<Range<usize>> = Vec::new();
    for at in (0..old.len()).filter(|at| old[*at] != new[*at]) {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(old.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

fn line(text: &mut Vec<u8>, sign: u8, content: &[u8]) {
    text.push(sign);
    text.extend_from_slice(content);
    if !content.ends_with(b"\n") {
        text.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
}
