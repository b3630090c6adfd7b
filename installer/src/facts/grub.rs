//! GRUB's settings: `/etc/default/grub` with its drop-ins, and the environment block.

use super::reader::Reader;

/// The main file of settings.
const DEFAULTS: &str = "/etc/default/grub";
/// The folder of drop-ins, which `grub-mkconfig` reads afterwards.
const DROP_INS: &str = "/etc/default/grub.d";

/// A value that a file of settings assigns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The file.
    pub(super) path: String,
    /// The value.
    pub(super) value: Value,
}

/// An assigned value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A text with expansions, which only a shell can evaluate.
    Expansion,
}

/// Returns the assignment that `grub-mkconfig` uses: the last one of the last file that has any. It
/// reads `/etc/default/grub` first, and then the drop-ins by name.
pub(super) fn setting(reader: &Reader<'_>, name: &str) -> Option<Setting> {
    let in_file = |path: String| {
        let value = assigned(&reader.text(&path)?, name)?;
        Some(Setting { path, value })
    };
    let drop_ins = reader.names_with(DROP_INS, "cfg").into_iter().rev();
    let paths = drop_ins.map(|name| format!("{DROP_INS}/{name}")).chain([DEFAULTS.to_owned()]);
    paths.into_iter().find_map(in_file)
}

/// Returns the last value that a shell file assigns to a variable.
fn assigned(text: &str, name: &str) -> Option<Value> {
    let value = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let value = line.strip_prefix(name)?.strip_prefix('=')?;
        let is_literal = value.starts_with('\'') || !value.contains(['$', '`']);
        let starts_word = value.starts_with(|c: char| !c.is_whitespace() && c != ';' && c != '#');
        let word = words(value).into_iter().next().filter(|_| starts_word).unwrap_or_default();
        Some(if is_literal { Value::Text(word) } else { Value::Expansion })
    };
    text.lines().filter_map(value).next_back()
}

/// Returns the value of a variable in an environment block. The block has 1,024 bytes: a first line
/// that identifies it, a line for each variable, and padding.
pub(super) fn in_block(block: &str, name: &str) -> Option<String> {
    let lines = block.strip_prefix("# GRUB Environment Block\n")?.lines();
    let value = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).next_back()?;
    // A backslash escapes itself and the end of a line (`grub-core/lib/envblk.c`).
    let value = value.replace("\\\\", "\\");
    (!value.is_empty()).then_some(value)
}

/// Splits a line into words like a shell, without expansions, up to a comment or a separator.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => word.get_or_insert_default().extend(chars.by_ref().take_while(|c| *c != '\'')),
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    word.extend(if c == '\\' { chars.next() } else { Some(c) });
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            ';' => break,
            '#' if word.is_none() => break,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn the_last_assignment_counts_with_its_quotes_removed() {
        let of = |text: &str| assigned(text, "GRUB_DEFAULT").unwrap();
        assert_eq!(assigned("# GRUB_DEFAULT=1\nGRUB_DEFAULT_BUTTON=2\n", "GRUB_DEFAULT"), None);
        assert_eq!(of("GRUB_DEFAULT=0\nGRUB_DEFAULT=\"1>2\" # old kernel\n"), text("1>2"));
        assert_eq!(of("  export GRUB_DEFAULT='a $b'\n"), text("a $b"));
        assert_eq!(of("GRUB_DEFAULT=saved; GRUB_SAVEDEFAULT=true\n"), text("saved"));
        assert_eq!(of("GRUB_DEFAULT=\n"), text(""));
        assert_eq!(of("GRUB_DEFAULT= # empty\n"), text(""));
        assert_eq!(of("GRUB_DEFAULT=\"$(cat /x)\"\n"), Value::Expansion);
    }

    #[test]
    fn the_block_is_padded_and_identified() {
        let lines =
            "saved_entry=gnulinux-advanced-1>gnulinux-6.8.12-4-pve-advanced-1\nnext_entry=\n";
        let head = format!("# GRUB Environment Block\n{lines}");
        let block = format!("{head}{}", "#".repeat(1024 - head.len()));
        let expected = "gnulinux-advanced-1>gnulinux-6.8.12-4-pve-advanced-1";
        assert_eq!(in_block(&block, "saved_entry").as_deref(), Some(expected));
        assert_eq!(in_block(&block, "next_entry"), None);
        assert_eq!(in_block(lines, "saved_entry"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(GRUB_DEFAULT=['\"\\\\$a#; ]{0,6}\n){0,3}|\\PC*") {
            assigned(&text, "GRUB_DEFAULT");
            in_block(&text, "a");
        }
    }
}
