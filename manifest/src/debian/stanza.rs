//! A paragraph of a control file: fields with values that may span several lines.

/// A paragraph, as in an index or in dpkg's status.
#[derive(Debug, Clone)]
pub struct Stanza<'t> {
    fields: Vec<(&'t str, &'t str)>,
}

/// A text is not a paragraph of a control file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StanzaError {
    /// A line is neither a field nor a continuation line.
    #[error("line {0} is not a `Field: value` line")]
    NoField(usize),
    /// A field is repeated, so that two parsers could see different packages.
    #[error("line {0} repeats a field")]
    Twice(usize),
}

impl<'t> Stanza<'t> {
    /// Parses the fields in `text`, which is one paragraph without the empty line after it.
    pub fn parse(text: &'t str) -> Result<Self, StanzaError> {
        let mut stanza = Self { fields: Vec::with_capacity(24) };
        let mut at = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let end = at + line.len();
            if line.starts_with([' ', '\t']) {
                let (_, value) =
                    stanza.fields.last_mut().ok_or(StanzaError::NoField(number + 1))?;
                let from = value.as_ptr().addr() - text.as_ptr().addr();
                *value = &text[from..end];
            } else if !line.trim_end().is_empty() {
                let (name, _) = line.split_once(':').ok_or(StanzaError::NoField(number + 1))?;
                if stanza.get(name).is_some() {
                    return Err(StanzaError::Twice(number + 1));
                }
                stanza.fields.push((name, &text[at + name.len() + 1..end]));
            }
            at = end;
        }
        Ok(stanza)
    }

    /// Returns the value of a field, trimmed; it may contain line ends.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'t str> {
        let mut fields = self.fields.iter();
        fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_goes_on_where_a_line_begins_with_a_blank() {
        let stanza = Stanza::parse("Package: a\nDepends: b,\n c,\n\td\nEmpty:\nLast: x").unwrap();
        assert_eq!(stanza.get("package"), Some("a"));
        assert_eq!(stanza.get("Depends"), Some("b,\n c,\n\td"));
        assert_eq!(stanza.get("Empty"), Some(""));
        assert_eq!(stanza.get("Last"), Some("x"));
        assert_eq!(stanza.get("Pack"), None);
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        assert_eq!(Stanza::parse("a: 1\nb\n").unwrap_err(), StanzaError::NoField(2));
        assert_eq!(Stanza::parse(" a: 1\n").unwrap_err(), StanzaError::NoField(1));
        assert_eq!(Stanza::parse("a: 1\nA: 2\n").unwrap_err(), StanzaError::Twice(2));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "([a-c é:\t]{0,5}\r?\n){0,6}") {
            let _ = Stanza::parse(&text).map(|stanza| stanza.get("a").map(str::len));
        }
    }
}
