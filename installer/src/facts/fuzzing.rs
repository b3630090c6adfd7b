use super::{dpkg, one_line};

/// Parses dpkg's status, apt's marks and a list of apt's sources: the same bytes as each.
pub fn dpkg_status(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    dpkg::parse(&text, &text);
    one_line::parse(&text);
}
