//! The note beside a content that says what its chunks are.
//!
//! A line with the size, a line per chunk, and a line with the digest of all lines before it, so
//! that a note that was cut short or has rotted is no note. What is in it is checked again when
//! the content is packed; it only spares a second pass.

use std::fmt::Write as _;
use std::fs;
use std::io;

use camino::Utf8Path;
use vgpu_manifest::{Digest, Measured};

use super::incoming::put;

/// Write the note of `measured` to `path`.
pub(super) fn write(path: &Utf8Path, dir: &Utf8Path, measured: &Measured) -> io::Result<()> {
    let mut text = format!("{} {}\n", measured.sha256, measured.size);
    for chunk in &measured.chunks {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{chunk}");
    }
    let _ = writeln!(text, "{}", Digest::of(text.as_bytes()));
    put(path, dir, text.as_bytes())
}

/// Read the note at `path`, if it is one about `size` bytes with digest `sha256`.
pub(super) fn read(path: &Utf8Path, sha256: Digest, size: u64) -> Option<Measured> {
    let text = fs::read_to_string(path).ok()?;
    let (body, seal) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=body.len()];
    let mut lines = body.lines();
    let is_ours = seal.parse() == Ok(Digest::of(body.as_bytes()))
        && lines.next()? == format!("{sha256} {size}");
    let chunks: Option<Vec<Digest>> = lines.map(|line| line.parse().ok()).collect();
    chunks.filter(|_| is_ours).map(|chunks| Measured { size, sha256, chunks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_was_touched_is_no_note() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let path = dir.join("note");
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        let measured = Measured { size: 5 << 20, sha256: a, chunks: vec![b, a] };
        write(&path, dir, &measured).unwrap();
        assert_eq!(read(&path, a, 5 << 20), Some(measured));
        assert_eq!(read(&path, b, 5 << 20), None);
        assert_eq!(read(&path, a, 5 << 21), None);

        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path, a, 5 << 20), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(&path, a, 5 << 20), None, "cut at {at}");
        }
    }
}
