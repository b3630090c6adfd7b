//! The packages of a bundle in the indexes of their archive.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Stanza;
use crate::package::{ArchiveName, FieldValue, PackageRecord};
use crate::{Item, ItemName, Kind, Manifest};

/// The size limit of an unpacked index in bytes: 512 MiB. Debian's has 57 MB.
pub const MAX_INDEX: u64 = 512 << 20;

/// The size limit of a stanza in bytes: 1 MiB. The longest of Debian has 60 KiB.
const MAX_STANZA: usize = 1 << 20;

/// The fields that apt needs before it unpacks a package.
const FIELDS: [&str; 12] = [
    "Source",
    "Section",
    "Priority",
    "Essential",
    "Multi-Arch",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Provides",
];

/// Returns the fields of a stanza that apt needs before it unpacks the package, each on one line.
pub fn relation_fields<'s>(
    stanza: &'s Stanza<'_>,
) -> impl Iterator<Item = (&'static str, String)> + use<'s> {
    FIELDS.into_iter().filter_map(|name| {
        let words: Vec<&str> = stanza.get(name)?.split_whitespace().collect();
        Some((name, words.join(" ")))
    })
}

/// A search for the packages of one archive in its indexes.
///
/// Each index is written to it, followed by [`IndexSearch::end`].
#[derive(Debug)]
pub struct IndexSearch<'m> {
    /// The packages that no index has listed yet, by name.
    missing: BTreeMap<&'m str, Vec<(&'m Item, &'m PackageRecord)>>,
    found: usize,
    stanza: Vec<u8>,
    /// The start of the last line in `stanza`.
    line: usize,
    /// The bytes of the index so far.
    read: u64,
}

/// A text is not a package index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A stanza exceeds the limit.
    #[error("it has a stanza of more than {MAX_STANZA} bytes")]
    Stanza,
    /// The index exceeds the limit.
    #[error("it has more than {MAX_INDEX} bytes")]
    Index,
}

impl<'m> IndexSearch<'m> {
    /// Returns a search for the packages of this archive in a bundle.
    #[must_use]
    pub fn new(manifest: &'m Manifest, archive: &ArchiveName) -> Self {
        let mut missing = BTreeMap::<_, Vec<_>>::new();
        for (item, package) in manifest.records(Kind::package) {
            if package.archive == *archive {
                missing.entry(package.name.as_str()).or_default().push((item, package));
            }
        }
        Self { missing, found: 0, stanza: Vec::new(), line: 0, read: 0 }
    }

    /// Ends an index.
    pub fn end(&mut self) {
        self.end_stanza();
        self.read = 0;
    }

    /// Returns the number of packages that the indexes list as the bundle has them.
    #[must_use]
    pub fn found(&self) -> usize {
        self.found
    }

    /// Returns a package that no index lists as the bundle has it.
    #[must_use]
    pub fn missing(&self) -> Option<&'m ItemName> {
        self.missing.values().flatten().map(|(item, _)| item.name()).next()
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), IndexError> {
        self.read += piece.len() as u64;
        if self.read > MAX_INDEX {
            return Err(IndexError::Index);
        }
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.stanza.extend_from_slice(part);
            if self.stanza.len() > MAX_STANZA {
                return Err(IndexError::Stanza);
            }
            if part.ends_with(b"\n") {
                if self.stanza[self.line..].trim_ascii().is_empty() {
                    self.end_stanza();
                }
                self.line = self.stanza.len();
            }
        }
        Ok(())
    }

    fn end_stanza(&mut self) {
        let stanza = std::mem::take(&mut self.stanza);
        self.line = 0;
        if let Some(name) = name(&stanza)
            && let Some(wanted) = self.missing.get_mut(name)
            && let Ok(parsed) = Stanza::parse(&String::from_utf8_lossy(&stanza))
        {
            let before = wanted.len();
            wanted.retain(|(item, package)| !lists(&parsed, item, package));
            self.found += before - wanted.len();
        }
        // Reuse the allocation: an index has tens of thousands of stanzas.
        self.stanza = stanza;
        self.stanza.clear();
    }
}

impl Write for IndexSearch<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.take(piece).map_err(io::Error::other)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the name of the package that a stanza may describe, without parsing all of it.
fn name(stanza: &[u8]) -> Option<&str> {
    let mut lines = stanza.split(|&byte| byte == b'\n');
    let value = lines.find_map(|line| {
        let (field, value) = line.split_at_checked(8)?;
        field.eq_ignore_ascii_case(b"package:").then_some(value)
    })?;
    std::str::from_utf8(value.trim_ascii()).ok()
}

/// Returns whether a stanza lists a package with these bytes and properties.
fn lists(stanza: &Stanza<'_>, item: &Item, package: &PackageRecord) -> bool {
    let is = |field: &str, value: &str| stanza.get(field) == Some(value);
    let recorded = package.fields.iter();
    let recorded = recorded.map(|(name, value)| (name.as_str(), FieldValue::as_str(value)));
    let listed: BTreeMap<&str, String> = relation_fields(stanza).collect();
    is("Package", package.name.as_str())
        && is("Version", package.version.as_str())
        && is("Architecture", package.arch.as_str())
        && is("SHA256", &item.sha256().to_string())
        && is("Size", &item.size().to_string())
        && listed.iter().map(|(name, value)| (*name, value.as_str())).eq(recorded)
}

#[cfg(test)]
mod tests;
