//! The file of a package and the fields that apt needs before it unpacks the package.

use vgpu_manifest::Digest;
use vgpu_manifest::debian::relation_fields;
use vgpu_manifest::inventory::PackageName;
use vgpu_manifest::package::ArchiveName;

use super::{Candidate, Indexes, ReadError, Stanza, split};

/// A file of an archive, as a stanza of its index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deb {
    /// Relative to the archive.
    pub(crate) path: String,
    pub(crate) sha256: Digest,
    /// In bytes.
    pub(crate) size: u64,
    /// The relationship fields, each on one line.
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// A stanza does not give the file of its package.
#[derive(Debug, thiserror::Error)]
#[error("the stanza of `{name}` in the index of `{archive}` has no usable `{field}`")]
pub(crate) struct NoDeb {
    name: PackageName,
    archive: ArchiveName,
    field: &'static str,
}

impl Indexes {
    /// Returns the file of a candidate.
    pub(crate) fn deb(&self, candidate: &Candidate) -> Result<Result<Deb, NoDeb>, ReadError> {
        let (index, slot) = split(candidate.offer.place);
        let text = self.text(index, slot)?;
        let missing = |field| NoDeb {
            name: candidate.name.clone(),
            archive: candidate.offer.archive.clone(),
            field,
        };
        // The scan has read this stanza before.
        let Ok(stanza) = Stanza::parse(&text) else { return Ok(Err(missing("Package"))) };
        let deb = || {
            let path = stanza.get("Filename").and_then(path).ok_or("Filename")?;
            let sha256 = stanza.get("SHA256").and_then(|text| text.parse().ok()).ok_or("SHA256")?;
            let size = stanza.get("Size").and_then(|text| text.parse().ok()).ok_or("Size")?;
            let fields = relation_fields(&stanza);
            Ok(Deb { path: path.to_owned(), sha256, size, fields: fields.collect() })
        };
        Ok(deb().map_err(missing))
    }
}

/// Checks that a path stays below the archive.
fn path(text: &str) -> Option<&str> {
    let path = text.strip_prefix("./").unwrap_or(text);
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    let is_plain = path.len() <= 1000 && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    (is_plain && path.split('/').all(is_part)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_else() {
        assert_eq!(path("pool/main/a/a_1%3a2_all.deb"), Some("pool/main/a/a_1%3a2_all.deb"));
        assert_eq!(path("./a.deb"), Some("a.deb"));
        for bad in ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a b", "a\\b", "a\n", "é"] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }
}
