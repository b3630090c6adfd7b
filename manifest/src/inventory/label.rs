use crate::text::{is_word, text};

text! {
    /// A short text from outside, as it may be shown on a terminal: printable ASCII with single
    /// blanks between words.
    Label,
    "a label",
    "printable ASCII without blanks at either end, at most 200 bytes",
    |text| {
        let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
        is_word(text, 200, |b| b.is_ascii_graphic(), printable) && !text.ends_with(' ')
    }
}

text! {
    /// The name that something has in the kernel or in a configuration file: a driver, a module,
    /// a pool, a feature, a suite.
    Name,
    "a name",
    "letters, digits and `._:@/+~-`, at most 128 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b"._:@/+~-".contains(&b);
        is_word(text, 128, rest, rest)
    }
}

impl Label {
    /// The closest label to any text: what is not printable becomes `?`, and the rest is cut.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let clean: String = text.trim().chars().map(printable).take(200).collect();
        clean.trim().parse().unwrap_or_else(|_| Self("?".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_gets_into_a_label() {
        for good in ["a", "GRUB 2.12", "it is larger than 1 MiB", "`/etc/x`: no"] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
            assert_eq!(Label::lossy(good).as_str(), good);
        }
        for bad in ["", " a", "a ", "a\nb", "\u{1b}[2J", "a\tb", "\u{202e}", "é", "\0"] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
        assert_eq!(Label::lossy(" a\u{1b}[2Jé\n").as_str(), "a?[2J?");
        assert_eq!(Label::lossy("\n").as_str(), "?");
    }

    #[test]
    fn a_name_needs_no_quoting() {
        for good in
            ["vfio-pci", "com.delphix:hole_birth", "rpool/ROOT/pve-1", "bookworm-security/updates"]
        {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\n", "$x", "a;b", "a'", "é"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_has_a_closest_label(text in any::<String>()) {
            let label = Label::lossy(&text);
            prop_assert_eq!(label.as_str().parse::<Label>(), Ok(label.clone()));
        }
    }
}
