//! A single pass over an index that records the position and the names of each stanza.
//!
//! An index of Debian has 57 MB and 68,000 stanzas. The scan keeps a few bytes for each; requested
//! stanzas are read again from the file.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead};

/// The byte range of a stanza, and whether its package belongs to the base system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) base: Base,
}

/// Membership in the base system, by the fields `Essential` and `Priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Yes,
    No,
}

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) slots: Vec<Slot>,
    /// Pairs of a name, as [`key`], and its stanza.
    pub(super) names: Vec<(u64, u32)>,
    /// Pairs of a provided name and its stanza.
    pub(super) provides: Vec<(u64, u32)>,
}

/// A text that is not a package index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// A stanza exceeds the size limit.
    #[error("its stanza at byte {at} has more than {MAX_STANZA} bytes")]
    TooLong {
        /// The position of its first byte.
        at: u64,
    },
    /// The index has too many stanzas.
    #[error("it has more than {MAX_STANZAS} packages, or more than 4 GiB")]
    TooMany,
    /// A stanza lacks a mandatory field.
    #[error("its stanza at byte {at} has no `{field}`")]
    Missing {
        /// The position of its first byte.
        at: u64,
        field: &'static str,
    },
}

/// The size limit of a stanza in bytes: 1 MiB. The longest of Debian has 60 KiB.
const MAX_STANZA: usize = 1 << 20;

/// The limit of stanzas in an index. Debian has 70,000.
const MAX_STANZAS: usize = 1_000_000;

/// The hash of a name. Reading the stanza tells colliding names apart.
pub(super) fn key(name: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(name)
}

/// Scans `text` for packages of `arch` or of all architectures.
pub(super) fn scan(mut text: impl BufRead, arch: &str) -> Result<Found, ScanError> {
    let mut found = Found::default();
    let mut stanza = Open::default();
    let mut line = Vec::new();
    let mut at: u64 = 0;
    loop {
        line.clear();
        let limit = (MAX_STANZA + 1) as u64;
        let n = io::Read::take(&mut text, limit).read_until(b'\n', &mut line)?;
        if stanza.len + n > MAX_STANZA {
            return Err(ScanError::TooLong { at: at - stanza.len as u64 });
        }
        let content = line.trim_ascii_end();
        if content.is_empty() {
            stanza.close(at, arch, &mut found)?;
            if n == 0 {
                return Ok(found);
            }
        } else {
            stanza.take(content, n);
        }
        at += n as u64;
    }
}

/// The current stanza.
#[derive(Debug, Default)]
struct Open {
    len: usize,
    name: Vec<u8>,
    arch: Vec<u8>,
    base: bool,
    /// Names with their version restrictions, unparsed.
    provides: Vec<u8>,
    /// Whether the last line belonged to `Provides`, which may be folded.
    in_provides: bool,
}

impl Open {
    /// Handles the next line, which had `n` bytes including its end.
    fn take(&mut self, line: &[u8], n: usize) {
        self.len += n;
        if line[0] == b' ' || line[0] == b'\t' {
            if self.in_provides {
                self.provides.extend_from_slice(line);
            }
            return;
        }
        self.in_provides = false;
        // Most lines belong to other fields.
        if !matches!(line[0] | 0x20, b'p' | b'a' | b'e') {
            return;
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else { return };
        let (field, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is = |name: &[u8]| field.eq_ignore_ascii_case(name);
        if is(b"Package") {
            self.name = value.to_vec();
        } else if is(b"Architecture") {
            self.arch = value.to_vec();
        } else if is(b"Provides") {
            self.in_provides = true;
            self.provides = value.to_vec();
        } else if is(b"Priority") {
            self.base |= value == b"required" || value == b"important";
        } else if is(b"Essential") {
            self.base |= value == b"yes";
        }
    }

    /// Ends the stanza before the byte `end`.
    fn close(&mut self, end: u64, arch: &str, found: &mut Found) -> Result<(), ScanError> {
        let open = std::mem::take(self);
        if open.len == 0 {
            return Ok(());
        }
        let at = end - open.len as u64;
        for (field, value) in [("Package", &open.name), ("Architecture", &open.arch)] {
            if value.is_empty() {
                return Err(ScanError::Missing { at, field });
            }
        }
        if open.arch != arch.as_bytes() && open.arch != b"all" {
            return Ok(());
        }
        let number = found.slots.len();
        let (Ok(offset), Ok(len), Ok(slot), true) = (
            u32::try_from(at),
            u32::try_from(open.len),
            u32::try_from(number),
            number < MAX_STANZAS,
        ) else {
            return Err(ScanError::TooMany);
        };
        let base = if open.base { Base::Yes } else { Base::No };
        found.slots.push(Slot { offset, len, base });
        found.names.push((key(&String::from_utf8_lossy(&open.name)), slot));
        let provides = String::from_utf8_lossy(&open.provides);
        let names = provides.split(',').filter_map(|one| one.split_whitespace().next());
        let names = names.map(|name| name.split([':', '(']).next().unwrap_or_default());
        found.provides.extend(names.map(|name| (key(name), slot)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
Package: a
Architecture: amd64
Priority: required
Description: a
 Package: not-a-field

Package: b
Architecture: all
provides: virtual (= 1), other:any,
 folded

Package: c
Architecture: i386

Package: d
Architecture: amd64
Essential: yes";

    fn at(text: &str, slot: Slot) -> &str {
        &text[slot.offset as usize..][..slot.len as usize]
    }

    #[test]
    fn every_stanza_of_the_architecture_is_found_by_its_names() {
        let found = scan(TEXT.as_bytes(), "amd64").unwrap();
        let stanzas: Vec<_> = found.slots.iter().map(|slot| at(TEXT, *slot)).collect();
        assert_eq!(stanzas.len(), 3);
        assert!(stanzas[0].starts_with("Package: a\n") && stanzas[0].ends_with("not-a-field\n"));
        assert!(stanzas[2].starts_with("Package: d\n") && stanzas[2].ends_with("yes"));
        assert_eq!(found.names, [(key("a"), 0), (key("b"), 1), (key("d"), 2)]);
        let provided: Vec<u64> = found.provides.iter().map(|(name, _)| *name).collect();
        assert_eq!(provided, ["virtual", "other", "folded"].map(key));
        let base: Vec<Base> = found.slots.iter().map(|slot| slot.base).collect();
        assert_eq!(base, [Base::Yes, Base::No, Base::Yes]);
        // Other line ends, and several empty lines in a row.
        let other = TEXT.replace('\n', "\r\n").replace("\r\n\r\n", "\r\n\r\n\r\n");
        let found = scan(other.as_bytes(), "amd64").unwrap();
        assert_eq!(found.names.len(), 3);
        assert!(at(&other, found.slots[1]).starts_with("Package: b\r\n"));
        assert!(scan(&b""[..], "amd64").unwrap().slots.is_empty());
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let error = |text: &str| scan(text.as_bytes(), "amd64").unwrap_err().to_string();
        assert!(error("<html>\n").contains("no `Package`"));
        assert!(error("Package: a\n\n").contains("no `Architecture`"));
        let long = "x".repeat(MAX_STANZA);
        let message = error(&format!("{TEXT}\n\nPackage: a\nX: {long}\n"));
        assert!(
            message.contains(&format!("at byte {} has more than", TEXT.len() + 2)),
            "{message}"
        );
        let lines = "X: y\n".repeat(MAX_STANZA / 5 + 1);
        assert!(error(&format!("Package: a\n{lines}")).contains("at byte 0 has more than"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(at in 0..TEXT.len(), junk in any::<Vec<u8>>()) {
            let mut bytes = TEXT.as_bytes().to_vec();
            bytes.splice(at..at, junk.iter().copied());
            let _ = scan(&*bytes, "amd64");
            let _ = scan(&*junk, "amd64");
        }
    }
}
