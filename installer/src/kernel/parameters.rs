//! The kernel command line in files such as `/etc/kernel/cmdline`.
//!
//! Only the first line of such a file counts. Adding parameters and removing them again restores
//! the same bytes.

use std::ops::Range;

use vgpu_manifest::KernelWord;

/// Returns those of `words` that the line does not have.
#[must_use]
pub(crate) fn missing(file: &[u8], words: &[KernelWord]) -> Vec<KernelWord> {
    let (line, _) = split(file);
    let is_there = |word: &KernelWord| {
        line.split(u8::is_ascii_whitespace).any(|there| there == word.as_str().as_bytes())
    };
    words.iter().filter(|word| !is_there(word)).cloned().collect()
}

/// Returns the file with `words` at the end of its first line.
#[must_use]
pub(crate) fn with(file: &[u8], words: &[KernelWord]) -> Vec<u8> {
    let (line, rest) = split(file);
    let mut line = line.to_vec();
    for word in words {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(word.as_str().as_bytes());
    }
    [&line, rest].concat()
}

/// Returns the file without the last occurrence of each of `words` in its first line.
#[must_use]
pub(crate) fn without(file: &[u8], words: &[KernelWord]) -> Vec<u8> {
    let (line, rest) = split(file);
    let mut line = line.to_vec();
    for word in words.iter().rev() {
        if let Some(range) = last(&line, word.as_str().as_bytes()) {
            line.drain(range);
        }
    }
    [&line, rest].concat()
}

/// Splits the file into the first line and the rest, which begins with the line's end.
fn split(file: &[u8]) -> (&[u8], &[u8]) {
    file.split_at(file.iter().position(|&b| b == b'\n').unwrap_or(file.len()))
}

/// Returns the last occurrence of `word` in `line`, with one of the adjacent blanks.
fn last(line: &[u8], word: &[u8]) -> Option<Range<usize>> {
    let is_blank = |at: usize| line.get(at).is_none_or(u8::is_ascii_whitespace);
    let starts = (0..=line.len().checked_sub(word.len())?).rev();
    let start = starts.into_iter().find(|&start| {
        let end = start + word.len();
        line[start..].starts_with(word) && is_blank(end) && (start == 0 || is_blank(start - 1))
    })?;
    let end = start + word.len();
    Some(if start > 0 { start - 1..end } else { start..(end + 1).min(line.len()) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<KernelWord> {
        text.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn only_the_first_line_counts_and_only_whole_words() {
        let file = b"root=/dev/sda1 quiet iommu=ptx\niommu=pt\n";
        assert_eq!(missing(file, &words("quiet iommu=pt")), words("iommu=pt"));
        let edited = with(file, &words("iommu=pt"));
        assert_eq!(edited, b"root=/dev/sda1 quiet iommu=ptx iommu=pt\niommu=pt\n");
        assert_eq!(without(&edited, &words("iommu=pt")), file);
    }

    #[test]
    fn parameters_are_removed_from_a_line_that_was_edited_since() {
        let edited = b"a=1 root=/dev/sda1 intel_iommu=on mine iommu=pt";
        let ours = words("intel_iommu=on iommu=pt");
        assert_eq!(without(edited, &ours), b"a=1 root=/dev/sda1 mine");
        assert_eq!(without(b"iommu=pt root=x", &ours), b"root=x");
        assert_eq!(without(b"root=x\n", &ours), b"root=x\n");
        assert_eq!(without(b"", &ours), b"");
    }

    proptest! {
        #[test]
        fn adding_and_taking_out_is_the_identity(
            file in "[ab= \n]{0,20}",
            added in prop::collection::vec("[ab=]{1,3}", 0..4),
        ) {
            let added: Vec<KernelWord> = added.iter().filter_map(|w| w.parse().ok()).collect();
            let edited = with(file.as_bytes(), &added);
            prop_assert_eq!(without(&edited, &added), file.as_bytes());
        }
    }
}
