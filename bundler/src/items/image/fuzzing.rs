use std::io::{Read as _, Write as _};

use super::document::Document;
use super::saved::members::Members;

/// Parses a manifest or an index of an image.
pub fn oci_document(bytes: &[u8]) {
    let _ = Document::parse(bytes);
}

/// Scans an archive with images. Every member that is found can be read to its end.
pub fn image_archive(bytes: &[u8]) {
    let Ok(mut file) = tempfile::tempfile() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let Ok(members) = Members::scan(file) else { return };
    for name in ["index.json", "manifest.json", "a", "b", "l"] {
        let Some(mut part) = members.part(name) else { continue };
        let mut read = Vec::new();
        assert_eq!(part.content.read_to_end(&mut read).ok(), usize::try_from(part.size).ok());
    }
}
