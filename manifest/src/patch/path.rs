use crate::text::text;

text! {
    /// A path below the root of a tree, as a patch names it.
    ///
    /// Parts of printable ASCII without blanks, quotes and backslashes, joined by `/`. It is
    /// relative, cannot climb, and has one spelling: a leading `./` is taken off before.
    TreePath,
    "a path in a tree",
    "parts of printable ASCII joined by `/`, none of them `.` or `..`, at most 1,024 bytes",
    |text| text.len() <= 1024 && text.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\\\"'`".contains(&b);
    (1..=255).contains(&part.len()) && part != "." && part != ".." && part.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_tree_and_has_one_spelling() {
        for good in ["nvidia-vgpud", "kernel/nvidia/nv-kernel.o_binary", ".manifest", "a..b/c"] {
            assert!(good.parse::<TreePath>().is_ok(), "{good}");
        }
        let long = "a/".repeat(600);
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a b",
            "a\tb",
            "a\nb",
            "a\\b",
            "\"a\"",
            "a\0",
            "é",
            &long,
        ] {
            assert!(bad.parse::<TreePath>().is_err(), "{bad:?}");
        }
    }
}
