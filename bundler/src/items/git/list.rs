//! The files of a commit, as listed by `git ls-tree`.

use anyhow::{Context as _, bail};

/// A file or link of a commit, or a submodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// The id of the content.
    pub(super) object: String,
    /// The length in bytes.
    pub(crate) size: u64,
    /// The path from the root of the commit: any bytes but NUL.
    pub(crate) path: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Program,
    Link,
    Submodule,
}

pub(super) const ANSWER: &str = "git gave an unexpected list of the files of a commit";

/// Parses a line of `git ls-tree -r -z --long`, without the NUL at its end.
pub(super) fn entry(line: &[u8]) -> anyhow::Result<Entry> {
    let tab = line.iter().position(|b| *b == b'\t').context(ANSWER)?;
    let head = std::str::from_utf8(&line[..tab]).context(ANSWER)?;
    let path = line[tab + 1..].to_vec();
    let mut words = head.split(' ').filter(|word| !word.is_empty());
    let mut word = || words.next().context(ANSWER);
    let (mode, _, object, size) = (word()?, word()?, word()?, word()?);
    let kind = match mode {
        // Early versions of git wrote 0664.
        "100644" | "100664" => Kind::File,
        "100755" => Kind::Program,
        "120000" => Kind::Link,
        "160000" => Kind::Submodule,
        _ => bail!(ANSWER),
    };
    let size = match (kind, size) {
        (Kind::Submodule, "-") => 0,
        (_, size) => size.parse::<u64>().context(ANSWER)?,
    };
    let hex = object.bytes().all(|b| b.is_ascii_hexdigit()) && [40, 64].contains(&object.len());
    if !hex || path.is_empty() {
        bail!(ANSWER);
    }
    Ok(Entry { kind, object: object.to_owned(), size, path })
}

impl Entry {
    /// Returns the path for output.
    #[must_use]
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).escape_debug().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_git() {
        let id = "a".repeat(40);
        let line = |text: &str| entry(text.as_bytes());
        let file = line(&format!("100755 blob {id}      12\ta\tb\nc")).unwrap();
        assert_eq!((file.kind, file.size, &*file.path), (Kind::Program, 12, &b"a\tb\nc"[..]));
        assert_eq!(file.shown(), "a\\tb\\nc");
        let module = line(&format!("160000 commit {id}       -\tsub")).unwrap();
        assert_eq!(module.kind, Kind::Submodule);
        for bad in [
            "",
            "100644 blob",
            &format!("100644 blob {id} -\ta"),
            &format!("100644 blob {id} 1\t"),
            &format!("040000 tree {id} 1\ta"),
            "100644 blob abc 1\ta",
        ] {
            assert!(line(bad).is_err(), "{bad}");
        }
    }
}
