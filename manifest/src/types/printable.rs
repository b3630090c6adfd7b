/// Returns `text` on one line, with escapes for every character that controls a terminal.
///
/// A backslash is not escaped, so that a second pass changes nothing. Errors escape outside text
/// where they quote it. This function is the safety net for names from bundles, servers and the
/// system in the messages of libraries.
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

/// Quotes an argument for a shell.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Checks whether a character hides or reorders the text around it.
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
