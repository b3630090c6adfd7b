//! A unified diff of two small texts.

/// The number of unchanged lines around a change.
const CONTEXT: usize = 3;

/// The number of lines that are shown.
const SHOWN: usize = 60;

/// The largest table that the comparison may fill. Beyond it, all lines count as exchanged.
const TABLE: usize = 1 << 20;

/// A line of one text or of both.
#[derive(Debug, Clone, Copy)]
enum Line<'t> {
    Both(&'t str),
    Old(&'t str),
    New(&'t str),
}

/// Returns the lines of a unified diff, without the names of files, and at most [`SHOWN`] of them.
pub(super) fn unified(old: &str, new: &str) -> Vec<String> {
    let lines = compare(&split(old), &split(new));
    let mut shown = Vec::new();
    let (mut at, mut numbers) = (0, (1, 1));
    for hunk in hunks(&lines) {
        numbers = after(numbers, &lines[at..hunk.start]);
        let (end, inside) = (after(numbers, &lines[hunk.clone()]), &lines[hunk.clone()]);
        let range = |from: usize, to: usize| match to - from {
            // diff counts an empty range from the line before it.
            0 => format!("{},0", from - 1),
            1 => from.to_string(),
            count => format!("{from},{count}"),
        };
        let (old, new) = (range(numbers.0, end.0), range(numbers.1, end.1));
        shown.push(format!("@@ -{old} +{new} @@"));
        for line in inside {
            let (sign, text) = match line {
                Line::Both(text) => (' ', text),
                Line::Old(text) => ('-', text),
                Line::New(text) => ('+', text),
            };
            shown.push(format!("{sign}{}", text.trim_end_matches('\n')));
            if !text.ends_with('\n') {
                shown.push("\\ No newline at end of file".to_owned());
            }
        }
        (at, numbers) = (hunk.end, end);
    }
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    if more > 0 {
        shown.push(format!("… and {more} more lines"));
    }
    shown
}

/// Returns the lines, each with its line break.
fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Returns the line numbers after these lines.
fn after((old, new): (usize, usize), lines: &[Line<'_>]) -> (usize, usize) {
    let count = |skip: fn(&Line<'_>) -> bool| lines.iter().filter(|line| !skip(line)).count();
    let is_new = |line: &Line<'_>| matches!(line, Line::New(_));
    let is_old = |line: &Line<'_>| matches!(line, Line::Old(_));
    (old + count(is_new), new + count(is_old))
}

/// Returns the ranges of lines to show: each change with its context.
fn hunks(lines: &[Line<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Both(_))) {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

/// Compares two lists of lines by their longest common subsequence.
fn compare<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_mid, new_mid) =
        (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut lines: Vec<_> = old[..head].iter().map(|line| Line::Both(line)).collect();
    if old_mid.len().saturating_mul(new_mid.len()) > TABLE {
        lines.extend(old_mid.iter().map(|line| Line::Old(line)));
        lines.extend(new_mid.iter().map(|line| Line::New(line)));
    } else {
        lines.extend(subsequence(old_mid, new_mid));
    }
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Both(line)));
    lines
}

fn subsequence<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    // The length of the longest common subsequence of the lines from each position on.
    let width = new.len() + 1;
    let mut table = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i * width + j] = if old[i] == new[j] {
                table[(i + 1) * width + j + 1] + 1
            } else {
                table[(i + 1) * width + j].max(table[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Both(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && table[(i + 1) * width + j] >= table[i * width + j + 1])
        {
            lines.push(Line::Old(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn changes_have_context_and_numbers() {
        let old = (1..=20).map(|n| n.to_string() + "\n").collect::<Vec<_>>().concat();
        let new = old.replace("\n5\n", "\nfive\n").replace("19\n", "").replace("20\n", "20");
        let shown = unified(&old, &new);
        let expected = [
            "@@ -2,7 +2,7 @@",
            " 2",
            " 3",
            " 4",
            "-5",
            "+five",
            " 6",
            " 7",
            " 8",
            "@@ -16,5 +16,4 @@",
            " 16",
            " 17",
            " 18",
            "-19",
            "-20",
            "+20",
            "\\ No newline at end of file",
        ];
        assert_eq!(shown, expected);
        assert!(unified(&old, &old).is_empty());
        assert_eq!(unified("", "a\n"), ["@@ -0,0 +1 @@", "+a"]);
        let long = (0..2000).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
        let shown = unified("", &long);
        assert_eq!((shown.len(), shown[60].as_str()), (61, "… and 1941 more lines"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn both_texts_can_be_read_from_the_comparison(
            old in "([ab]\n){0,12}[ab]?", new in "([ab]\n){0,12}[ab]?",
        ) {
            let lines = compare(&split(&old), &split(&new));
            let side = |skip: fn(&Line<'_>) -> bool| -> String {
                lines.iter().filter(|line| !skip(line)).map(|line| match line {
                    Line::Both(text) | Line::Old(text) | Line::New(text) => *text,
                }).collect()
            };
            prop_assert_eq!(side(|line| matches!(line, Line::New(_))), old.clone());
            prop_assert_eq!(side(|line| matches!(line, Line::Old(_))), new.clone());
        }
    }
}
