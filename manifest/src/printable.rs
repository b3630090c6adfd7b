/// `text` on one line, without anything that a terminal takes for more than a character.
///
/// A backslash stays as it is: what was escaped once already reads the same the second time.
/// Errors escape what comes from outside where they quote it, and this is the net below them, for
/// names from bundles, servers and the system that end up in messages of libraries.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            safe.extend(c.escape_debug());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A word of a command line, so that a shell takes it for this one word.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What hides or reorders the text around it.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(printable("naïve `a/b` 日本"), "naïve `a/b` 日本");
        assert_eq!(printable("a\u{1b}[2J\r\nb\t\u{9b}c"), "a\\u{1b}[2J\\r\\nb\\t\\u{9b}c");
        assert_eq!(printable("x\u{202e}gpj.exe"), "x\\u{202e}gpj.exe");
    }

    #[test]
    fn a_shell_takes_a_word_for_one() {
        assert_eq!(shell_word("--root=/a/b:c@d,e_1.x"), "--root=/a/b:c@d,e_1.x");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word("é"), "'é'");
    }

    #[test]
    fn what_is_printable_stays_as_it_is() {
        for text in ["a\u{1b}b", "it's `c:\\x`", "\u{202e}"] {
            assert_eq!(printable(&printable(text)), printable(text));
        }
    }
}
