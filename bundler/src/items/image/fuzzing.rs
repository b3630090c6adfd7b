use super::document::Document;

/// Parses a manifest or an index of an image.
pub fn oci_document(bytes: &[u8]) {
    let _ = Document::parse(bytes);
}
