//! Debian's deb822 format: stanzas of `Field: value` lines, continued on lines that start with a
//! blank.

/// Returns the stanzas of a file, without comments and empty ones.
pub(super) fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        while lines.next_if(|line| line.trim().is_empty()).is_some() {}
        let mut stanza = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
            stanza.push(line);
        }
        (!stanza.is_empty()).then_some(Stanza(stanza))
    })
}

/// The lines of one stanza.
#[derive(Debug)]
pub(super) struct Stanza<'a>(Vec<&'a str>);

impl<'a> Stanza<'a> {
    /// Returns the first line of a field's value; field names ignore case.
    pub(super) fn line(&self, field: &str) -> Option<&'a str> {
        self.0.iter().find_map(|line| value_of(line, field))
    }

    /// Returns all words of a field's value, including continuation lines.
    pub(super) fn words(&self, field: &str) -> Vec<&'a str> {
        let mut lines = self.0.iter().skip_while(|line| value_of(line, field).is_none());
        let first = lines.next().and_then(|line| value_of(line, field)).unwrap_or_default();
        let more = lines.take_while(|line| line.starts_with([' ', '\t', '#']));
        let more = more.filter(|line| !line.starts_with('#'));
        first.split_whitespace().chain(more.flat_map(|line| line.split_whitespace())).collect()
    }

    /// Checks whether it has only comments.
    pub(super) fn is_comment(&self) -> bool {
        self.0.iter().all(|line| line.starts_with('#'))
    }
}

fn value_of<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case(field).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stanzas_are_separated_by_blank_lines_and_fields_go_on() {
        let text = "\n\nA: 1\nB: x\n y\n# no\n\tz\nC:\n\n \n# only a comment\n\na: 2\n";
        let all: Vec<_> = stanzas(text).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].line("a"), Some("1"));
        assert_eq!(all[0].words("B"), ["x", "y", "z"]);
        assert!(all[0].words("C").is_empty() && all[0].words("D").is_empty());
        assert!(all[1].is_comment() && !all[2].is_comment());
        assert_eq!(all[2].line("A"), Some("2"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([A-C]: ?[a-z]*\n|[ #\t]?\\PC{0,8}\n?){0,12}") {
            for stanza in stanzas(&text) {
                let _ = (stanza.line("A"), stanza.words("B"), stanza.is_comment());
            }
        }
    }
}
